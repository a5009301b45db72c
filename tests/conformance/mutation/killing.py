"""Whether the corpus notices a mutant: what its tests assert, in process."""

import hashlib
import importlib
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import msgspec
from forgeries import (
    boundaries,
    clock,
    failure,
    failure_full,
    failure_operations,
    failure_spec,
    flows,
    honest,
    stress_bounds,
    stress_counted,
    stress_database,
    stress_fields,
    stress_full,
    stress_load,
    stress_plain,
    stress_service,
    stress_throughout,
)
from forgeries.checked import JUDGED
from forgeries.corpus import base
from forgeries.honest_variants import VARIANTS
from mutation.mutants import Mutant

from enforcement_suite.suite import SUITE
from stressproof.evidence.json_text import MalformedJson, parse_object
from stressproof.evidence.level import Level
from stressproof.evidence.reading import Document
from stressproof.exits import Exit, strongest
from stressproof.outcome import Outcome
from stressproof.verify.failure import verifier as failure_verifier
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.rule import Rule, Severity
from stressproof.verify.stress import verifier as stress_verifier
from stressproof.verify.stress.case import StressCase

LISTED = Path(__file__).parents[1] / "surviving_mutants.txt"


class Known(NamedTuple):
    """A case of the corpus, with what its test asserts.

    Attributes:
        case: Read.
        codes: Exit code of every rule of its kind, before any mutation.
        wanted: The rule that must object, empty where none may.
        code: What all rules together must end with.
        unchecked: The rules that compare nothing, None where its test does not say.
        undecided: The rules that cannot tell; the others pass.
    """

    case: Any
    codes: dict[str, Exit]
    wanted: str
    code: Exit
    unchecked: frozenset[str] | None = None
    undecided: frozenset[str] = frozenset()


def _typed(asked: dict[str, Any]) -> dict[str, Any]:
    return {k: Level(v) if k == "minimum_level" else v for k, v in asked.items()}


def _case(raw: bytes, kind: str, asked: dict[str, Any], now_us: int) -> Any:
    document = Document(parse_object(raw), hashlib.sha256(raw).hexdigest(), len(raw), "x")
    if kind == "failure":
        wanted = msgspec.structs.replace(SUITE.failure_requirements(), **_typed(asked))
        return FailureCase(document, wanted, now_us)
    return StressCase(
        document, msgspec.structs.replace(SUITE.stress_requirements(), **_typed(asked)), now_us
    )


_RULES: dict[str, tuple[Rule[Any], ...]] = {
    "stress": tuple(stress_verifier.RULES),
    "failure": tuple(failure_verifier.RULES),
}


class Source(NamedTuple):
    """How to make a case: its bytes, and what its test asserts."""

    raw: bytes
    kind: str
    asked: dict[str, Any]
    wanted: str
    code: Exit
    unchecked: frozenset[str] | None = None
    undecided: frozenset[str] = frozenset()

    def case(self) -> Any:
        """The case, read anew."""
        return _case(self.raw, self.kind, self.asked, honest.NOW_US)

    def known(self) -> Known:
        """The case with what every rule says of it now."""
        case = self.case()
        codes = {one.id: one.apply(case).exit_code for one in _RULES[self.kind]}
        return Known(case, codes, self.wanted, self.code, self.unchecked, self.undecided)


