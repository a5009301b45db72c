"""The trust policy of a gate: where it is read, and what it adds to what the gate asks.

Read from a commit as everything that a gate is told (`stressproof.gate.policy`): from the ref that
is named, else from HEAD. A change that takes the policy out is judged as if it had not: who owns
the ref must have taken it out there.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.gate.policy import absent_policy, check_ref
from stressproof.gate.repository import (
    GitSilentError,
    Place,
    Repository,
    locate,
    open_repository,
    resolve,
)
from stressproof.gate.request import EvidenceRequest, GateRequest
from stressproof.gate.tree import read_file
from stressproof.outcome import Outcome
from stressproof.trust.policy import FOLDER, POLICY_NAME, TrustPolicy, policy_of
from stressproof.trust.reading import load_policy
from stressproof.trust.roster import ROSTER_NAME
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.rule import Judgement, Result, prose, rule
from stressproof.verify.stress.verifier import STRESS
from stressproof.verify.verdict import Verdict

_CLAUSE = "signing.md, The policy"
_PATH = f"{FOLDER}/{POLICY_NAME}"
_ROSTER = f"{FOLDER}/{ROSTER_NAME}"


class Trust(Struct, frozen=True, kw_only=True):
    """The trust policy that a gate goes by.

    Attributes:
        policy: What it says, None where there is none.
        source: Where it was read, for people.
        deleted: Why its absence does not count, empty where it does.
    """

    policy: TrustPolicy | None = None
    source: str = "no trust policy: nothing needs to be signed"
    deleted: str = ""


def read_trust(folder: Path, ref: str = "", file: str = "") -> Trust:
    """Return the trust policy that holds for a checkout.

    Args:
        folder: Anywhere in its working tree.
        ref: A full ref or a commit to read it from; HEAD counts as well, where that has none.
        file: A policy on disk, with its roster beside it; empty for none.

    Raises:
        UsageError: The policy cannot be meant, or the file is another than the one committed.
        InconclusiveError: The ref is absent.
    """
    check_ref(ref)
    try:
        committed = _committed(folder, ref)
    except GitSilentError as silent:
        raise absent_policy(ref or "HEAD", silent.seen) from silent
    if not file:
        return committed
    given = load_policy(Path(file))
    if committed.policy is not None and committed.policy.digest != given.digest:
        raise UsageError(
            f"{file} is another policy than that of {committed.source}",
            hint="Leave --policy out: what is committed holds.",
        )
    return Trust(policy=given, source=f"{file}: whoever may write there owns it")


def _committed(folder: Path, ref: str) -> Trust:
    try:
        place = locate(folder)
        head = resolve(place, "HEAD")
    except GitSilentError:
        return Trust()
    names = [ref, "HEAD"] if ref else ["HEAD"]
    for name in names:
        commit = resolve(place, name)
        found = _read(place, commit, f"{_PATH} of {name} ({commit[:12]})")
        if found is not None:
            owned = name == "HEAD" and "the author of the change owns it"
            source = f"{_PATH} of {name} ({commit[:12]})" + (f": {owned}" if owned else "")
            return Trust(policy=found, source=source)
    if not ref:
        with open_repository(place, head) as repository:
            if _was_there(repository, head):
                return Trust(deleted=f"a commit before {head[:12]} has {_PATH}, and HEAD does not")
    return Trust()


def _read(place: Place, commit: str, name: str) -> TrustPolicy | None:
    """Return the policy of a commit, None where it has none."""
    with open_repository(place, commit) as repository, repository.objects() as objects:
        policy = read_file(objects, commit, os.fsencode(_PATH))
        if policy is None:
            return None
        roster = read_file(objects, commit, os.fsencode(_ROSTER))
    if roster is None:
        raise UsageError(
            f"{name} has no {ROSTER_NAME} beside it",
            hint=f"Commit {_ROSTER}: it says who may sign.",
        )
    return policy_of(policy, roster, f"{FOLDER} of {commit[:12]}")


def _was_there(repository: Repository, head: str) -> bool:
    """Return whether any commit that led here touched the policy."""
    found = repository.ask("rev-list", "--full-history", "-1", head, "--", _PATH)
    return bool(found.strip())


_AGES = {STRESS.name: "stress_hours", FAILURE.name: "failure_hours"}


def tightened(request: GateRequest, policy: TrustPolicy) -> GateRequest:
    """Return a request with the limits of a policy where those are tighter."""
    for each in request.evidence:
        if each.requirements is None:
            continue
        changes = _tighter(each, policy)
        requirements = msgspec.structs.replace(each.requirements, **changes)
        request = request.asking(each.kind, requirements=requirements)
    return request


def _tighter(each: EvidenceRequest, policy: TrustPolicy) -> dict[str, object]:
    asked = each.requirements
    limits = {"max_artifact_age_hours": getattr(policy.file.ages, _AGES[each.kind.name])}
    if each.kind is STRESS:
        limits |= msgspec.structs.asdict(policy.file.limits)
    changes: dict[str, object] = {}
    for name, limit in limits.items():
        if limit is None:
            continue
        own = getattr(asked, name)
        strictest = max if name.startswith("min_") else min
        changes[name] = limit if own is None else strictest(own, limit)
    return changes


class TrustCase(Struct, frozen=True, kw_only=True):
    """What the rules below look at.

    Attributes:
        trust: The policy, and where it is from.
        asked: What the gate asks.
        verdicts: On each evidence.
        checks: Of the gate's other rules.
    """

    trust: Trust
    asked: GateRequest
    verdicts: Sequence[Verdict]
    checks: Sequence[Result]


@rule(
    "gate.trust-policy",
    clause=_CLAUSE,
    title="The trust policy was not taken out by the change that it judges",
    remedy="Name the protected branch (--policy-ref refs/remotes/origin/main): it decides.",
)
def not_deleted(case: TrustCase, judgement: Judgement) -> None:
    """Where the policy is gone from HEAD, a ref that somebody else guards must have lost it too."""
    if case.trust.deleted:
        judgement.inconclusive(_PATH, prose(case.trust.deleted), prose("a policy, or a ref's word"))
    elif case.trust.policy is None:
        judgement.skip("there is no trust policy, and there was none")
    else:
        judgement.passed()


@rule(
    "gate.trust-evidence",
    clause=_CLAUSE,
    title="All evidence that the trust policy asks for is there",
    remedy="Capture and sign it, and name it to the gate.",
)
def evidence_named(case: TrustCase, judgement: Judgement) -> None:
    """Every kind in ``[require] evidence`` has a path."""
    if case.trust.policy is None:
        judgement.skip("there is no trust policy")
        return
    named = [each.kind for each in case.verdicts]
    for kind in case.trust.policy.file.require.evidence:
        if kind in named:
            judgement.passed()
        else:
            judgement.inconclusive(kind, prose("no such evidence"), prose(f"{kind} evidence"))


@rule(
    "gate.trust-checks",
    clause=_CLAUSE,
    title="As many rules compared something as the trust policy expects",
    remedy="Find out which rules no longer apply, and why; then change the policy.",
)
def enough_checks(case: TrustCase, judgement: Judgement) -> None:
    """Rules that were not checked do not count."""
    policy = case.trust.policy
    if policy is None or not policy.file.require.checks:
        judgement.skip("no number of checks is expected")
        return
    results = [each for verdict in case.verdicts for each in verdict.results] + [*case.checks]
    made = sum(each.outcome is not Outcome.NOT_CHECKED for each in results)
    if made < policy.file.require.checks:
        judgement.inconclusive("rules", made, policy.file.require.checks)
    else:
        judgement.passed()


TRUST_RULES = (not_deleted, evidence_named, enough_checks)
"""In the order in which they are applied."""
