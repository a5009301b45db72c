"""What the tests of one worker's parts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from enforcement.api import counters, metrics
from enforcement.api.counters import CounterFile, Slot
from enforcement.api.paths import ROUTES


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Slot]:
    """A worker's counters."""
    layout = metrics.layout(ROUTES)
    counters.create(tmp_path / "counters", 1, layout)
    file = CounterFile(tmp_path / "counters", 1, layout)
    made = file.slot(0)
    yield made
    made.close()
    file.close()
