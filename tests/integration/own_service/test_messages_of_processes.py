"""Mistakes and mishaps that only a process of its own can have, with their messages and codes."""

import os
import pty
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shop_service import Shop
from stressproof.exits import Exit

STRESSPROOF = [sys.executable, "-m", "stressproof"]
ENVIRONMENT = {**os.environ, "XDG_STATE_HOME": "/nonexistent", "NO_COLOR": "1"}
LONG = ("--duration", "60s", "--users", "1")


def ended(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; its stdout is discarded unless it is given a place."""
    settings: Any = {"stdout": subprocess.DEVNULL, "env": ENVIRONMENT} | options
    ran: subprocess.CompletedProcess[str] = subprocess.run(
        [*STRESSPROOF, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
        **settings,
    )
    return ran


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("capture", "--help"), ("check", "--schema"), ("verify", "x")],
    ids=" ".join,
)
def test_words_that_cannot_be_written_are_7(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A full disk, a closed stdout and a reader that went away are told, and never a pass."""
    with Path("/dev/full").open("w") as full:
        ran = ended(*arguments, stdout=full, cwd=tmp_path)
    assert ran.returncode == Exit.OUTPUT
    assert ran.stderr == (
        "stressproof: cannot write to stdout: No space left on device\n"
        "  Free some space, or send the output elsewhere.\n"
    )
    ran = ended(*arguments, stdout=None, cwd=tmp_path, preexec_fn=lambda: os.close(1))
    assert (ran.returncode, ran.stderr) == (
        Exit.OUTPUT,
        "stressproof: stdout is closed\n  Give the command somewhere to write to.\n",
    )
    reader, writer = os.pipe()
    os.close(reader)
    ran = ended(*arguments, stdout=writer, cwd=tmp_path)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (
        Exit.OUTPUT,
        "stressproof: the reader of our output went away before it was complete\n",
    )


def test_a_closed_stderr_changes_nothing(tmp_path: Path) -> None:
    """Nobody is told, the code still says what happened, and no file is written into."""
    ran = subprocess.run(
        [*STRESSPROOF, "init", "--openapi", "absent"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        timeout=60,
        check=False,
        preexec_fn=lambda: os.close(2),
    )
    assert ran.returncode == Exit.USAGE


def small_files() -> None:
    """Let the process write no file of more than 4 kB, as a full disk would."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_a_disk_that_is_full_after_the_load_is_told(
    shop: Shop, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The measured round is not lost in silence: 7, with what could not be written."""
    ledger = tmp_path_factory.mktemp("ledger") / "runs.jsonl"  # with room for this run
    ran = ended(
        *("capture", f"{shop.url}/catalog", "--duration", "1s", "--ramp", "0", "--out", "a.json"),
        cwd=tmp_path,
        env=ENVIRONMENT | {"STRESSPROOF_LEDGER": str(ledger)},
        preexec_fn=small_files,
    )
    assert ran.returncode == Exit.OUTPUT
    *_, what, hint = ran.stderr.splitlines()
    assert what == "stressproof: cannot write a.json: File too large"
    assert hint.startswith("  Nor could it be saved as /")
    assert hint.endswith(".json: free some space and capture again.")
    assert list(tmp_path.iterdir()) == []


def test_a_build_without_git_is_not_released(tmp_path: Path) -> None:
    """Unknown is inconclusive, and the gate says where it wants to be run."""
    (tmp_path / "stressproof.toml").write_text(
        '[gate]\nsteps = [{ name = "t", run = ["python", "-c", "pass"] }]\n'
    )
    for environment in (ENVIRONMENT, ENVIRONMENT | {"PATH": "/nonexistent"}):
        ran = ended("gate", "release", cwd=tmp_path, env=environment)
        assert ran.returncode == Exit.INCONCLUSIVE
        assert "The commit to be promoted is known" in ran.stderr
        assert "→ " in ran.stderr
        assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C"},
    ],
    ids=["C", "ascii", "latin-1"],
)
def test_a_terminal_that_has_no_such_letter_shows_its_code(
    shop: Shop, tmp_path: Path, locale: dict[str, str]
) -> None:
    """Words reach a terminal without UTF-8, and files are written the same."""
    (tmp_path / "order.json").write_text('{"name": "café"}')
    line = f'curl {shop.url}/orders --json \'{{"name": "café"}}\''
    (tmp_path / "line.sh").write_text(line)
    environment = ENVIRONMENT | locale
    ran = ended("init", "--curl", "@line.sh", cwd=tmp_path, env=environment)
    assert (ran.returncode, ran.stderr) == (Exit.PASS, "")
    assert 'json = { name = "café" }' in (tmp_path / "stressproof.toml").read_text("utf-8")
    ran = ended("check", "café.toml", cwd=tmp_path, env=environment)
    assert ran.returncode == Exit.USAGE
    assert ".toml: cannot be read: No such file or directory" in ran.stderr


