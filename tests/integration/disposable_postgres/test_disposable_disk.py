"""A server on a disk of a bounded size: what fills it, fills nothing else and leaves nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from disposable_postgres import PostgresServer
from disposable_postgres.account import server_account
from disposable_postgres.disk import BoundedDisk
from disposable_postgres.errors import PostgresError

MIB = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Yield a server on 160 MiB."""
    with PostgresServer.start(disk_bytes=160 * MIB) as running:
        yield running


def test_full_disk_is_the_servers_alone_and_it_goes_on_once_there_is_room(
    server: PostgresServer,
) -> None:
    """Writes are refused as PostgreSQL refuses them on any full disk; the log still tells."""
    assert server.disk is not None
    whole = os.fstatvfs(server.disk.descriptor)
    assert whole.f_blocks * whole.f_frsize == 160 * MIB
    ballast = server.disk.path / "ballast"
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (text text)")
        with pytest.raises(OSError, match="No space left"):
            ballast.write_bytes(bytes(160 * MIB))
        grow = "INSERT INTO kept SELECT repeat('x', 1000) FROM generate_series(1, 4000)"
        with pytest.raises(psycopg.errors.DiskFull):
            connection.execute(grow)
        assert "No space left on device" in server.log_tail()
        ballast.unlink()
        connection.execute(grow)


def test_killed_server_comes_back_on_its_disk(server: PostgresServer) -> None:
    """The disk is ours too, so it is there without the server."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE survives AS SELECT 1 AS one")
    server.kill()
    server.restart()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        assert connection.execute("SELECT one FROM survives").fetchone() == (1,)


def test_disk_is_gone_with_its_last_process_however_that_ends(tmp_path: Path) -> None:
    """No mount is left on the machine, and no folder, also after SIGKILL."""
    program = (
        "import os, signal\n"
        "from disposable_postgres.account import server_account\n"
        "from disposable_postgres.disk import BoundedDisk\n"
        "disk = BoundedDisk(1 << 20, server_account())\n"
        "(disk.path / 'file').write_text('here')\n"
        "print(os.listdir(disk.descriptor), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    mounts = Path("/proc/self/mounts").read_text()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "['file']\n")
    assert Path("/proc/self/mounts").read_text() == mounts
    assert list(tmp_path.iterdir()) == []


def test_machine_without_bounded_disks_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is given an unbounded one instead."""
    with pytest.raises(PostgresError, match="bounded size can be had here: Invalid argument"):
        BoundedDisk(-1, server_account())
    monkeypatch.setattr("disposable_postgres.disk._LIBC", None)
    with pytest.raises(PostgresError, match="needs Linux"):
        PostgresServer.start(disk_bytes=160 * MIB)


def test_kept_data_is_not_put_on_a_disk_that_is_gone_at_the_stop(tmp_path: Path) -> None:
    """Who asks for both is told, and finds the folder as it was."""
    with pytest.raises(PostgresError, match="on a disk that is gone"):
        PostgresServer.start(tmp_path / "kept", disk_bytes=160 * MIB)
    assert not (tmp_path / "kept").exists()
