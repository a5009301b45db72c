"""The operations: all that was asked, each with the effect that it asks for, and nothing else."""

from collections.abc import Iterable

from stressproof.evidence.level import Level
from stressproof.failures.conclusions import least_compared
from stressproof.failures.schedule import (
    NAMES_MAX,
    OPERATIONS_MAX,
    Deviation,
    deviations,
    key_deviations,
)
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.rule import Judgement, prose, rule

COMPARED_MAX = 10_000_000
"""Things that an invariant looked at in the end: a testbed holds no more."""

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
        where = f"{one.where}.operations"
        for seen, most, what in (
            (one.rows, OPERATIONS_MAX, "operations"),
            (one.names, NAMES_MAX, "kinds and codes"),
        ):
            judgement.check(seen <= most, where, prose(f"{seen} {what}"), prose(f"at most {most}"))
        if one.is_countable:
            found = deviations(one.spec, one.scenario.seed, one.operations, one.trial.faults)
            _judge(found, where, judgement)


def _judge(found: Iterable[Deviation], where: str, judgement: Judgement) -> None:
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
    """Keys stand where kinds ask for an effect, each was read in the end, none is left open."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for one in case.trials:
        _judge(key_deviations(one.spec, one.operations), f"{one.where}.operations", judgement)
        asked = {each.key for each in one.operations if each.key}
        read = {row[0] for row in one.trial.effects.rows if row}
        judgement.check(
            asked == read,
            f"{one.where}.effects.rows",
            prose(f"{len(read)} effects, {len(asked ^ read)} of them or missing"),
            prose(f"the {len(asked)} that were asked for"),
        )


@rule(
    "failure.classes",
    clause=_CLAUSE,
    title="What every answer means follows from its status, its note and the request",
    remedy=_EDITED,
    level=Level.RECOMPUTED,
)
def classes(case: FailureCase, judgement: Judgement) -> None:
    """The class that stands beside a code is that of each request whose operations refer to it."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for one in case.trials:
        judgement.passed()
        for kind, code in sorted({(each.kind, each.code) for each in one.operations}, key=str):
            request = one.spec.request_of(kind)
            if request is None:
                continue  # failure.load says so
            expected = request.classify(code.status, code.note)
            judgement.check(
                code.answer_class == expected,
                f"{one.where}.operations.codes",
                prose(f"{code.name} of {kind} as {code.answer_class}"),
                prose(expected),
            )


@rule(
    "failure.compared",
    clause=_CLAUSE,
    title="Invariants looked at everything that was acknowledged",
    remedy="Counts are of what was asked; inject again instead of editing them.",
    level=Level.RECOMPUTED,
)
def compared(case: FailureCase, judgement: Judgement) -> None:
    """None looked at fewer things than it must, or at more than there can be."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    for one in case.trials:
        invariants = {each.id: each for each in one.spec.invariants}
        for number, check in enumerate(one.trial.checks):
            if check.source == "operations" or check.id not in invariants:
                continue  # failure.demanded-checks says so of another
            where = f"{one.where}.checks[{number}].compared"
            seen = prose(f"{check.compared} by {check.id}")
            least = least_compared(one.operations, invariants[check.id])
            judgement.check(
                check.compared <= COMPARED_MAX, where, seen, prose(f"at most {COMPARED_MAX}")
            )
            if check.compared < least:
                judgement.inconclusive(where, seen, prose(f"{least} at least"))


RULES = (load, keys, classes, compared)
