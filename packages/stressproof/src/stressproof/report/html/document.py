"""One file of HTML for any number of reports."""

from collections.abc import Sequence
from importlib.resources import files

import jinja2

from stressproof.report.html.history import Build, trends
from stressproof.report.html.parts import Link, Page
from stressproof.version import __version__

_TEMPLATE = "report.html.j2"
_HISTORY = "history.html.j2"
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


def render(pages: Sequence[Page], links: Sequence[Link] = ()) -> str:
    """Return a document that needs nothing else: no network, no script, no other file.

    The same pages give the same bytes.

    Args:
        pages: The reports that it holds.
        links: Other documents, where it is one of several.
    """
    return _filled(_TEMPLATE, pages=pages, links=links)


def render_history(title: str, lead: str, builds: Sequence[Build]) -> str:
    """Return the first page of a folder of reports.

    Args:
        title: Its heading.
        lead: What it is about.
        builds: Each with the name of its own page; the oldest first.
    """
    newest = list(reversed(builds))
    return _filled(_HISTORY, title=title, lead=lead, builds=newest, sections=trends(builds))


def _filled(template: str, **values: object) -> str:
    style = (files("stressproof.report.html") / _STYLE).read_text(encoding="utf-8")
    filled = _environment().get_template(template)
    return filled.render(**values, style=style, version=__version__)