def corpus() -> list[Source]:
    """Return every readable case of the corpus."""
    made = []
    for judged in JUDGED:
        code = Exit.INCONCLUSIVE if judged.undecided else Exit.PASS
        raw = msgspec.json.encode(base(judged.base))
        rules = judged.unchecked, judged.undecided
        made.append(Source(raw, judged.kind, judged.asked, "", code, *rules))
    for kind, modules in (
        (
            "stress",
            (
                stress_fields.corpus,
                stress_plain.corpus,
                stress_full.corpus,
                stress_load.corpus,
                stress_counted.corpus,
                stress_database.corpus,
                stress_service.corpus,
                stress_throughout.corpus,
                flows.corpus,
                stress_bounds.corpus,
                clock.stress,
                boundaries.corpus,
            ),
        ),
        (
            "failure",
            (
                failure.corpus,
                failure_full.corpus,
                failure_operations.corpus,
                failure_spec.corpus,
                clock.failures,
                boundaries.failures,
            ),
        ),
    ):
        made += [
            Source(each.forged(), kind, each.asked, each.rule, each.code)
            for module in modules
            for each in module.forgeries
        ]
    made += [
        Source(each.raw(), each.kind, each.asked, "", Exit.PASS)
        for module in (boundaries, clock, stress_bounds, stress_service, stress_throughout)
        for each in module.variants
    ]
    made += [Source(each.raw(), each.kind, each.asked, "", Exit.PASS) for each in VARIANTS]
    return [source for source in made if _is_readable(source.raw)]


def _is_readable(raw: bytes) -> bool:
    """Whether rules are reached at all; reading is not under test here."""
    try:
        parse_object(raw)
    except MalformedJson:
        return False
    return True


def _target(module: ModuleType, name: str) -> FunctionType | None:
    found = getattr(module, name, None)
    if isinstance(found, Rule):
        found = found.judge
    return found if isinstance(found, FunctionType) else None


def survives(mutant: Mutant, sources: list[Source], known: list[Known]) -> bool:
    """Return whether no assertion of the corpus notices a mutant."""
    module = importlib.import_module(mutant.module)
    function = _target(module, mutant.function)
    if function is None or function.__code__.co_freevars != mutant.code.co_freevars:
        return False
    affected = _affected(module, mutant.function)
    # What these read is read when a case is made.
    again = mutant.module.endswith("instants")
    original, function.__code__ = function.__code__, mutant.code
    try:
        for source, before in zip(sources, known, strict=True):
            case = source.case() if again else before.case
            if _notices(source.kind, case, before, affected):
                return False
    except Exception:  # noqa: BLE001  # a mutant that raises is as dead as one that is caught
        return False
    finally:
        function.__code__ = original
    return True


def _affected(module: ModuleType, function: str) -> frozenset[str]:
    """Return the rules that a function can change: itself, or all that may call it."""
    own = getattr(module, function)
    if isinstance(own, Rule):
        return frozenset({own.id})
    rules = getattr(module, "RULES", None)
    if rules is None or module.__name__.endswith(_SHARED):
        return frozenset(one.id for kind in _RULES.values() for one in kind)
    return frozenset(one.id for one in rules)


_SHARED = ("stress.figures", "stress.timing", "stress.evaluation")
"""Modules of rules whose other functions are used elsewhere too."""


def _notices(kind: str, case: Any, known: Known, affected: frozenset[str]) -> bool:
    """Return whether a case's test would fail."""
    rules = [one for one in _RULES[kind] if one.id in affected]
    if not rules:
        return False
    results = [one.apply(case) for one in rules]
    codes = {**known.codes, **{one.rule: one.exit_code for one in results}}
    if strongest(codes.values()) is not known.code:
        return True
    for one in results:
        if one.rule == known.wanted and one.outcome in {Outcome.PASS, Outcome.NOT_CHECKED}:
            return True
        if known.unchecked is not None and (
            (one.outcome is Outcome.NOT_CHECKED) != (one.rule in known.unchecked)
            or (one.outcome is Outcome.INCONCLUSIVE) != (one.rule in known.undecided)
            or (one.severity is Severity.WARNS and one.outcome is Outcome.FAIL)
        ):
            return True
    return False


def listed() -> set[str]:
    """Return the mutants that may survive, each with its reason in the file."""
    if not LISTED.is_file():
        return set()
    lines = LISTED.read_text().splitlines()
    return {line for line in lines if line and not line.startswith(("#", "  "))}
