"""Reports as GitHub workflow commands and as the Markdown of a step's summary."""

from collections.abc import Sequence

from stressproof.outcome import Outcome
from stressproof.report.html.parts import Judged, Page
from stressproof.report.verdict_github import annotations, workflow_command
from stressproof.report.verdict_markdown import bounded, cell

_KINDS = {Outcome.FAIL: "error", Outcome.INCONCLUSIVE: "warning"}
_MOST = 10
"""Of one kind in one step; GitHub drops further ones without a word."""


def render(pages: Sequence[Page]) -> str:
    """Return annotations: what was missed, what rejects the evidence, and a notice with each
    verdict.
    """  # noqa: D205  # one sentence
    lines: list[str] = []
    for page in pages:
        missed = [one for one in page.judged if one.outcome in _KINDS]
        lines += [_annotation(one) for one in missed[:_MOST]]
        lines += annotations("error", page.verdict.blocking, "")
        notice = f"{page.word}: {page.sentence} Next: {page.next_step}"
        lines.append(workflow_command("notice", page.title, notice))
    return "\n".join(lines) + "\n"


def _annotation(judged: Judged) -> str:
    text = f"{judged.observed} against {judged.limit}, n={judged.samples} {judged.note}".strip()
    return workflow_command(_KINDS[judged.outcome], judged.name, text)


def markdown(pages: Sequence[Page]) -> str:
    """Return the page of a step: verdicts first, then every objective."""
    lines: list[str] = []
    for page in pages:
        lines += [f"### {page.mark} {page.word}: {cell(page.title)}", "", cell(page.sentence), ""]
        if page.judged:
            lines += ["| asked | verdict | seen | limit | n |", "|---|---|---|---|---|"]
            lines += [
                f"| {cell(one.name)} | {one.mark} {one.word} | {cell(one.observed)} | "
                f"{cell(one.limit)} | {cell(one.samples)} |"
                for one in page.judged
            ]
            lines.append("")
    return bounded("\n".join(lines))
