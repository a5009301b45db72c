"""A verdict for people: what was judged, what did not hold and why, what to do next."""

from stressproof.evidence.level import Level
from stressproof.outcome import Outcome
from stressproof.quantities import NO_DATA, held_against, measured
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.rule import Result, printable
from stressproof.verify.verdict import Figure, Overview, Verdict

WORD = {
    Outcome.PASS: "PASS",
    Outcome.FAIL: "FAIL",
    Outcome.INCONCLUSIVE: "INCONCLUSIVE",
    Outcome.NOT_CHECKED: "NOT CHECKED",
    Outcome.WAIVED: "WAIVED",
}
RESTS_ON = {
    Level.NONE: "nothing: rules reject it",
    Level.DECLARED: "what the file says of itself (declared)",
    Level.RECOMPUTED: "figures recomputed from the measurements in the file (recomputed)",
    Level.ATTESTED: "recomputed figures, signed and approved by two people (attested)",
}
"""What each level of assurance is, for people."""

_LABEL_WIDTH = 9
_CELL_MOST = 44
_GAP = "  "


def render(verdict: Verdict) -> str:
    """Return the verdict as lines of text."""
    lines = [*_identity(verdict), *_figures(verdict)]
    for overview in verdict.overview:
        lines += ["", *_table(overview)]
    if verdict.overview:
        lines.append("")
    for result in verdict.blocking:
        lines += reasons(result)
    for result in verdict.warnings:
        lines += reasons(result, "WARN")
    for result in verdict.waived:
        lines += [*reasons(result), f"      {printable(result.why_not)}"]
    lines += [f"loosened  {line}" for line in verdict.loosened]
    lines.append(summary(verdict))
    if verdict.dry_run or verdict.loosened:
        lines = [f"{NOT_RELEASE}  {line}" for line in lines]
    return "\n".join(lines) + "\n"


def summary(verdict: Verdict) -> str:
    """Return the verdict as one line: the same in every form."""
    counted = dict.fromkeys(Outcome, 0)
    for result in verdict.results:
        counted[result.outcome] += 1
    held, warned = counted[Outcome.PASS], len(verdict.warnings)
    failed = counted[Outcome.FAIL] - warned
    parts = ["1 rule holds" if held == 1 else f"{held} rules hold"]
    for number, words in (
        (failed, "does not" if failed == 1 else "do not"),
        (warned, "warned"),
        (counted[Outcome.INCONCLUSIVE], "could not be decided"),
        (counted[Outcome.NOT_CHECKED], "not checked"),
        (counted[Outcome.WAIVED], "waived"),
    ):
        if number:
            parts.append(f"{number} {words}")
    level = "" if verdict.level is Level.NONE else f", {verdict.level}"
    return (
        f"{WORD[verdict.outcome]}  {verdict.kind} evidence{level}: "
        f"{', '.join(parts)}  exit {int(verdict.exit_code)}"
    )


def _line(label: str, text: str) -> str:
    return f"{label:<{_LABEL_WIDTH}} {text}"


def _identity(verdict: Verdict) -> list[str]:
    lines = [_line("evidence", printable(verdict.path))]
    if verdict.sha256 is not None:
        lines.append(_line("sha256", f"{verdict.sha256}  ({verdict.size} bytes)"))
    if verdict.profile is not None:
        lines.append(_line("profile", printable(verdict.profile)))
    if verdict.commit is not None:
        lines.append(_line("commit", printable(verdict.commit)))
    if verdict.captured_at is not None:
        age = "" if verdict.age_hours is None else f"  ({verdict.age_hours:.1f} h ago)"
        lines.append(_line("captured", printable(verdict.captured_at) + age))
    lines.append(_line("rests on", RESTS_ON[verdict.level]))
    if verdict.level.rank < verdict.required_level.rank:
        lines.append(_line("needed", RESTS_ON[verdict.required_level]))
    lines += [_line("signed", printable(line)) for line in verdict.attestation]
    return lines


def _table(overview: Overview) -> list[str]:
    """Return a table: its first column to the left, figures to the right."""
    # Nothing stands beside the last cell, so it keeps its length.
    rows = [
        overview.columns,
        *([*map(_cut, row[:-1]), row[-1]] for row in overview.rows),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    figures = [
        all(row[at][:1].isdigit() or row[at] in _WITHOUT_FIGURE for row in rows[1:])
        for at in range(len(widths))
    ]
    return [
        _GAP.join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, figures, strict=True)
        ).rstrip()
        for row in rows
    ]


_WITHOUT_FIGURE = frozenset({NO_DATA, "not yet"})


def _cut(cell: str) -> str:
    """Return a cell that leaves room for the others; the end of a path is what tells it apart."""
    if len(cell) <= _CELL_MOST:
        return cell
    whole = cell[len(cell) - _CELL_MOST + 1 :] if "/" in cell else cell[: _CELL_MOST - 1]
    return f"…{whole}" if "/" in cell else f"{whole}…"


def _figures(verdict: Verdict) -> list[str]:
    return [_line("figure", one_figure(figure)) for figure in verdict.figures]


def one_figure(figure: Figure) -> str:
    """Return a figure with its limit and the number of samples behind it."""
    value, limit = measured(figure.value, figure.unit), held_against(figure.limit, figure.unit)
    return f"{figure.name:<18} {value:>16}  {limit:<14}  n={figure.n:,}"


def reasons(result: Result, word: str = "") -> list[str]:
    """Return a result that does not hold: what was seen, what was expected, what to do."""
    lines = [f"{word or WORD[result.outcome]}  {result.rule}  [{result.clause}]  {result.title}"]
    lines += [
        f"      {finding.where}: {finding.seen}; expected {finding.expected}"
        for finding in result.findings
    ]
    if result.more:
        lines.append(f"      and {result.more} more")
    remedies = list(dict.fromkeys(finding.remedy for finding in result.findings))
    lines += [f"      → {remedy}" for remedy in remedies]
    return lines


def not_checked(verdict: Verdict) -> list[str]:
    """Return which rules had nothing to check, and why."""
    by_reason: dict[str, list[str]] = {}
    for result in verdict.results:
        if result.outcome is Outcome.NOT_CHECKED:
            by_reason.setdefault(result.why_not or "nothing to compare", []).append(result.rule)
    return [
        _line("unchecked", f"{rules[0] if len(rules) == 1 else f'{len(rules)} rules'}: {reason}")
        for reason, rules in by_reason.items()
    ]
