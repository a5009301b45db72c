"""The wall clock of a run: what may be recorded of it, what cannot be, and what a step excuses."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from forgeries.corpus import Corpus, Honest, base

from stressproof.exits import Exit

stress = Corpus()
failures = Corpus()
variants: list[Honest] = []

KINDS = ((stress, "full", "stress"), (failures, "one injection", "failure"))
_AGED = {"max_artifact_age_hours": 24.0}
_DAY_S = 24 * 3600

Edit = Callable[[dict[str, Any]], None]


def stepped(*by_s: float, drift_s: float | None = None, after_s: float = 1.0) -> Edit:
    """An edit that records steps of the wall clock, a second apart, and their sum as its drift."""

    def edit(data: dict[str, Any]) -> None:
        begun = datetime.fromisoformat(data["started_at"])
        steps = [
            {
                "seen_at": (begun + timedelta(seconds=after_s + place)).isoformat(),
                "by_us": round(each * 1e6),
            }
            for place, each in enumerate(by_s)
        ]
        drift = sum(by_s) if drift_s is None else drift_s
        data["clock"] = {"drift_us": round(drift * 1e6), "steps": steps}

    return edit


def _both(*edits: Edit) -> Edit:
    def edit(data: dict[str, Any]) -> None:
        for each in edits:
            each(data)

    return edit


def _moved(seconds: float) -> Edit:
    """An edit that dates a whole document otherwise."""

    def move(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: (datetime.fromisoformat(item) + timedelta(seconds=seconds)).isoformat()
                if key.endswith("_at") and isinstance(item, str)
                else move(item)
                for key, item in value.items()
            }
        return [move(item) for item in value] if isinstance(value, list) else value

    def edit(data: dict[str, Any]) -> None:
        data.update(move(data))

    return edit


def _honest(name: str, of: str, kind: str, edit: Edit, **asked: Any) -> None:
    def make() -> Any:
        data = base(of)
        edit(data)
        return data

    variants.append(Honest(f"{kind}: {name}", make, kind, asked))


for _corpus, _of, _kind in KINDS:
    # What is recorded must be possible.
    _recorded = f"{_kind}.clock-recorded"
    _corpus.add("a step that is none", _of, _recorded, stepped(0.25))
    _corpus.add("a step before the run", _of, _recorded, stepped(9.0, after_s=-3.0))
    _corpus.add("a step after the run", _of, _recorded, stepped(9.0, after_s=7200.0))
    _corpus.add("a drift without a step", _of, _recorded, stepped(drift_s=-0.26))
    _corpus.add("a drift beside its steps", _of, _recorded, stepped(9.0, drift_s=900.0))
    _corpus.add(
        "steps out of order",
        _of,
        _recorded,
        _both(stepped(9.0, 9.0), lambda data: data["clock"]["steps"].reverse()),
    )
    _corpus.set_("a drift of no number", _of, f"{_kind}.typed", "clock.drift_us", 0.5)
    _corpus.set_("a step at no time", _of, f"{_kind}.typed", "clock.steps", [{"by_us": 900_000}])
    _corpus.drop("no clock", _of, f"{_kind}.typed", "clock")
    # The age is judged by the worse of both readings; the future by what the clock read then.
    _corpus.add(
        "old by both readings",
        _of,
        f"{_kind}.age",
        _both(_moved(-2 * _DAY_S), stepped(-9.0)),
        asked=_AGED,
    )
    _corpus.add(
        "in the future, by both readings",
        _of,
        f"{_kind}.future",
        _both(_moved(_DAY_S), stepped(-30.0)),
    )

stress.add(
    "a step that makes old evidence young",
    "full",
    "stress.age",
    _both(_moved(-2 * _DAY_S), stepped(2.0 * _DAY_S)),
    code=Exit.INCONCLUSIVE,
    asked=_AGED,
)

# A step is told, and costs nothing: every duration is the other clock's.
for _by in ((-5.0,), (30.0,), (-0.4,), (3600.0, -3600.0), (0.3,) * 60):
    _name = f"a clock that stepped by {_by[0]:+g} s, {len(_by)} times"
    stress.add(_name, "full", "stress.clock", stepped(*_by), code=Exit.PASS)
    _honest(_name, "full", "stress", stepped(*_by))
_honest("a clock that is corrected slowly", "full", "stress", stepped(drift_s=0.25))
_honest(
    "captured ahead of time, by a clock that was set back",
    "full",
    "stress",
    _both(_moved(_DAY_S), stepped(-1.0 * _DAY_S, drift_s=-1.0 * _DAY_S)),
    **_AGED,
)
