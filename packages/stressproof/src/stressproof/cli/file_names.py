"""Names of a project's file that a shell completes: its profiles and targets."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stressproof.errors import StressproofError

if TYPE_CHECKING:
    from stressproof.config.compile import Project


def profile_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the profiles that a word may become: the file's, and those of its suite."""
    del parameter
    from stressproof.suite import suite_of  # noqa: PLC0415  # only for a shell

    try:
        project = _project(context)
        names = {**project.plan.profiles, **suite_of(project).profile_table()}
    except StressproofError:
        return []  # what is wrong with it, running the command says
    return _beginning(names, incomplete)


def target_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the targets that a word may become."""
    del parameter
    try:
        return _beginning(_project(context).plan.targets, incomplete)
    except StressproofError:
        return []  # likewise


def _project(context: click.Context) -> "Project":
    """Return the file of ``--config``, or that of the working directory."""
    from stressproof.config.compile import load_config, load_project  # noqa: PLC0415  # likewise

    named: Path | None = context.params.get("config")
    return load_project(Path()) if named is None else load_config(named)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
