"""Lines for a person, with what they say of an outcome; colour is added where somebody looks."""

import os
from collections.abc import Sequence
from typing import TextIO

from msgspec import Struct

from stressproof.outcome import Outcome

MARKS = {
    Outcome.PASS: "✓",
    Outcome.FAIL: "✗",
    Outcome.INCONCLUSIVE: "?",
    Outcome.NOT_CHECKED: "·",
}
"""What stands for each outcome: nothing is told by colour alone."""

_COLOURS = {
    Outcome.PASS: "green",
    Outcome.FAIL: "red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.NOT_CHECKED: "bright_black",
}


class Line(Struct, frozen=True):
    """One line.

    Attributes:
        text: Without its mark.
        outcome: What it says came out, None where it says nothing of that.
        quiet: Whether it matters less than the others.
    """

    text: str
    outcome: Outcome | None = None
    quiet: bool = False

    def __str__(self) -> str:
        return self.text if self.outcome is None else f"{MARKS[self.outcome]} {self.text}"


def shown(lines: Sequence[Line], stream: TextIO) -> str:
    """Return lines as a stream takes them: with colours on a terminal, plain elsewhere.

    ``NO_COLOR`` and ``FORCE_COLOR`` are kept (https://no-color.org, https://force-color.org).
    """
    if not _coloured(stream):
        return "\n".join(map(str, lines))
    from rich.console import Console  # noqa: PLC0415  # 60 ms that no file and no pipe needs
    from rich.text import Text  # noqa: PLC0415  # likewise

    console = Console(file=stream, force_terminal=True, highlight=False, soft_wrap=True)
    with console.capture() as captured:
        for line in lines:
            style = "dim" if line.quiet else ""
            style = style if line.outcome is None else _COLOURS[line.outcome]
            console.print(Text(str(line), style=style), soft_wrap=True)
    return captured.get().rstrip("\n")


def _coloured(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def width_of(stream: TextIO) -> int | None:
    """Return how many columns a terminal has, None where there is no terminal."""
    if not stream.isatty():
        return None
    import shutil  # noqa: PLC0415  # only for terminals

    return shutil.get_terminal_size().columns
