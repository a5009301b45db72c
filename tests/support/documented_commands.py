"""The commands that pages show: each in a fenced block of a shell, as a reader would type it."""

import importlib
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

ROOT = Path(__file__).resolve().parents[2]
SHELLS = frozenset({"", "sh", "bash", "console", "shell"})

SCRIPTS = {
    "load_test_api.py": "stressproof.cli.capture",
    "inject_enforcement_failures.py": "stressproof.cli.inject",
    "verify_enforcement_stress_evidence.py": "stressproof.cli.verify_stress",
    "verify_enforcement_failure_injection_evidence.py": "stressproof.cli.verify_failure",
    "run_enterprise_tdd_gate.py": "stressproof.cli.gate_enterprise",
    "run_enforcement_release_evidence_gate.py": "stressproof.cli.gate_release",
}
"""The protocol's scripts, each with the module of the command that it is."""

_FENCE = re.compile(r"^\s*```\s*(?P<info>.*)$")
_SHELL = re.compile(r"\s+(?:>>?|&&?|\|)\s|\s&$")
_COMMENT = re.compile(r"\s+#\s.*$")
_PROMPT = "$ "


class Command(NamedTuple):
    """One command of a page.

    Attributes:
        page: Relative to the repository.
        line: Where its block begins.
        text: As it is typed: continued lines joined, without a comment.
    """

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"

    @property
    def ours(self) -> list[str]:
        """Its words from our program's name on; none where it runs no program of ours."""
        words = shlex.split(_SHELL.split(self.text)[0])
        while words and (words[0] in {"uv", "run", "python", "python3"} or "=" in words[0]):
            words = words[1:]
        known = words and (words[0] in {"stressproof", "enforcement"} or "scripts/" in words[0])
        return words if known else []


def pages() -> list[Path]:
    """Return every page that people read."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for folder in ("docs", "packages", "examples"):
        found += [
            path
            for path in (ROOT / folder).rglob("*.md")
            if not {".venv", "node_modules", "stressproof-results"} & {*path.parts}
        ]
    return sorted(found)


def commands_of(page: Path) -> Iterator[Command]:
    """Yield the commands of a page, in their order."""
    info, opened, block = "", 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if fence is None:
            block.append(line)
        elif opened:
            if info.split(" ", maxsplit=1)[0] in SHELLS:
                for text in _typed(block):
                    yield Command(str(page.relative_to(ROOT)), opened, text)
            opened = 0
        else:
            info, opened, block = fence["info"].strip(), number, []


def _typed(block: list[str]) -> Iterator[str]:
    """Yield what is typed of a block; where it has prompts, nothing else is."""
    joined = "\n".join(block).replace("\\\n", " ").splitlines()
    prompted = any(line.startswith(_PROMPT) for line in joined)
    inside = ""
    for line in joined:
        if prompted and not line.startswith(_PROMPT):
            continue
        text = _COMMENT.sub("", line.removeprefix(_PROMPT)).strip()
        if inside:  # of a shell's own block
            inside += f"; {text}"
            if text == "done":
                yield inside
                inside = ""
        elif text.startswith("for "):
            inside = text
        elif text and not text.startswith("#"):
            yield re.sub(r"\s+", " ", text)


def find(words: Sequence[str]) -> tuple[click.Command, list[str]]:
    """Return the command that a program or script of ours is, and its arguments."""
    program, *arguments = words
    folder, _, name = program.rpartition("/")
    if folder:
        assert folder == "scripts", program
        assert (ROOT / program).is_file(), program
        return importlib.import_module(SCRIPTS[name]).command, arguments
    if program == "stressproof":
        return importlib.import_module("stressproof.cli.main").command, arguments
    assert program == "enforcement", program
    return importlib.import_module("enforcement.cli").cli, arguments


def understand(words: Sequence[str]) -> None:
    """Let a command's own parser take its arguments, without running it."""
    command, arguments = find(words)
    while isinstance(command, click.Group):
        context = click.Context(command)
        found = command.get_command(context, arguments[0])
        assert found is not None, arguments
        command, arguments = found, arguments[1:]
    with command.make_context(command.name or "command", list(arguments)):
        pass
