"""A project that the gates run in."""

from pathlib import Path

import pytest

from release_project import ReleaseProject


@pytest.fixture
def project(tmp_path: Path) -> ReleaseProject:
    """A project whose evidence is still to be written."""
    root = tmp_path / "project"
    root.mkdir()
    return ReleaseProject(root)
