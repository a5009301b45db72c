"""What a gate signs: SLSA's verification summary, and a test result for other people's gates."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

from stressproof.errors import UsageError
from stressproof.gate.decision import Decision
from stressproof.gate.gate import Judged
from stressproof.outcome import Outcome
from stressproof.trust.bundle import Bundle
from stressproof.trust.issuing import owner_of
from stressproof.trust.policy import FOLDER, POLICY_NAME, Role, TrustPolicy
from stressproof.trust.promotion import (
    ATTESTED,
    PLANNED,
    STEPS,
    TWO_PERSON,
    WAIVED,
    evidence_level,
    resource_uri,
)
from stressproof.trust.signing import SigningKey
from stressproof.trust.statement import (
    GATE_ID,
    GIT,
    SUMMARY,
    TEST_RESULT,
    Digests,
    Resource,
    Subject,
    SummaryPredicate,
    TestResultPredicate,
    Verifier,
    encode_statement,
)
from stressproof.verify.rule import Result, Severity


def check_gate_key(policy: TrustPolicy | None, key: SigningKey) -> str:
    """Return who decides, before anything is judged.

    Raises:
        UsageError: There is no trust policy, or the key is not a gate's.
    """
    if policy is None:
        raise UsageError(
            "there is no trust policy, so nobody could say whose signature counts",
            hint=f"Commit {FOLDER}/{POLICY_NAME} with its roster; docs/signing.md has both.",
        )
    return owner_of(key, policy, Role.GATE)


def sign_decision(
    decision: Decision, written: bytes, judged: Judged, key: SigningKey
) -> list[bytes]:
    """Return the lines that a gate signs of its decision: the summary, then the test result.

    Args:
        decision: What was decided.
        written: Its bytes, as they lie in its file.
        judged: What it rests on.
        key: The gate's.

    Raises:
        UsageError: There is no trust policy or no commit, or the key is not a gate's.
        RunError: The signature could not be made.
    """
    policy = judged.trust.policy
    principal = check_gate_key(policy, key)
    if policy is None or decision.commit is None:
        raise UsageError("a summary is of a commit", hint="Run the gate in a git checkout.")
    subjects = tuple(_subjects(decision.commit, judged))
    decided = Resource("urn:stressproof:decision", _sha256(hashlib.sha256(written).hexdigest()))
    summary = SummaryPredicate(
        verifier=Verifier(f"{GATE_ID}{principal}"),
        time_verified=decision.decided_at,
        resource_uri=resource_uri(policy, decision.commit),
        policy=Resource(f"{policy.file.resource}#{FOLDER}", _sha256(policy.digest)),
        input_attestations=(decided, *_inputs(judged)),
        verification_result="PASSED" if decision.accepted else "FAILED",
        verified_levels=tuple(_levels(decision, judged)) if decision.accepted else (),
    )
    result = _test_result(decision, policy)
    return [
        key.sign(encode_statement(SUMMARY, subjects, summary)),
        key.sign(encode_statement(TEST_RESULT, subjects, result)),
    ]


def _sha256(digest: str) -> dict[str, str]:
    return {"sha256": digest}


def _subjects(commit: str, judged: Judged) -> Iterator[Subject]:
    """Yield the commit, what executors named as shipped, and the evidence; each digest once."""
    yield Subject(GIT, Digests(gitCommit=commit))
    seen = set()
    for case in judged.cases:
        statement = case.statement
        for subject in statement.statement.subject if statement else ():
            digest = subject.digest.sha256
            if digest is not None and digest not in seen:
                seen.add(digest)
                yield subject


def _inputs(judged: Judged) -> Iterator[Resource]:
    """Yield every line that was considered, those that were refused among them."""
    for case in judged.cases:
        if isinstance(case.bundle, Bundle):
            for digest in case.bundle.digests:
                yield Resource("urn:stressproof:line", _sha256(digest))


def _levels(decision: Decision, judged: Judged) -> Iterator[str]:
    yield ATTESTED
    yield TWO_PERSON
    for verdict in decision.verdicts:
        yield evidence_level(verdict.kind)
    yield STEPS
    if judged.cases and all(case.plan is not None for case in judged.cases):
        yield PLANNED
    if any(each.outcome is Outcome.WAIVED for each in _results(decision)):
        yield WAIVED


def _results(decision: Decision) -> list[Result]:
    verdicts = [each for verdict in decision.verdicts for each in verdict.results]
    return [*verdicts, *decision.checks, *(step.result for step in decision.steps)]


def _test_result(decision: Decision, policy: TrustPolicy) -> TestResultPredicate:
    results = _results(decision)
    failed = [each for each in results if each in decision.blocking]
    warned = [each for each in results if _warns(each)]
    passed = [each for each in results if each.outcome is Outcome.PASS]
    passes: Literal["PASSED", "WARNED"] = "WARNED" if warned else "PASSED"
    return TestResultPredicate(
        result=passes if decision.accepted else "FAILED",
        configuration=(Resource(f"{policy.file.resource}#{FOLDER}", _sha256(policy.digest)),),
        passed_tests=_names(passed),
        warned_tests=_names(warned),
        failed_tests=_names(failed),
    )


def _warns(result: Result) -> bool:
    told = result.severity is Severity.WARNS and result.outcome is Outcome.FAIL
    return told or result.outcome is Outcome.WAIVED


def _names(results: Sequence[Result]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.rule for each in results))
