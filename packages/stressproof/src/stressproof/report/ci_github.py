"""What was judged as GitHub workflow commands and as the Markdown of a step's summary."""

from collections.abc import Sequence

from stressproof.outcome import Outcome
from stressproof.report.ci_report import CiReport, seen
from stressproof.report.verdict_github import capped, reason_text
from stressproof.report.verdict_markdown import bounded, cell

_KINDS = {"error": Outcome.FAIL, "warning": Outcome.INCONCLUSIVE}


def render(reports: Sequence[CiReport]) -> str:
    """Return annotations for all that does not hold, and a notice with each verdict."""
    lines: list[str] = []
    for kind, outcome in _KINDS.items():
        told = [
            (one.name, seen(one))
            for report in reports
            for one in report.judged
            if one.outcome is outcome
        ]
        if kind == "error":
            rejecting = [result for report in reports for result in report.blocking or ()]
            told += [(result.rule, reason_text(result)) for result in rejecting]
        lines += capped(kind, told)
    notices = [
        (report.title, f"{report.word}: {report.sentence} Next: {report.next_step}")
        for report in reports
    ]
    return "\n".join([*lines, *capped("notice", notices)]) + "\n"


def markdown(reports: Sequence[CiReport]) -> str:
    """Return the page of a step: verdicts first, then every objective."""
    lines: list[str] = []
    for report in reports:
        lines += [
            f"### {report.mark} {report.word}: {cell(report.title)}",
            "",
            cell(report.sentence),
            "",
        ]
        if report.judged:
            lines += ["| asked | verdict | seen | limit | n |", "|---|---|---|---|---|"]
            lines += [
                f"| {cell(one.name)} | {one.mark} {one.word} | {cell(one.observed)} | "
                f"{cell(one.limit)} | {cell(one.samples)} |"
                for one in report.judged
            ]
            lines.append("")
    return bounded("\n".join(lines))
