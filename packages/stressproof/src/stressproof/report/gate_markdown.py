"""A gate's decision as Markdown: for a pull request or the summary page of a CI step."""

from stressproof.gate.decision import Decision
from stressproof.gate.step_runner import StepReport
from stressproof.report import verdict_markdown
from stressproof.report.gate_text import summary
from stressproof.report.verdict_markdown import bounded, code, markdown_reasons
from stressproof.report.verdict_text import WORD
from stressproof.report.verdicts import NOT_RELEASE


def render(decision: Decision) -> str:
    """Return the decision with both verdicts, what the gate itself found, and the steps."""
    prefix = f"{NOT_RELEASE} · " if decision.dry_run or decision.loosened else ""
    lines = [f"## {prefix}{summary(decision)}", "", f"{prefix}commit {code(decision.commit or '')}"]
    if decision.not_judged:
        lines += ["", f"{prefix}not judged: {', '.join(map(code, decision.not_judged))}"]
    for verdict in decision.verdicts:
        lines += ["", verdict_markdown.render(verdict).rstrip("\n")]
    told = [check for check in decision.checks if check in decision.blocking] + decision.waived
    if told:
        lines += ["", f"### {prefix}The gate itself", ""]
    for check in told:
        lines += markdown_reasons(check)
    if decision.steps:
        lines += ["", "| step | outcome | seconds | what happened |", "|---|---|---|---|"]
        lines += [f"| {prefix}{step.name} | {_outcome(step)} |" for step in decision.steps]
    return bounded("\n".join(lines) + "\n")


def _outcome(step: StepReport) -> str:
    took = "" if step.took_seconds is None else f"{step.took_seconds:g}"
    return f"{WORD[step.outcome]} | {took} | {code(step.seen)}"
