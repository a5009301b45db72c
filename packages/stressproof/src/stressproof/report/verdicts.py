"""A verdict in the form that was asked for."""

from stressproof.report.forms import render_as
from stressproof.verify.verdict import Verdict

FORMATS = ("text", "json", "junit", "github", "markdown")
"""Each is rendered by `stressproof.report.verdict_NAME`, imported when it is asked for."""

NOT_RELEASE = "NOT RELEASE EVIDENCE"
"""What every line of a rehearsal says that a promotion could read."""


def render(verdict: Verdict, form: str) -> str:
    """Return the verdict as text in one of `FORMATS`.

    Raises:
        KeyError: There is no such form.
    """
    return render_as(form, FORMATS, "verdict", verdict)
