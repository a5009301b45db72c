"""Words that a shell completes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stressproof.cli.main import COMMANDS, command
from stressproof.cli.run import run
from stressproof.exits import Exit

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}


def script(shell: str) -> str:
    """Return what a shell is given."""
    ran = subprocess.run(
        [BIN / "stressproof", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=ENVIRONMENT,
    )
    assert ran.stderr == ""
    return ran.stdout


def in_shell(arguments: list[str], source: str, folder: Path) -> str:
    """Run a shell's script to its end and return what it prints."""
    program = shutil.which(arguments[0])
    assert program is not None
    ran = subprocess.run(
        [program, *arguments[1:]],
        input=source,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=folder,
        env=ENVIRONMENT,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["cap"], ["capture"]),
        (["gate", ""], ["release", "enterprise", "confirm"]),
        (["capture", "--thres"], ["--threshold"]),
        (["capture", "--executor", "shared"], ["shared-iterations"]),
        (["verify", "--kind", ""], ["auto", "stress", "failure"]),
    ],
    ids=" ".join,
)
def test_bash_completes_commands_flags_and_their_words(
    words: list[str], offered: list[str], tmp_path: Path
) -> None:
    """What a real bash offers, from the script that the command prints."""
    assert in_bash(words, tmp_path) == offered


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["capture", "--profile", ""], ["shop", "soak"]),
        (["capture", "--target", "st"], ["staging"]),
        (["check", "--profile", "so"], ["soak"]),
        (["check", "--target", ""], ["staging"]),
        (["capture", "--config", "other.toml", "--profile", ""], ["other"]),
        (["capture", "--config", "broken.toml", "--profile", ""], []),
        (["capture", "--config", "absent.toml", "--target", ""], []),
    ],
    ids=" ".join,
)
def test_bash_completes_names_of_the_file(
    words: list[str], offered: list[str], tmp_path: Path
) -> None:
    """Profiles and targets of the file that is meant; of one that cannot be read, nothing."""
    load = 'users = 1\nrequest = [{ path = "/" }]\n'
    (tmp_path / "stressproof.toml").write_text(
        f'[targets.staging]\nurl = "http://h"\n[profile.shop]\n{load}[profile.soak]\n{load}'
    )
    (tmp_path / "other.toml").write_text(f"[profile.other]\n{load}")
    (tmp_path / "broken.toml").write_text("[profile")
    assert in_bash(words, tmp_path) == offered


def in_bash(words: list[str], folder: Path) -> list[str]:
    """Return what bash offers after some words, in a folder."""
    quoted = " ".join(f'"{word}"' for word in ["stressproof", *words])
    source = f"""{script("bash")}
COMP_WORDS=({quoted})
COMP_CWORD={len(words)}
_stressproof_completion stressproof
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return in_shell(["bash", "--norc"], source, folder).split()


@pytest.mark.needs_zsh
def test_zsh_completes_with_what_each_word_means(tmp_path: Path) -> None:
    """What a real zsh is told to offer: words with their explanations."""
    source = f"""
compdef() {{ : }}
_describe() {{ print -r -l -- "${{(@P)3}}" }}
{script("zsh")}
words=(stressproof c)
CURRENT=2
_stressproof_completion
"""
    told = in_shell(["zsh", "-f"], source, tmp_path)
    names = ("capture", "check", "compare", "completion")
    assert told.splitlines() == [
        f"{name}:{COMMANDS[name][1]}" for name in COMMANDS if name in names
    ]


@pytest.mark.needs_fish
def test_fish_completes_with_what_each_word_means(tmp_path: Path) -> None:
    """What a real fish offers: words with their explanations."""
    (tmp_path / "completions.fish").write_text(script("fish"))
    source = "source completions.fish\ncomplete -C 'stressproof c'\n"
    told = in_shell(["fish", "--no-config"], source, tmp_path)
    offered = dict(line.split("\t") for line in told.splitlines())
    assert offered["capture"] == "Load a service"  # click's script ends at a comma
    assert set(offered) == {"capture", "check", "compare", "completion"}


def test_a_shell_that_nobody_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """There is a word for each that is known."""
    assert run(command, "stressproof", ["completion", "zhs"]) == Exit.USAGE
    assert "none of bash, zsh, fish. Did you mean 'zsh'?" in capsys.readouterr().err


def test_completing_a_command_imports_none_of_them() -> None:
    """A word is offered at once: the table knows what each command does."""
    source = (
        "import sys\nfrom stressproof.cli.main import command, COMMANDS\n"
        "from stressproof.cli.run import run\n"
        "code = run(command, 'stressproof', [])\n"
        "assert code == 0, code\n"
        "sys.exit(any(module in sys.modules for module, _ in COMMANDS.values()))"
    )
    asked = {"_STRESSPROOF_COMPLETE": "bash_complete", "COMP_WORDS": "stressproof c"}
    ended = subprocess.run(
        [sys.executable, "-c", source],
        check=False,
        capture_output=True,
        timeout=60,
        env=ENVIRONMENT | asked | {"COMP_CWORD": "1"},
    )
    assert (ended.returncode, ended.stdout.split()[0]) == (0, b"plain,capture")
