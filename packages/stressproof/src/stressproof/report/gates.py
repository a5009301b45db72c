"""A gate's decision in the form that was asked for."""

from stressproof.gate.decision import Decision
from stressproof.report.forms import render_as

FORMATS = ("text", "json", "junit", "github", "markdown")
"""Each is rendered by `stressproof.report.gate_NAME`, imported when it is asked for."""


def render(decision: Decision, form: str) -> str:
    """Return the decision as text in one of `FORMATS`.

    Raises:
        KeyError: There is no such form.
    """
    return render_as(form, FORMATS, "gate", decision)
