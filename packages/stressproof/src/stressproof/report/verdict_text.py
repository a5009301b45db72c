"""A verdict for people: what was judged, what did not hold and why, what to do next."""

from stressproof.outcome import Outcome
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.rule import Result, printable
from stressproof.verify.verdict import Figure, Verdict

WORD = {
    Outcome.PASS: "PASS",
    Outcome.FAIL: "FAIL",
    Outcome.INCONCLUSIVE: "INCONCLUSIVE",
    Outcome.NOT_CHECKED: "NOT CHECKED",
    Outcome.WAIVED: "WAIVED",
}
_LABEL_WIDTH = 9


def render(verdict: Verdict) -> str:
    """Return the verdict as lines of text."""
    lines = [*_identity(verdict), *_figures(verdict)]
    for result in verdict.blocking:
        lines += reasons(result)
    for result in verdict.warnings:
        lines += reasons(result, "WARN")
    for result in verdict.waived:
        lines += [*reasons(result), f"      {printable(result.why_not)}"]
    lines += _not_checked(verdict)
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
    parts = [f"{counted[Outcome.PASS]} rules hold"]
    for outcome, words in (
        (Outcome.FAIL, "do not"),
        (Outcome.INCONCLUSIVE, "could not be decided"),
        (Outcome.NOT_CHECKED, "not checked"),
        (Outcome.WAIVED, "waived"),
    ):
        if counted[outcome]:
            parts.append(f"{counted[outcome]} {words}")
    return (
        f"{WORD[verdict.outcome]}  {verdict.kind} evidence, level {verdict.level}: "
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
    lines.append(_line("level", f"{verdict.level}  (asked for: {verdict.required_level})"))
    lines += [_line("signed", printable(line)) for line in verdict.attestation]
    return lines


def _figures(verdict: Verdict) -> list[str]:
    return [_line("figure", one_figure(figure)) for figure in verdict.figures]


def one_figure(figure: Figure) -> str:
    """Return a figure with its limit and the number of samples behind it."""
    value = "not known" if figure.value is None else f"{figure.value:g} {figure.unit}"
    limit = f"  {figure.limit}" if figure.limit else ""
    return f"{figure.name:<18} {value:>16}{limit:<10}  n={figure.n}"


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


def _not_checked(verdict: Verdict) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for result in verdict.results:
        if result.outcome is Outcome.NOT_CHECKED:
            by_reason.setdefault(result.why_not or "nothing to compare", []).append(result.rule)
    return [
        _line("unchecked", f"{rules[0] if len(rules) == 1 else f'{len(rules)} rules'}: {reason}")
        for reason, rules in by_reason.items()
    ]
