"""The operations: all that was asked, each with the effect that it asks for, and nothing else."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from stressproof.evidence.level import Level
from stressproof.failures.history import Operation
from stressproof.failures.schedule import Deviation, deviations, key_deviations
from stressproof.failures.spec import Query
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.rule import Judgement, prose, rule

OPERATIONS_MAX = 10_000
"""Of one trial: the matrix asks for a fifth of it."""

COMPARED_MAX = 10_000_000
"""Things that a query of the final read looked at: a testbed holds no more."""

_CLAUSE = "evidence.md, Failure evidence"
_EDITED = "Operations are recorded, every one of them; inject again instead of editing them."


@rule(
    "failure.load",
    clause=_CLAUSE,
    title="Load ran throughout: every request that the seed and the weights make, when it was due",
    remedy="Give the injection a machine that can hold the rate, then inject again.",
    level=Level.RECOMPUTED,
)
def load(case: FailureCase, judgement: Judgement) -> None:
    """Every arrival is there, beside it only what faults send, and no more than can be judged."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for one in case.trials:
        count = len(one.trial.operations.rows)
        where = f"{one.where}.operations"
        judgement.check(
            count <= OPERATIONS_MAX,
            where,
            prose(f"{count} operations"),
            prose(f"at most {OPERATIONS_MAX}"),
        )
        if count <= OPERATIONS_MAX:
            found = deviations(one.spec, one.scenario.seed, one.operations, one.trial.faults)
            _judge(found, where, judgement)


def _judge(found: Iterable[Deviation], where: str, judgement: Judgement) -> None:
    judgement.passed()
    for each in found:
        tell = judgement.inconclusive if each.unsure else judgement.fail
        tell(where, prose(each.seen), prose(each.expected))


@rule(
    "failure.keys",
    clause=_CLAUSE,
    title="Every operation has the key of the effect that it asks for, and every attempt is there",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def keys(case: FailureCase, judgement: Judgement) -> None:
    """Keys stand where kinds ask for an effect; what was unknown was asked until it was known."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for one in case.trials:
        _judge(key_deviations(one.spec, one.operations), f"{one.where}.operations", judgement)


@rule(
    "failure.compared",
    clause=_CLAUSE,
    title="The database was asked about everything that was acknowledged",
    remedy="Counts are the database's; inject again instead of editing them.",
    level=Level.RECOMPUTED,
)
def compared(case: FailureCase, judgement: Judgement) -> None:
    """No query looked at fewer things than the effects that must be among them."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for one in case.trials:
        queries = {
            query.id: query
            for query in one.spec.demanded_queries(with_faults=one.with_faults)
            if query.looks_at
        }
        for number, check in enumerate(one.trial.checks):
            if check.source == "database" and check.id in queries:
                least = effects_among(one.operations, queries[check.id])
                judgement.check(
                    least <= check.compared <= COMPARED_MAX,
                    f"{one.where}.checks[{number}].compared",
                    prose(f"{check.compared} by {check.id}"),
                    prose(f"{least} to {COMPARED_MAX}"),
                )


def effects_among(operations: Iterable[Operation], query: Query) -> int:
    """Return how many effects a query must have looked at."""
    kinds, codes = query.looks_at.split(), query.with_codes.split()
    return len(
        {
            one.key
            for one in operations
            if one.key
            and any(fnmatchcase(one.kind, pattern) for pattern in kinds)
            and any(
                one.code.ending == "ok" if pattern == "ok" else fnmatchcase(one.code.name, pattern)
                for pattern in codes
            )
        }
    )


RULES = (load, keys, compared)
