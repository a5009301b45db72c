"""What must hold for any bytes: a verdict of both verifiers, with a documented exit code."""

import hashlib

from enforcement_suite.suite import SUITE
from stressproof.evidence.json_text import MalformedJson, parse_object
from stressproof.evidence.level import Level
from stressproof.evidence.reading import Document, UnreadableEvidenceError
from stressproof.exits import Exit
from stressproof.outcome import Outcome
from stressproof.report.verdicts import FORMATS, render
from stressproof.verify.failure import verifier as failure_verifier
from stressproof.verify.stress import verifier as stress_verifier
from stressproof.verify.verdict import Verdict, unread

NOW_US = 1_772_020_800_000_000


def verdicts(raw: bytes) -> list[Verdict]:
    """Both verifiers' verdicts on some bytes, as strict as they can be asked to be."""
    digest = hashlib.sha256(raw).hexdigest()
    try:
        data = parse_object(raw)
    except MalformedJson as error:
        unreadable = UnreadableEvidenceError(
            error.seen, error.expected, hint=error.hint, path="x", sha256=digest, size=len(raw)
        )
        return [
            unread(kind, unreadable, path="x", required_level=Level.DECLARED, now_us=NOW_US)
            for kind in ("stress", "failure")
        ]
    document = Document(data, digest, len(raw), "x")
    return [
        stress_verifier.verify(document, SUITE.stress_requirements(), NOW_US),
        stress_verifier.verify(document, SUITE.stress_requirements().for_gate(), NOW_US),
        failure_verifier.verify(
            document, SUITE.failure_requirements().for_gate(), NOW_US, files={}
        ),
    ]


def judge_anything(raw: bytes) -> None:
    """Judge some bytes, and raise where the verdict is not one to rely on."""
    for verdict in verdicts(raw):
        assert verdict.exit_code in set(Exit) - {Exit.INTERNAL}
        assert (verdict.outcome is Outcome.PASS) == (verdict.exit_code is Exit.PASS)
        assert verdict.results
        for result in verdict.results:
            assert result.compared > 0 or result.outcome is Outcome.NOT_CHECKED
            assert all(each.seen.isprintable() for each in result.findings)
        form = FORMATS[len(raw) % len(FORMATS)]
        text = render(verdict, form)
        assert all(line.isprintable() for line in text.replace("\t", "").splitlines())
