"""What every command needs: its settings, its database, a line of output."""

import logging
import sys
from pathlib import Path
from typing import Any

import click

from enforcement.exits import CommandError, Exit


def load_settings(flags: dict[str, str | None]) -> Any:
    """Return the settings that flags and environment make.

    Raises:
        CommandError: They cannot be meant.
    """
    from enforcement.logs import Bridge, Log  # noqa: PLC0415  # not for --help
    from enforcement.settings import SettingsError, load  # noqa: PLC0415  # not for --help

    # What libraries log while a command fails says less than the one line it ends with.
    Bridge(Log("parent"), least=logging.CRITICAL).install()
    try:
        return load(flags)
    except SettingsError as error:
        raise CommandError(
            Exit.USAGE,
            "\n  - ".join(["these settings cannot be meant:", *error.faults]),
            hint="See `enforcement serve --help`, and the ENFORCEMENT_* variables set here.",
        ) from error


def with_dsn(settings: Any, *, privileged: bool = False) -> Any:
    """Fill in the DSN of the running service where none was given.

    Raises:
        CommandError: There is neither.
    """
    import msgspec  # noqa: PLC0415  # not for --help

    from enforcement.state import find_running  # noqa: PLC0415  # not for --help

    if settings.dsn:
        return settings
    data_dir = Path(settings.data_dir)
    running = find_running(data_dir)
    dsn = "" if running is None else running.dsn
    if running is not None and privileged:
        dsn = running.admin_dsn or running.dsn
    if not dsn:
        raise CommandError(
            Exit.USAGE,
            f"no database: neither --dsn nor a service running with {data_dir}",
            hint="Give --dsn (or ENFORCEMENT_DSN), or start `enforcement serve` first.",
        )
    return msgspec.structs.replace(settings, dsn=dsn)


def say(text: str) -> None:
    """Print a line, at once."""
    click.echo(text)
    sys.stdout.flush()
