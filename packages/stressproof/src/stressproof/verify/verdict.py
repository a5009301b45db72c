"""A verdict: every rule's result, what it rests on, and the exit code they add up to."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from stressproof.evidence.level import Level
from stressproof.evidence.reading import AbsentEvidenceError, UnreadableEvidenceError
from stressproof.exits import Exit, strongest
from stressproof.outcome import Outcome
from stressproof.verify.instants import show_instant
from stressproof.verify.rule import Finding, Result, Severity, printable, prose, show

VERDICT_SCHEMA = "stressproof.verdict/1"


class Figure(Struct, frozen=True):
    """A figure that the verdict is about, with what it rests on.

    Attributes:
        name: What it is.
        value: As the artifact has it; null where it is not known.
        unit: Of the value.
        n: Requests, checks or rounds behind it.
        limit: What it was held against, as text; empty where nothing was.
    """

    name: str
    value: float | int | None
    unit: str
    n: int
    limit: str = ""


class Overview(Struct, frozen=True):
    """A table that tells a person what the evidence is about.

    Attributes:
        caption: What it shows.
        columns: Headings.
        rows: Cells as text, safe to print; the first one of a row names it.
    """

    caption: str
    columns: list[str]
    rows: list[list[str]]


class Verdict(Struct, frozen=True, kw_only=True):
    """What was judged, against what, and how it came out.

    Attributes:
        schema: Identifies this form.
        kind: ``stress`` or ``failure``.
        path: What the caller named.
        sha256: Of the bytes judged, in hex; null where they could not be read.
        size: Of those bytes.
        outcome: All rules together.
        exit_code: What a process that judged only this ends with.
        level: What the verdict rests on.
        required_level: What was asked for.
        profile: As the artifact says, in characters that can be printed; null where it does not.
        commit: The build that the evidence is about; null where it does not say.
        captured_at: Likewise.
        age_hours: At the time of the verdict; null where not known.
        judged_at: The verifier's clock, RFC 3339.
        figures: What was measured.
        overview: What the evidence is about, for whoever has to approve it.
        results: Every rule, in the order in which they were applied.
        dry_run: Asked for as a rehearsal; never release evidence.
        loosened: What was asked less of than the floors allow; only in a rehearsal.
        would_pass: Whether everything asked for held, loosened or not.
        attestation: Who signed what, and how many runs are known, for people; one line each.
    """

    schema: str = VERDICT_SCHEMA
    kind: str
    path: str
    sha256: str | None
    size: int | None
    outcome: Outcome
    exit_code: Exit
    level: Level
    required_level: Level
    profile: str | None = None
    commit: str | None = None
    captured_at: str | None = None
    age_hours: float | None = None
    judged_at: str
    figures: list[Figure]
    overview: list[Overview] = []
    results: list[Result]
    dry_run: bool = False
    loosened: list[str] = []
    would_pass: bool
    attestation: list[str] = []

    @property
    def blocking(self) -> list[Result]:
        """Results that keep the evidence from passing."""
        return [result for result in self.results if result.exit_code is not Exit.PASS]

    @property
    def warnings(self) -> list[Result]:
        """Rules that did not hold and do not block."""
        return [
            result
            for result in self.results
            if result.severity is Severity.WARNS and result.outcome is Outcome.FAIL
        ]

    @property
    def waived(self) -> list[Result]:
        """Rules that did not hold, and that an approver signed need not."""
        return [result for result in self.results if result.outcome is Outcome.WAIVED]

    @property
    def is_release_evidence(self) -> bool:
        """Whether a promotion may rely on this."""
        return self.exit_code is Exit.PASS and not self.dry_run and not self.loosened


def overall(results: Sequence[Result], *, loosened: Iterable[str] = ()) -> tuple[Outcome, Exit]:
    """Return what all results add up to.

    A pass needs at least one rule that passed. Where a floor was loosened, inconclusive is the
    best that can come out.
    """
    codes = {result.exit_code for result in results}
    passed = any(result.outcome is Outcome.PASS for result in results)
    code = strongest(codes) if passed else strongest(codes - {Exit.PASS} | {Exit.INCONCLUSIVE})
    if code is Exit.PASS and any(True for _ in loosened):
        code = Exit.INCONCLUSIVE
    if code is Exit.PASS:
        return Outcome.PASS, code
    return (Outcome.INCONCLUSIVE if code is Exit.INCONCLUSIVE else Outcome.FAIL), code


def reached_level(results: Iterable[Result], top: Level) -> Level:
    """Return the highest level of which no rule rejected the evidence, ``top`` at most.

    A missed objective or too few samples say nothing against the figures themselves.
    """
    rejected = {
        result.level for result in results if result.exit_code not in {*_NOT_AGAINST_THE_FIGURES}
    }
    reached = Level.NONE
    for level in (Level.DECLARED, Level.RECOMPUTED, Level.ATTESTED):
        if level in rejected or level.rank > top.rank:
            break
        reached = level
    return reached


_NOT_AGAINST_THE_FIGURES = (Exit.PASS, Exit.OBJECTIVES, Exit.INCONCLUSIVE)


READING = "evidence.reading"
"""The rule that stands for strict reading: it is judged while the bytes are read."""


def unread(
    kind: str,
    error: UnreadableEvidenceError | AbsentEvidenceError,
    *,
    path: str,
    required_level: Level,
    now_us: int,
    dry_run: bool = False,
    loosened: Sequence[str] = (),
) -> Verdict:
    """Return the verdict on evidence that could not be read, so that it has one too."""
    absent = isinstance(error, AbsentEvidenceError)
    outcome = Outcome.INCONCLUSIVE if absent else Outcome.FAIL
    seen = prose("no such file") if absent else prose(getattr(error, "seen", ""))
    expected = getattr(error, "expected", "evidence there")
    finding = Finding(outcome, printable(path), show(seen), show(prose(expected)), error.hint)
    result = Result(
        rule=READING,
        clause="evidence.md, Strict reading",
        title="The evidence can be read, and in one way only",
        severity=Severity.BLOCKS,
        level=Level.DECLARED,
        outcome=outcome,
        exit_code=error.exit_code,
        compared=1,
        findings=[finding],
    )
    return Verdict(
        kind=kind,
        path=encodable(path),
        sha256=getattr(error, "sha256", None),
        size=getattr(error, "size", None),
        outcome=outcome,
        exit_code=error.exit_code,
        level=Level.NONE,
        required_level=required_level,
        judged_at=show_instant(now_us),
        figures=[],
        results=[result],
        dry_run=dry_run,
        loosened=list(loosened),
        would_pass=False,
    )


def encodable(path: str) -> str:
    """Return a path as UTF-8 can carry it: file names may be bytes that are none."""
    return path.encode("utf-8", "backslashreplace").decode()


def shown(text: str | None) -> str | None:
    """Return an artifact's own words as they may be printed, null where it has none."""
    return None if text is None else printable(text)
