"""Whether the corpus notices a mutant: what its tests assert, in process."""

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import msgspec
from forgeries import failure, failure_full, honest, stress_fields, stress_full, stress_plain
from forgeries.checked import JUDGED
from forgeries.corpus import base
from forgeries.honest_variants import VARIANTS
from mutation.mutants import Mutant

from stressproof.evidence.json_text import MalformedJson, parse_object
from stressproof.evidence.reading import Document
from stressproof.exits import Exit
from stressproof.verify.failure import verifier as failure_verifier
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.failure.requirements import FailureRequirements
from stressproof.verify.rule import Level, Outcome, Rule, Severity
from stressproof.verify.stress import verifier as stress_verifier
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.requirements import Requirements

LISTED = Path(__file__).parents[1] / "surviving_mutants.txt"


class Known(NamedTuple):
    """A case of the corpus, with what its test asserts.

    Attributes:
        case: Read.
        rules: Of its kind.
        wanted: The rule that must object, empty where none may.
        unchecked: The rules that compare nothing, None where its test does not say.
    """

    case: Any
    rules: tuple[Rule[Any], ...]
    wanted: str
    unchecked: frozenset[str] | None = None


def _typed(asked: dict[str, Any]) -> dict[str, Any]:
    return {k: Level(v) if k == "minimum_level" else v for k, v in asked.items()}


def _case(raw: bytes, kind: str, asked: dict[str, Any], now_us: int) -> Any:
    document = Document(parse_object(raw), hashlib.sha256(raw).hexdigest(), len(raw), "x")
    if kind == "failure":
        wanted = msgspec.structs.replace(FailureRequirements(), **_typed(asked))
        return FailureCase(document, wanted, {}, now_us)
    return StressCase(document, msgspec.structs.replace(Requirements(), **_typed(asked)), now_us)


def corpus() -> list[Callable[[], Known]]:
    """Return how to make every readable case of the corpus anew."""
    rules = {"stress": stress_verifier.RULES, "failure": failure_verifier.RULES}
    made: list[Callable[[], Known]] = []

    def add(
        raw: bytes,
        kind: str,
        asked: dict[str, Any],
        wanted: str,
        unchecked: frozenset[str] | None = None,
    ) -> None:
        try:
            parse_object(raw)
        except MalformedJson:
            return  # reading is not under test here
        now_us = honest.NOW_US
        made.append(
            lambda: Known(_case(raw, kind, asked, now_us), tuple(rules[kind]), wanted, unchecked)
        )

    for judged in JUDGED:
        raw = msgspec.json.encode(base(judged.base))
        add(raw, judged.kind, judged.asked, "", judged.unchecked)
    for kind, modules in (
        ("stress", (stress_fields, stress_plain, stress_full)),
        ("failure", (failure, failure_full)),
    ):
        for module in modules:
            for forgery in module.corpus.forgeries:
                add(forgery.forged(), kind, forgery.asked, forgery.rule)
    for variant in VARIANTS:
        add(variant.raw(), variant.kind, variant.asked, "")
    return made


def _target(module: ModuleType, name: str) -> FunctionType | None:
    found = getattr(module, name, None)
    if isinstance(found, Rule):
        found = found.judge
    return found if isinstance(found, FunctionType) else None


def survives(mutant: Mutant, known: list[Known], fresh: list[Callable[[], Known]]) -> bool:
    """Return whether no assertion of the corpus notices a mutant."""
    module = importlib.import_module(mutant.module)
    function = _target(module, mutant.function)
    if function is None or function.__code__.co_freevars != mutant.code.co_freevars:
        return False
    own = getattr(module, mutant.function)
    rule_id = own.id if isinstance(own, Rule) else None
    rebuilt = mutant.module.endswith(("gathering", "instants", "differences"))
    original, function.__code__ = function.__code__, mutant.code
    try:
        cases = (make() for make in fresh) if rebuilt else iter(known)
        return not any(_notices(case, rule_id) for case in cases)
    except Exception:  # noqa: BLE001  # a mutant that raises is as dead as one that is caught
        return False
    finally:
        function.__code__ = original


def _notices(known: Known, rule_id: str | None) -> bool:
    """Return whether a case's test would fail."""
    rules = [one for one in known.rules if rule_id is None or one.id == rule_id]
    if known.wanted:
        objecting = [one.apply(known.case) for one in rules if one.id == known.wanted]
        return any(one.outcome in {Outcome.PASS, Outcome.NOT_CHECKED} for one in objecting)
    results = [one.apply(known.case) for one in rules]
    if known.unchecked is not None and any(
        (one.outcome is Outcome.NOT_CHECKED) != (one.rule in known.unchecked)
        or (one.severity is Severity.WARNS and one.outcome is Outcome.FAIL)
        for one in results
    ):
        return True
    honest = known.case.data.get("summary", {}).get("overall_passed", True) is not False
    return honest and any(one.exit_code is not Exit.PASS for one in results)


def listed() -> set[str]:
    """Return the mutants that may survive, each with its reason in the file."""
    if not LISTED.is_file():
        return set()
    lines = LISTED.read_text().splitlines()
    return {line for line in lines if line and not line.startswith(("#", "  "))}
