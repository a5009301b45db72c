"""One file of HTML for any number of reports."""

from collections.abc import Sequence
from importlib.resources import files

import jinja2

from stressproof.report.html.parts import Page
from stressproof.version import __version__

_TEMPLATE = "report.html.j2"
_STYLE = "page.css"


def _environment() -> jinja2.Environment:
    folder = files("stressproof.report.html")

    def load(name: str) -> str | None:
        one = folder / name
        return one.read_text(encoding="utf-8") if one.is_file() else None

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        # Evidence is written by others: whatever it says is text, never markup.
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(pages: Sequence[Page]) -> str:
    """Return a document that needs nothing else: no network, no script, no other file.

    The same pages give the same bytes.
    """
    environment = _environment()
    style = (files("stressproof.report.html") / _STYLE).read_text(encoding="utf-8")
    return environment.get_template(_TEMPLATE).render(pages=pages, style=style, version=__version__)
