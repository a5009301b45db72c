"""A gate's decision as GitHub workflow commands, within the annotations that are shown."""

from stressproof.gate.decision import Decision
from stressproof.report.gate_text import summary
from stressproof.report.verdict_github import annotations, workflow_command
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.rule import printable


def render(decision: Decision) -> str:
    """Return annotations for everything that blocks or warns, and a notice with the decision."""
    prefix = f"{NOT_RELEASE}: " if decision.dry_run or decision.loosened else ""
    judged = "; ".join(
        f"{printable(verdict.path)} sha256 {verdict.sha256 or 'not read'}"
        for verdict in decision.verdicts
    )
    warnings = [result for verdict in decision.verdicts for result in verdict.warnings]
    waived = [result for verdict in decision.verdicts for result in verdict.waived]
    lines = [
        *annotations("error", decision.blocking, prefix),
        *annotations("warning", warnings, prefix),
        *annotations("warning", [*waived, *decision.waived], f"{prefix}WAIVED "),
        workflow_command(
            "notice", f"{prefix}stressproof", "; ".join(filter(None, (judged, summary(decision))))
        ),
    ]
    return "\n".join(lines) + "\n"
