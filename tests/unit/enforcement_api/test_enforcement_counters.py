import subprocess
import sys
from pathlib import Path

import pytest

from enforcement.api import counters, metrics
from enforcement.api.counters import CounterFile, Family, Layout
from enforcement.api.paths import ROUTES

pytestmark = pytest.mark.gate

FAMILIES = (
    Family(
        name="things_total",
        help="Things.",
        kind="counter",
        labels=("kind",),
        series=(("a",), ('b"\\',)),
    ),
    Family(name="busy", help="Now.", kind="gauge"),
    Family(name="wait_seconds", help="Waits.", kind="histogram", bounds_us=(1_000, 10_000)),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A counter file for three workers."""
    file = tmp_path / "counters"
    counters.create(file, 3, Layout(FAMILIES))
    return file


def test_slots_are_summed(path: Path) -> None:
    """What three workers counted in their slots is rendered as one sum."""
    file = CounterFile(path, 3, Layout(FAMILIES))
    slots = [file.slot(number) for number in range(3)]
    for number, slot in enumerate(slots):
        slot.add("things_total", ("a",), number + 1)
        slot.set("busy", number)
    assert 'things_total{kind="a"} 6' in file.render().splitlines()
    assert "busy 3" in file.render().splitlines()
    for slot in slots:
        slot.close()
    file.close()


def test_a_histogram_is_cumulative_and_in_seconds(path: Path) -> None:
    """Each observation is in its bucket and all above; sum and count are exact."""
    file = CounterFile(path, 3, Layout(FAMILIES))
    first, second = file.slot(0), file.slot(2)
    for duration_us in (1, 1_000, 1_001, 10_000):
        first.observe("wait_seconds", duration_us)
    second.observe("wait_seconds", 10_001)
    lines = file.render().splitlines()
    assert lines[-5:] == [
        'wait_seconds_bucket{le="0.001"} 2',
        'wait_seconds_bucket{le="0.01"} 4',
        'wait_seconds_bucket{le="+Inf"} 5',
        "wait_seconds_sum 0.022003",
        "wait_seconds_count 5",
    ]
    for slot in (first, second):
        slot.close()
    file.close()


def test_counts_survive_the_process_that_made_them(path: Path) -> None:
    """A process that counts and is killed leaves its counts; the next goes on from them."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from enforcement.api.counters import *\n"
        f"families = ({FAMILIES[1]!r},)\n"
        "file = CounterFile(Path(sys.argv[1]), 3, Layout(families))\n"
        "file.slot(1).add('busy', (), 41)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    small = Layout((FAMILIES[1],))
    counters.create(path, 3, small)
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert done.returncode == -9
    file = CounterFile(path, 3, small)
    slot = file.slot(1)
    slot.add("busy")
    assert "busy 42" in file.render()
    slot.close()
    file.close()


def test_labels_are_escaped(path: Path) -> None:
    """A label value cannot end its quotes."""
    file = CounterFile(path, 3, Layout(FAMILIES))
    slot = file.slot(0)
    slot.add("things_total", ('b"\\',))
    assert r'things_total{kind="b\"\\"} 1' in file.render().splitlines()
    slot.close()
    file.close()


def test_every_route_has_its_series() -> None:
    """Each route and status has a word of its own, and no two share one."""
    layout = metrics.layout(ROUTES)
    words = [
        layout.offset(metrics.REQUESTS, (method, route, status))
        for method, route in ROUTES
        for status in metrics.STATUSES
    ]
    assert len(set(words)) == len(words)
    assert max(words) < layout.slot_words
    assert layout.offset(metrics.REQUESTS, ("other", metrics.UNMATCHED, "other")) not in words
    with pytest.raises(KeyError):
        layout.offset(metrics.REQUESTS, ("GET", "/nowhere", "200"))


def test_the_file_is_its_owners_alone(path: Path) -> None:
    """Nobody else reads or writes the counters."""
    assert path.stat().st_mode & 0o777 == 0o600
