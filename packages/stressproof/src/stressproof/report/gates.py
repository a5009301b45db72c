"""A gate's decision in the form that was asked for."""

import importlib

from stressproof.gate.decision import Decision

FORMATS = ("text", "json", "junit", "github", "markdown")
"""Each is rendered by `stressproof.report.gate_NAME`, imported when it is asked for."""


def render(decision: Decision, form: str) -> str:
    """Return the decision as text in one of `FORMATS`.

    Raises:
        KeyError: There is no such form.
    """
    if form not in FORMATS:
        raise KeyError(form)
    text: str = importlib.import_module(f"stressproof.report.gate_{form}").render(decision)
    return text
