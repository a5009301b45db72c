"""Forms of output, each in a module of its own that is imported when it is asked for."""

import importlib
from collections.abc import Sequence
from typing import Any


def render_as(form: str, forms: Sequence[str], what: str, value: Any) -> str:
    """Return a value as text in one of the forms, by `stressproof.report.WHAT_FORM`.

    Raises:
        KeyError: There is no such form.
    """
    if form not in forms:
        raise KeyError(form)
    text: str = importlib.import_module(f"stressproof.report.{what}_{form}").render(value)
    return text
