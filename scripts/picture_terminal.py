"""Make a picture of a terminal: run a command in tmux, and draw what its screen shows.

    uv run python scripts/picture_terminal.py docs/images/capture.svg -- stressproof capture URL …
    uv run python scripts/picture_terminal.py inject.svg --when 'broken since' -- stressproof …

The picture is an SVG that needs nothing else: no font and no style from elsewhere.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

_LOOK_S = 0.1
_END = "the command has ended"
_FONTS = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)


class Tmux:
    """A terminal that a command runs in; it is closed at the end.

    Args:
        folder: Where its socket lies.
        columns: How wide it is.
        rows: How high.
    """

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self._tmux = ["tmux", "-S", str(folder / "socket"), "-f", "/dev/null"]
        self._size = ["-x", str(columns), "-y", str(rows)]

    def begin(self, command: list[str]) -> None:
        """Begin to run a command."""
        script = f"clear; {shlex.join(command)}; tput civis; echo {shlex.quote(_END)}; sleep 60"
        subprocess.run(
            [*self._tmux, "new-session", "-d", *self._size, "sh", "-c", script],
            check=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )

    def screen(self) -> str:
        """Return what it shows, with its colours."""
        shown = [*self._tmux, "capture-pane", "-e", "-p"]
        return subprocess.run(shown, check=True, capture_output=True, text=True).stdout

    def end(self) -> None:
        """Close it."""
        subprocess.run([*self._tmux, "kill-server"], check=False)


def drawn(screen: str, title: str, columns: int) -> str:
    """Return a screen as SVG."""
    lines = screen.split(_END, maxsplit=1)[0].rstrip()
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=columns, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(lines))
        form = _FONTS.sub("", CONSOLE_SVG_FORMAT)
        return console.export_svg(title=title, code_format=form, unique_id="terminal")


@click.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("command", nargs=-1, required=True)
@click.option("--when", default=_END, help="Draw as soon as this is shown; else at the end.")
@click.option("--columns", default=80, show_default=True)
@click.option("--rows", default=30, show_default=True)
@click.option("--within", default=300.0, show_default=True, help="Seconds to wait at most.")
def main(
    out: Path, command: tuple[str, ...], when: str, columns: int, rows: int, within: float
) -> None:
    """Run COMMAND in a terminal, and draw its screen to OUT."""
    with tempfile.TemporaryDirectory() as folder:
        terminal = Tmux(Path(folder), columns, rows)
        terminal.begin(list(command))
        try:
            until = time.monotonic() + within
            while when not in (screen := terminal.screen()):
                if time.monotonic() > until:
                    sys.exit(f"it was not shown within {within:g} s: {when}\n{screen}")
                time.sleep(_LOOK_S)
            time.sleep(_LOOK_S)
            screen = terminal.screen()
        finally:
            terminal.end()
    out.write_text(drawn(screen, " ".join(command[:2]), columns), encoding="utf-8")


if __name__ == "__main__":
    main()
