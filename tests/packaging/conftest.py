"""The wheels, built once."""

from pathlib import Path

import pytest

from installed_wheels import build_wheels


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the four wheels, built from this checkout."""
    return build_wheels(tmp_path_factory.mktemp("wheels"))
