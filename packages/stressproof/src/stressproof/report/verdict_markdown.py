"""A verdict as Markdown: for a pull request or the summary page of a CI step."""

import re

from stressproof.outcome import Outcome
from stressproof.quantities import held_against, measured
from stressproof.report.verdict_text import summary
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.rule import Result, printable
from stressproof.verify.verdict import Verdict

BYTES_MAX = 64 * 1024
"""A page that is longer is read by nobody; GitHub drops those above 1 MiB whole."""


def code(text: str) -> str:
    """Return a text as an inline code span in a table: nothing in it is markup or a mention."""
    return f"`{printable(text).replace('`', chr(39)).replace('|', chr(0xA6))}`" if text else "none"


def render(verdict: Verdict) -> str:
    """Return the verdict with its figures, what blocks, and what warns."""
    prefix = f"{NOT_RELEASE} · " if verdict.dry_run or verdict.loosened else ""
    lines = [
        f"### {prefix}{summary(verdict)}",
        "",
        f"{prefix}{code(verdict.path)} · sha256 {code(verdict.sha256 or 'not read')}",
        "",
    ]
    if verdict.figures:
        lines += ["| figure | value | limit | n |", "|---|---|---|---|"]
        lines += [
            f"| {figure.name} | {measured(figure.value, figure.unit)} "
            f"| {held_against(figure.limit, figure.unit)} | {figure.n:,} |"
            for figure in verdict.figures
        ]
        lines.append("")
    for overview in verdict.overview:
        lines += [f"#### {prefix}{overview.caption}", ""]
        lines.append(f"| {' | '.join(overview.columns)} |")
        lines.append("|---" * len(overview.columns) + "|")
        lines += [f"| {' | '.join(map(cell, row))} |" for row in overview.rows]
        lines.append("")
    for heading, results in (
        ("Blocking", verdict.blocking),
        ("Warnings", verdict.warnings),
        ("WAIVED", verdict.waived),
    ):
        if results:
            lines += [f"#### {prefix}{heading}", ""]
            lines += [line for result in results for line in markdown_reasons(result)]
            lines.append("")
    return bounded("\n".join(lines) + "\n")


def cell(text: str) -> str:
    """Return a text in a table's cell: as code where somebody else wrote it, plain figures else."""
    return text if _PLAIN.fullmatch(text) else code(text)


_PLAIN = re.compile(r"[A-Za-z0-9 .,/%]*")
"""In which nothing can be markup or a mention."""


def markdown_reasons(result: Result) -> list[str]:
    """Return a result that does not hold as a list item with its findings."""
    lines = [f"- **{result.rule}** ({result.clause}): {result.title}"]
    lines += [
        f"  - {code(finding.where)} is {code(finding.seen)}, expected {code(finding.expected)}. "
        f"{finding.remedy}"
        for finding in result.findings
    ]
    if result.more:
        lines.append(f"  - and {result.more} more")
    if result.outcome is Outcome.WAIVED:
        lines.append(f"  - {code(result.why_not)}")
    return lines


def bounded(text: str) -> str:
    """Return a page that is no longer than a reader bears; a cut says that it is one."""
    raw = text.encode()
    if len(raw) <= BYTES_MAX:
        return text
    end = "\n\n(cut here; `--format json` has everything)\n"
    return raw[: BYTES_MAX - len(end)].decode(errors="ignore") + end
