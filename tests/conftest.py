"""What every test may ask for: one real PostgreSQL for the session, a database of its own each."""

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from disposable_postgres import PostgresServer

# A shell that starts tests in the background has them ignore Ctrl-C, and all that they start would
# inherit that: programs under test must meet the signal as they do on a terminal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is not a failing law, so no example has a deadline. CI judges a change by the same
# examples every time; everywhere else new ones are looked for.
settings.register_profile(
    "local", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# Processes under test find what the ones before them compiled, as users' do. Where nothing is to be
# written beside the source, it is kept in a folder that xdist's workers inherit.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    _BYTECODE = tempfile.TemporaryDirectory(prefix="stressproof-bytecode-")
    os.environ.setdefault("PYTHONPYCACHEPREFIX", _BYTECODE.name)

# Captures under test are no runs of this repository.
_RUNS = tempfile.TemporaryDirectory(prefix="stressproof-runs-", ignore_cleanup_errors=True)
os.environ["STRESSPROOF_LEDGER"] = f"{_RUNS.name}/runs.jsonl"


PROGRAMS = {
    "needs_chromium": ("chromium", "chromium-browser", "google-chrome"),
    "needs_fish": ("fish",),
    "needs_nginx": ("nginx",),
    "needs_node": ("node",),
    "needs_redis": ("redis-server",),
    "needs_tmux": ("tmux",),
    "needs_zsh": ("zsh",),
}
"""Marker to the programs, any of which will do, that an empty machine lacks."""
PEERS = {"needs_k6": ("k6",), "needs_locust": ("locust",), "needs_podman": ("podman",)}
"""The same of what nobody demands: the group bench brings peers, and not every machine can run
containers."""


def _absent() -> dict[str, str]:
    """Return marker to program where none of them is installed."""
    return {
        marker: names[0]
        for marker, names in (PROGRAMS | PEERS).items()
        if not any(map(shutil.which, names))
    }


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI demand what elsewhere may be absent."""
    parser.addoption(
        "--demand-programs",
        action="store_true",
        help="fail where a program that tests need is not installed, instead of deselecting them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make a marker of each program, and refuse to begin where one is demanded and absent."""
    for marker, names in (PROGRAMS | PEERS).items():
        config.addinivalue_line("markers", f"{marker}: needs {names[0]}, which machines may lack")
    absent = {marker: name for marker, name in _absent().items() if marker in PROGRAMS}
    if absent and config.getoption("--demand-programs"):
        raise pytest.UsageError(f"not installed, and demanded: {', '.join(absent.values())}")


def pytest_report_header() -> list[str]:
    """Say which tests are left out, and what would bring them back."""
    return [
        f"{name} is not installed: tests marked {marker} are deselected"
        for marker, name in _absent().items()
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests whose program is absent; what starts servers and waits comes first.

    The quick ones fill the end, so that no worker begins a long file when the others are done.
    """
    absent = _absent()
    kept, left_out = [], []
    for item in items:
        lacking = any(item.get_closest_marker(marker) for marker in absent)
        (left_out if lacking else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    items.sort(key=lambda item: "integration" not in item.path.parts)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole session; a test that kills or freezes starts its own."""
    with PostgresServer.start() as server:
        yield server


@pytest.fixture
def passable() -> Iterator[Path]:
    """A temporary folder that the server's user can reach, as a user's state folder would be.

    Not below pytest's own: a second pytest closes that to others when it starts.
    """
    folder = Path(tempfile.mkdtemp(prefix="stressproof-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fresh_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The connection string (superuser) of an empty database, dropped afterwards."""
    name = f"t_{uuid.uuid4().hex}"
    yield postgres_server.create_database(name)
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
