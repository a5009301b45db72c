"""What people see on a real terminal, at 80 and at 120 columns: nothing wraps, nothing is left."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shop_service import Shop

pytestmark = pytest.mark.needs_tmux

ROOT = Path(__file__).resolve().parents[3]
STRESSPROOF = shlex.join([sys.executable, "-m", "stressproof"])
ROWS = 50
END = "ended with"


class Terminal:
    """A terminal of tmux.

    Args:
        folder: Where commands are run.
        columns: How wide it is.
    """

    def __init__(self, folder: Path, columns: int) -> None:
        self._folder, self._columns = folder, columns
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]

    def begin(self, *commands: str) -> None:
        """Begin to run commands, one after the other."""
        script = self._folder / "commands.sh"
        ends = f"; echo {END} $?"
        script.write_text("\n".join([*commands, f"true{ends}", "sleep 100"]))
        size = ["-x", str(self._columns), "-y", str(ROWS)]
        subprocess.run(
            [*self._tmux, "new-session", "-d", *size, "-c", str(self._folder), f"sh {script}"],
            check=True,
            timeout=20,
            env={**os.environ, "XDG_STATE_HOME": "/nonexistent", "LC_ALL": "C.UTF-8"},
        )

    def screen(self, *, joined: bool = False) -> list[str]:
        """Return what is on it; joined, a line that wrapped is one."""
        shown = subprocess.run(
            [*self._tmux, "capture-pane", "-p", "-S", "-", *["-J"] * joined],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout
        return [line.rstrip() for line in shown.rstrip().splitlines()]

    def until(self, happened: Callable[[list[str]], bool]) -> list[str]:
        """Return the screen as soon as it shows something."""
        for _ in range(900):
            screen = self.screen()
            if happened(screen):
                return screen
            time.sleep(0.1)
        pytest.fail("it never showed:\n" + "\n".join(self.screen()))

    def end(self) -> None:
        """Close it, with all that runs in it."""
        subprocess.run([*self._tmux, "kill-server"], check=False, timeout=20)


@pytest.fixture(params=[80, 120])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal of each width."""
    opened = Terminal(tmp_path, request.param)
    yield opened
    opened.end()


def test_a_load_is_seen_while_it_runs_and_fits_when_it_ended(
    shop: Shop, terminal: Terminal
) -> None:
    """Ramp, rate asked and reached, users, latency, failures by kind; then the summary alone."""
    asked = "-X POST --endpoint /orders --endpoint '/catalog?of=a-very-long-and-telling-path'"
    load = "--rate 40/s --users 5 --ramp 2s --duration 4s --allow-preflight-failures --out a.json"
    terminal.begin(f"{STRESSPROOF} capture {shop.url} {asked} {load}")
    terminal.until(lambda screen: any("ramp, " in line for line in screen))
    screen = terminal.until(lambda screen: any("status_401 x " in line for line in screen))
    shown = "\n".join(screen)
    assert "/s of 40/s asked, up to 5 users" in shown
    assert "  in the last second" in shown
    assert "  ✗ " in shown
    ended = terminal.until(lambda screen: any(END in line for line in screen))
    assert not any("in the last second" in line for line in ended)
    assert any(line.startswith("✗ errors") for line in ended)
    assert any(line.startswith("FAIL (exit 99)") for line in ended)
    assert terminal.screen(joined=True) == ended, "a line wrapped"


def test_a_verdict_fits(shop: Shop, terminal: Terminal) -> None:
    """Neither a digest nor a reason is broken in the middle of a word."""
    load = "--rate 20/s --ramp 0 --duration 1s --out a.json --no-enforce > summary.txt 2>&1"
    terminal.begin(
        f"{STRESSPROOF} capture {shop.url}/catalog {load}", f"{STRESSPROOF} verify a.json"
    )
    ended = terminal.until(lambda screen: any(END in line for line in screen))
    assert any(line.startswith("evidence  a.json") for line in ended)
    assert any(" ms" in line for line in ended if line.startswith("figure    worst p95"))
    assert terminal.screen(joined=True) == ended, "a line wrapped"


@pytest.mark.slow
def test_an_injection_is_seen_while_it_runs(tmp_path: Path) -> None:
    """Which scenario, which fault, since when, what callers get, and how long it still takes."""
    terminal = Terminal(tmp_path, 80)
    out = Path(tempfile.mkdtemp(dir="/tmp"))  # a path is never folded, and pytest's are long
    flags = f"--quick --scenario FI-001 --output {out}/f.json --executed-by ada --approved-by eve"
    terminal.begin(f"cd {shlex.quote(str(ROOT))}", f"{STRESSPROOF} inject {flags}")
    try:
        screen = terminal.until(lambda screen: any("broken since " in line for line in screen))
        *_, head, fault, callers, waits = [line for line in screen if line]
        assert head.startswith("  FI-001 (1 of 1)  1 fault, about ")
        assert fault.startswith("  ✗ slow_database broken since ")
        assert callers.startswith("  callers get ")
        assert "wait" in waits
        terminal.until(lambda screen: any(" healed " in line for line in screen))
        ended = terminal.until(lambda screen: any(END in line for line in screen))
        assert any(line.startswith("    broken  ") and "━" in line for line in ended)
        assert any("recovered within " in line for line in ended)
        assert not any("callers get" in line for line in ended)
        assert terminal.screen(joined=True) == ended, "a line wrapped"
    finally:
        terminal.end()
        shutil.rmtree(out)
