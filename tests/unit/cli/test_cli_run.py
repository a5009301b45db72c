"""How every command ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from stressproof.cli import output
from stressproof.cli.main import COMMANDS, LazyGroup, command
from stressproof.cli.run import run
from stressproof.errors import EvidenceError
from stressproof.exits import Exit

pytestmark = pytest.mark.gate


def ending_with(outcome: object) -> click.Command:
    """A command that returns an outcome, or raises it where it is an exception."""

    @click.command()
    def example() -> object:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return example


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (None, 0),
        (Exit.PASS, 0),
        (Exit.INCONCLUSIVE, 3),
        (Exit.OBJECTIVES, 99),
        (EvidenceError("bad"), 6),
        (click.UsageError("no"), 2),
        (click.ClickException("no"), 2),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.exceptions.Exit(3), 3),
        (SystemExit(7), 7),
        (SystemExit("text"), 1),
        (SystemExit(42), 1),
        (BrokenPipeError(), 7),
        (RuntimeError("boom"), 1),
        (RecursionError(), 1),
        (MemoryError(), 1),
    ],
)
def test_every_ending_has_its_documented_code(outcome: object, code: int) -> None:
    """Whatever a command does, its process ends with a code of the table."""
    if isinstance(outcome, BrokenPipeError):
        # This one redirects the process's stdout, so it runs in a process of its own.
        script = (
            "import sys, click\nfrom stressproof.cli.run import run\n"
            "@click.command()\ndef f():\n    raise BrokenPipeError\n"
            "sys.exit(run(f, 'f', []))"
        )
        ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
        assert ended.returncode == code
        return
    assert run(ending_with(outcome), "example", []) == code


def test_a_failure_is_told_in_two_lines_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """A user meets the message and the hint, on stderr, and no traceback."""
    run(ending_with(EvidenceError("seen X, expected Y", hint="Do Z.")), "example", [])
    captured = capsys.readouterr()
    assert captured.err == "example: seen X, expected Y\n  Do Z.\n"
    assert captured.out == ""


def test_a_bug_asks_to_be_reported_and_shows_its_place_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the debug variable there is no traceback; with it there is."""
    run(ending_with(KeyError("inner")), "example", [])
    quiet = capsys.readouterr().err
    assert "a bug of ours: KeyError: 'inner'" in quiet
    assert "Please report it" in quiet
    assert "Traceback" not in quiet
    monkeypatch.setenv("STRESSPROOF_DEBUG", "1")
    run(ending_with(KeyError("inner")), "example", [])
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_while_the_program_is_loaded_is_one_line_too() -> None:
    """What is imported before any command shows no traceback either."""
    script = """
import sys
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "stressproof.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
from stressproof.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert (ended.returncode, ended.stderr) == (Exit.INTERRUPTED, b"stressproof: interrupted\n")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, Exit.TERMINATED), (signal.SIGHUP, Exit.HANGUP)]
)
def test_a_signal_unwinds_and_ends_with_its_code(
    tmp_path: Path, number: signal.Signals, code: Exit
) -> None:
    """A command that is told to end runs its cleanup first; nohup is respected."""
    ready, cleaned = tmp_path / "ready", tmp_path / "cleaned"
    script = f"""
import sys, time, click, pathlib
from stressproof.cli.run import run
@click.command()
def wait():
    try:
        pathlib.Path({str(ready)!r}).touch()
        time.sleep(60)
    finally:
        pathlib.Path({str(cleaned)!r}).touch()
sys.exit(run(wait, "wait", []))
"""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) as process:
        while not ready.exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert cleaned.exists()
    words = {Exit.TERMINATED: b"terminated", Exit.HANGUP: b"its terminal has hung up"}[code]
    assert stderr == b"wait: " + words + b"\n"


def test_signals_are_given_back(tmp_path: Path) -> None:
    """A library user's own handlers are in place again afterwards."""
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)]
    run(ending_with(None), "example", [])
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)] == before


def test_what_is_ignored_stays_ignored() -> None:
    """Under nohup a terminal may hang up."""
    script = (
        "import os, signal, sys, click\nfrom stressproof.cli.run import run\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "@click.command()\ndef f():\n    os.kill(os.getpid(), signal.SIGHUP)\n"
        "sys.exit(run(f, 'f', []))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == Exit.PASS


def test_help_imports_no_command(tmp_path: Path) -> None:
    """Listing the commands costs none of their imports."""
    script = (
        "import sys\nfrom stressproof.cli.main import command, COMMANDS\n"
        "from stressproof.cli.run import run\n"
        "run(command, 'stressproof', ['--help'])\n"
        "sys.exit(any(module in sys.modules for module, _ in COMMANDS.values()))"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert ended.returncode == 0
    assert all(name.encode() in ended.stdout for name in COMMANDS)


def test_every_command_of_the_table_exists() -> None:
    """A name in the help is a command that can be run."""
    assert isinstance(command, LazyGroup)
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        assert found.get_short_help_str()


def test_a_typo_is_offered_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt command is a usage error that names what was meant."""
    group = LazyGroup("tool", table={"verify": ("stressproof.cli.main", "Judge.")})
    assert run(group, "tool", ["verfy"]) == Exit.USAGE
    assert "Did you mean 'verify'?" in capsys.readouterr().err


def test_no_command_shows_the_help_and_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command nothing is done, so nothing passes."""
    assert run(command, "stressproof", []) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Commands:" in captured.err


def test_a_full_disk_is_an_output_error() -> None:
    """Results that could not be written end with 7, never with 0."""
    script = (
        "import sys, click\nfrom stressproof.cli.run import run\n"
        "from stressproof.cli.output import to_stdout\n"
        "@click.command()\ndef f():\n    to_stdout('x')\n"
        "sys.exit(run(f, 'f', []))"
    )
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", script], check=False, stdout=full, stderr=subprocess.PIPE
        )
    assert ended.returncode == Exit.OUTPUT
    assert b"cannot write to stdout" in ended.stderr


def test_notes_survive_a_missing_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody to tell, telling is no failure."""
    monkeypatch.setattr(sys, "stderr", None)
    output.to_stderr("nobody hears this")
