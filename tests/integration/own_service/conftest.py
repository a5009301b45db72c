"""A running shop, and the command in a folder that holds nothing but what a test puts there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from own_folder import Stressproof, stressproof_in
from shop_service import Shop, running_shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop that is running."""
    with running_shop() as running:
        yield running


@pytest.fixture
def stressproof(tmp_path: Path) -> Stressproof:
    """The command in an empty folder."""
    return stressproof_in(tmp_path)
