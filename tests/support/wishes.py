"""The wishes of ``docs/coming-from.md``: what is written for each, here and elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from documented_code import DOCS, Section, sections_of
from example_shop import EXAMPLE

PAGE = DOCS / "coming-from.md"
BIN = Path(sys.executable).parent
OURS = {("toml",), ("python", "flows.py"), ("sh",)}
QUICK = (
    ("30s", "2s"),
    ("10s", "1s"),
    ("1s..3s", "100ms..300ms"),
    ("between(1, 3)", "between(0.1, 0.3)"),
    ("sleep(1 + 2 * Math.random())", "sleep(0.1 + 0.2 * Math.random())"),
    ("now < 40", "now < 3"),
    ("now < 50", "now < 4"),
)
"""What the tests write instead, so that nobody waits; the rest is run as it stands."""


@dataclass(frozen=True)
class Wish:
    """A section of the page."""

    section: Section

    @property
    def title(self) -> str:
        """Its heading."""
        return self.section.heading

    @property
    def lines(self) -> tuple[int, int, int]:
        """Lines of ours, of k6's and of Locust's code; 0 where there is none."""
        ours = sum(block.lines for block in self.section.blocks if block.info in OURS)
        k6, locust = (
            sum(block.lines for block in self.section.blocks if block.info == (language,))
            for language in ("js", "python")
        )
        return ours, k6, locust

    def code(self, *info: str) -> str:
        """Return code of this kind, made quick."""
        text = self.section.code(*info)
        for long, short in QUICK:
            text = text.replace(long, short)
        return "".join(map(_without_ramp, text.splitlines(keepends=True)))


def _without_ramp(line: str) -> str:
    """Return a command of ours that does not wait for its users, where it is one that would."""
    one_line = line.startswith("stressproof capture ") and "--duration" in line
    return line.replace("capture ", "capture --ramp 0 ", 1) if one_line else line


WISHES = {
    wish.title.split(". ")[0]: wish
    for wish in (Wish(section) for section in sections_of(PAGE) if section.heading[:1].isdigit())
}


def lay_out(wish: Wish, folder: Path) -> None:
    """Put what a wish needs into a folder: the shop's data, and the wish's own files."""
    for name in ("skus.csv", "users.csv"):
        shutil.copy(EXAMPLE / name, folder)
    for name, info in (
        ("stressproof.toml", ("toml",)),
        ("flows.py", ("python", "flows.py")),
        ("k6.js", ("js",)),
        ("locustfile.py", ("python",)),
    ):
        if code := wish.code(*info):
            (folder / name).write_text(code, encoding="utf-8")


def run_in(
    folder: Path, command: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run lines of a shell, which stops at the first that fails."""
    return subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "NO_COLOR": "1",
            "XDG_STATE_HOME": "/nonexistent",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def k6_command(wish: Wish) -> str:
    """Return how a wish's script is run, with its figures in ``k6.json``."""
    shown = wish.code("sh", "k6").replace("--summary-export run.json ", "") or "k6 run FILE"
    quiet = "k6 run --quiet --no-usage-report --summary-export k6.json"
    return shown.replace("k6 run", quiet).replace("FILE", "k6.js")


def locust_command(wish: Wish) -> str:
    """Return how a wish's file is run, with its figures in ``locust.json``."""
    shown = wish.code("sh", "locust") or "locust --headless -u 10 -r 10 -t 2s -f FILE"
    if "class Stages" in wish.code("python"):  # the shape says how many and how long
        shown = "locust --headless -f FILE"
    # Its time runs while it starts and while its users spawn.
    shown = shown.strip().replace("-t 2s", "-t 6s")
    return shown.replace("FILE", "locustfile.py") + " --json-file locust"


def figures(path: Path) -> Any:
    """Return a document that a tool left."""
    return json.loads(path.read_text(encoding="utf-8"))
