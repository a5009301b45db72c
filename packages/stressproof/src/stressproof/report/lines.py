"""Lines for a person, with what they say of an outcome; colour and folds are added on a terminal.

By hand: who judges evidence does not wait 60 ms for a library.
"""

import os
from collections.abc import Iterator, Sequence
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

_WORDS = {
    "PASS": Outcome.PASS,
    "FAIL": Outcome.FAIL,
    "INCONCLUSIVE": Outcome.INCONCLUSIVE,
    "WARN": Outcome.INCONCLUSIVE,
}
_COLOURS = {
    Outcome.PASS: "32",  # green
    Outcome.FAIL: "31",  # red
    Outcome.INCONCLUSIVE: "33",  # yellow
    Outcome.NOT_CHECKED: "90",  # grey
}
_DIM = "2"
_NEXT = " Next: "
_PLAINLY = str.maketrans("✓✗·▁▂▃▄▅▆▇█━→", "+x._.:-=*%#=>")
"""What stands for our signs where a terminal has no letters for them."""
_LEAST_WIDTH = 40
"""A terminal that is narrower folds by itself: indented words would be one a line."""


class Line(Struct, frozen=True):
    """One line.

    Attributes:
        text: Without its mark.
        outcome: What it says came out, None where it says nothing of that.
        quiet: Whether it matters less than the others.
        whole: Whether it is to be copied, and never folded.
        marked: Whether a mark says the outcome; else its own words do.
    """

    text: str
    outcome: Outcome | None = None
    quiet: bool = False
    whole: bool = False
    marked: bool = True

    def __str__(self) -> str:
        if self.outcome is None or not self.marked:
            return self.text
        return f"{MARKS[self.outcome]} {self.text}"


def worded(text: str) -> list[Line]:
    """Return lines whose first word says what came out, for `shown`."""
    return [
        Line(line, _WORDS.get(line.partition(" ")[0].rstrip(":")), marked=False)
        for line in text.rstrip("\n").split("\n")
    ]


def shown(lines: Sequence[Line], stream: TextIO | None) -> str:
    """Return lines as a stream takes them: folded and coloured on a terminal, plain elsewhere.

    ``NO_COLOR`` and ``FORCE_COLOR`` are kept (https://no-color.org, https://force-color.org).
    """
    width, colours = width_of(stream), coloured(stream)
    text = "\n".join(
        painted(line, piece) if colours else piece
        for line in lines
        for piece in folded(line, width)
    )
    return lettered(text, stream)


def lettered(text: str, stream: TextIO | None) -> str:
    """Return a text in the letters that a stream has, our signs in a plain form where it must."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return text.translate(_PLAINLY)
    return text


def painted(line: Line, piece: str) -> str:
    """Return a piece of a line in the line's colour."""
    code = _COLOURS.get(line.outcome, "") if line.outcome else _DIM * line.quiet
    return f"\x1b[{code}m{piece}\x1b[0m" if code else piece


def folded(line: Line, width: int | None) -> Iterator[str]:
    """Yield a line in pieces that fit, the further ones indented below the first.

    A next step is a piece of its own, however long: it is there to be copied.
    """
    text = str(line)
    if width is None or len(text) <= width or width < _LEAST_WIDTH or line.whole:
        yield text
        return
    import textwrap  # noqa: PLC0415  # only for long lines on terminals

    indent = " " * (len(text) - len(text.lstrip()) + 4)
    told, following, step = text.partition(_NEXT)
    # Columns of a table stand where they stand: no blank of theirs is lost in the first piece.
    yield from textwrap.wrap(
        told,
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    if following:
        yield f"{indent}{following.lstrip()}{step}"


def coloured(stream: TextIO | None) -> bool:
    """Return whether a stream takes colours: a terminal does, unless the environment says else."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether somebody looks at a stream; None is one that was closed before we began."""
    return stream is not None and stream.isatty()


def width_of(stream: TextIO | None) -> int | None:
    """Return how many columns a terminal has, None where there is no terminal."""
    if not is_terminal(stream):
        return None
    import shutil  # noqa: PLC0415  # only for terminals

    return shutil.get_terminal_size().columns
