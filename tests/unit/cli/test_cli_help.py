"""Every command's help, with examples that can be copied."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from stressproof.cli.main import command
from stressproof.cli.run import run
from stressproof.exits import Exit

pytestmark = pytest.mark.gate


def every(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command, groups as well."""
    yield path
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            inner = group.get_command(context, name)
            assert inner is not None
            yield from every(inner, (*path, name))


PATHS = list(every(command))


def shown(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """Return a command's help as its user sees it."""
    assert run(command, "stressproof", [*path, "--help"]) == Exit.PASS
    return capsys.readouterr().out


def examples_of(text: str) -> list[str]:
    """Return the commands of a help page's examples."""
    rest = text.partition("\n  Examples:\n")[2]
    return [line.strip() for line in rest.partition("\n\n")[0].splitlines() if line.strip()]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: " ".join(path) or "stressproof")
def test_every_help_page_ends_with_commands_that_can_be_copied(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each example is a whole line, about this command, and its flags exist."""
    text = shown(path, capsys)
    examples = examples_of(text)
    assert examples, text
    for example in examples:
        inner = example.partition("$(")[2].partition(")")[0]
        words = shlex.split(inner or example.partition(" > ")[0])
        assert words[: 1 + len(path)] == ["stressproof", *path]
        parsed(words[1:])


def parsed(words: list[str]) -> None:
    """Take a command's words apart as it would, and go no further."""
    context = click.Context(command, info_name="stressproof")
    current: click.Command = command
    while isinstance(current, click.Group):
        inner = current.get_command(context, words[0])
        assert inner is not None, f"there is no command {words[0]}"
        current, words = inner, words[1:]
    current.make_context("x", list(words), context)


def test_the_examples_are_really_parsed() -> None:
    """A flag that is gone, in an example, is an error."""
    with pytest.raises(click.UsageError):
        parsed(["capture", "--gone"])
    with pytest.raises(AssertionError):
        parsed(["captrue"])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: " ".join(path) or "stressproof")
def test_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    """No flag stands in the help without a word."""
    current: click.Command = command
    context = click.Context(command)
    for name in path:
        assert isinstance(current, click.Group)
        inner = current.get_command(context, name)
        assert inner is not None
        current = inner
    silent = [
        parameter.opts[0]
        for parameter in current.params
        if isinstance(parameter, click.Option) and not parameter.help and not parameter.hidden
    ]
    assert silent == []


PAGE = Path(__file__).parents[3] / "docs" / "command-line.md"


@pytest.mark.parametrize(
    "line", sorted(set(re.findall(r"`(stressproof [^`]+)`", PAGE.read_text())))
)
def test_commands_of_the_page_are_commands(line: str) -> None:
    """What docs/command-line.md shows can be typed."""
    words = shlex.split(line)[1:]
    if words not in (["init"], ["check"], ["completion"]):  # headings
        parsed(words)
