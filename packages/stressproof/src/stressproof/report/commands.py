"""Every command with its help, as a page: from the commands themselves."""

from collections.abc import Iterator

import click

_WIDTH = 100


def commands_page(root: click.Command, introduction: str) -> str:
    """Return the page of a command and all below it.

    Args:
        root: The whole command line.
        introduction: Its title, and whose defaults it shows.
    """
    parts = [introduction]
    for name, command, context in _all(root, "stressproof", None):
        if name != "stressproof":
            parts += [f"## {name}", ""]
        parts += ["```text", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(parts).rstrip() + "\n"


def _all(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield a command and all below it, each with its whole name and its context."""
    context = click.Context(
        command,
        info_name=name.rsplit(" ", 1)[-1],
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        **command.context_settings,
    )
    yield name, command, context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            if below is not None and not below.hidden:
                yield from _all(below, f"{name} {each}", context)
