"""Every kind of fault and of check as a document, from the tables that are run and verified by."""

from collections.abc import Iterable, Sequence

from stressproof.config.failures.parameters import written
from stressproof.failures.check_kind import CheckKind
from stressproof.failures.checks import CHECKS
from stressproof.failures.fault_kind import FaultKind
from stressproof.failures.fault_kinds import FAULT_KINDS, SHORTEST_US
from stressproof.failures.parameters import ParameterSpec
from stressproof.failures.spec import FaultSpec

_HEAD = ("| key | takes | by default | what it is |", "|---|---|---|---|")


def render(introduction: str) -> str:
    """Return the document.

    Args:
        introduction: Its title, and what to read first.
    """
    parts = [introduction, "## Faults", ""]
    for kind in FAULT_KINDS.values():
        parts += _fault(kind)
    parts += ["## Checks", ""]
    for check in CHECKS.values():
        parts += _check(check)
    return "\n".join(parts).rstrip() + "\n"


_ALONE = " (`REQUEST` where the load does not ask it)"
_NAMED = {
    "race": "Checks know them by batch, as `REQUEST_1`, `REQUEST_2`, …: "
    '`{ one_wins = "201", attempts = 20, each = ["order_1..3"] }`.',
    "flood": "Checks know them as `REQUEST`, as the load's.",
    "send_each": f"Checks know them as `REQUEST_1`{_ALONE}, with `_WORD` behind it of `kind_from`.",
}
"""What operations of a fault are called, as `failures.sendings` does."""


def _fault(kind: FaultKind) -> list[str]:
    targets = " or ".join(f"`{name}`" for name in sorted(kind.targets))
    lines = [f"### {kind.name}", "", f"{kind.says} Target: {targets}.", "", f"Undone: {kind.undo}"]
    if kind.limits:
        lines += ["", kind.limits]
    if kind.ends_early:
        lines += ["", "It ends once it did what it can, and `lasts` is the longest that it may."]
    if kind.sends != "never":
        word = "It sends" if kind.sends == "must" else "It may send"
        lines += ["", f"{word} requests of its own: `send = [{{ request = …, times = … }}]`."]
        lines += [_NAMED.get(kind.name, f"Checks know them as `REQUEST_1`{_ALONE}.")]
    lines += ["", f"Proven by: {_witnesses(kind)}.", *_parameters(kind.parameters), ""]
    return lines


def _witnesses(kind: FaultKind) -> str:
    """Return what is counted of a fault that is like its defaults."""
    if kind.witnesses is None:
        return "what the file names in `witness`"
    target = next(iter(sorted(kind.targets)))
    given = FaultSpec(
        "any",
        kind.name,
        target_kind="callers" if target == "any" else target,
        lasts_us=SHORTEST_US,
        parameters=kind.complete(),
    )
    return ", ".join(one.name for one in kind.witnesses(given))


def _check(kind: CheckKind) -> list[str]:
    value = "true" if kind.value is None else "…" if kind.value.type in _NUMBERS else '"…"'
    lines = [f"### {kind.name}", "", f"`{{ {kind.name} = {value} }}` {kind.says}."]
    if kind.sometimes:
        lines += ["", "Where that never happened the scenario is inconclusive: nothing was proven."]
    own = () if kind.value is None else (kind.value,)
    return [*lines, *_parameters((*own, *kind.parameters)), ""]


_NUMBERS = frozenset({"count", "factor", "percentile"})


def _parameters(parameters: Sequence[ParameterSpec]) -> Iterable[str]:
    if not parameters:
        return ()
    return ("", *_HEAD, *(_row(one) for one in parameters))


def _row(one: ParameterSpec) -> str:
    takes = " or ".join(f"`{word}`" for word in one.choices) or _TAKES[one.type]
    says = one.says.replace("*", r"\*")
    return f"| `{one.name}` | {takes} | {_default(one)} | {says} |"


_TAKES = {
    "duration": 'a time: `"1.5s"`',
    "count": "a whole number",
    "rate": 'a rate: `"40/s"`',
    "byte_rate": 'bytes: `"16KiB/s"`',
    "share": 'a share: `"50%"`',
    "factor": "a number",
    "percentile": "a percentile: `95`",
    "text": "a text",
    "argv": "a command, as a list",
    "flag": "`true` or `false`",
    "table": "a table of texts",
    "patterns": "a pattern, or a list of them",
}


def _default(one: ParameterSpec) -> str:
    if one.default is None:
        return "may be left out" if one.optional else "must be given"
    value = written(one, one.default)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return " ".join(f"`{word}`" for word in value) or "none"
    return f"`{value}`" if value or value == 0 else "none"