def on_terminal(columns: int, arguments: tuple[str, ...], folder: Path) -> tuple[int, str]:
    """Run the command on a terminal of so many columns; returns its code and what it shows."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover  # another process
        os.chdir(folder)
        environment = {**ENVIRONMENT, "COLUMNS": str(columns), "TERM": "xterm"}
        os.execve(sys.executable, [*STRESSPROOF, *arguments], environment)  # noqa: S606  # no shell
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # as Linux ends a terminal whose process is gone
            break
        if not piece:
            break
        shown += piece
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_a_narrow_terminal_is_no_fault(shop: Shop, tmp_path: Path, columns: int) -> None:
    """Help wraps and a capture ends with its verdict, however little room there is."""
    code, shown = on_terminal(columns, ("capture", "--help"), tmp_path)
    assert code == Exit.PASS
    assert "--duration" in shown
    code, shown = on_terminal(
        columns, ("capture", f"{shop.url}/absent", "--duration", "1s", "--ramp", "0"), tmp_path
    )
    assert code == Exit.TARGET
    assert "NOT RUN (exit 4)" in " ".join(shown.split())
    assert "Traceback" not in shown


def begun(shop: Shop, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start a long capture of a shop."""
    return subprocess.Popen(
        [*STRESSPROOF, "capture", f"{shop.url}/catalog", *LONG, "--out", "a.json", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=ENVIRONMENT,
    )


def until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for something that a capture brings about."""
    for _ in range(2400):
        if happened():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.025)
    pytest.fail("it never happened")


MOMENTS: dict[str, tuple[tuple[str, ...], Callable[[Shop, float], bool]]] = {
    "start": ((), lambda _, __: False),
    "preflight": (("--preflight-timeout", "60s"), lambda shop, _: shop.held.is_set()),
    "ramp": (("--ramp", "60s"), lambda shop, _: shop.served["GET /catalog"] > 1),
    "load": (("--ramp", "0"), lambda shop, _: shop.served["GET /catalog"] > 50),
    "pause": (
        ("--ramp", "0", "--duration", "1s", "--rounds", "2", "--pause", "60s"),
        lambda shop, since: time.monotonic() - since > 3 and shop.quiet_for(0.8),
    ),
}
"""When Ctrl-C comes: flags, and what says that it is the moment."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_ends_a_capture_at_any_moment(shop: Shop, tmp_path: Path, moment: str) -> None:
    """130 and one line, no traceback; from the first answer on there is evidence as well."""
    flags, is_now = MOMENTS[moment]
    if moment == "preflight":
        shop.hold("GET /catalog")
    since = time.monotonic()
    process = begun(shop, tmp_path, *flags)
    if moment == "start":
        maps = Path(f"/proc/{process.pid}/maps")
        until(lambda: "msgspec" in maps.read_text(), process)  # modules are being imported
    else:
        until(lambda: is_now(shop, since), process)
    process.send_signal(signal.SIGINT)
    if moment == "preflight":
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    shop.release()
    assert process.returncode == Exit.INTERRUPTED, (out, err)
    assert "Traceback" not in out + err
    if moment == "start":
        assert (out, err) == ("", "stressproof: interrupted\n")
        return
    assert out.rstrip().splitlines()[-1] == (
        "INTERRUPTED (exit 130): the artifact holds what was measured and is marked as interrupted"
    )
    assert (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, Exit.HANGUP), (signal.SIGTERM, Exit.TERMINATED)]
)
def test_a_terminal_that_hangs_up_ends_a_capture_likewise(
    shop: Shop, tmp_path: Path, number: signal.Signals, code: Exit
) -> None:
    """The code names the signal, and evidence is kept."""
    process = begun(shop, tmp_path, "--ramp", "0")
    until(lambda: shop.served["GET /catalog"] > 50, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert f"INTERRUPTED (exit {int(code)})" in out
    assert (tmp_path / "a.json").exists()


def test_ctrl_c_at_a_question_ends_it(tmp_path: Path) -> None:
    """``stressproof init`` that waits for a URL is left with one line."""
    process = subprocess.Popen(
        [*STRESSPROOF, "init"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    assert process.stderr is not None
    asked = process.stderr.read(len("URL of the service"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED
    assert (asked + err).endswith("stressproof: interrupted\n")
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
