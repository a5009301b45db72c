"""A real server as a child process: crash, freeze, reuse, refusal, cleanup."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from disposable_postgres import Binaries, PostgresError, PostgresServer, find_binaries
from disposable_postgres.account import reachable_by, server_account
from disposable_postgres.processes import state_of, wait_until_gone
from disposable_postgres.temporary import sweep


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of the test's own."""
    with PostgresServer.start() as own:
        yield own


def rows(dsn: str) -> int:
    """How many rows the table has."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute("select count(*) from kept").fetchone()
    assert found is not None
    return int(found[0])


def fill(dsn: str, count: int) -> None:
    """Commit rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create table if not exists kept (i int)")
        connection.execute("insert into kept select generate_series(1, %s)", (count,))


def test_committed_rows_survive_a_crash(server: PostgresServer) -> None:
    """After SIGKILL of every process, a restart recovers what was committed, on the same port."""
    fill(server.dsn(), 1000)
    port, pid = server.port, server.pid
    everyone = server.processes()
    server.kill()
    assert len(everyone) > 1
    assert all(state_of(one) in {None, "Z"} for one in everyone)
    assert not server.is_running()
    server.restart()
    assert server.port == port
    assert server.pid != pid
    assert rows(server.dsn()) == 1000
    assert "not properly shut down" in server.log_path.read_text()


def test_a_frozen_server_answers_nobody_until_it_is_thawed(server: PostgresServer) -> None:
    """Freezing stops every backend, not the postmaster alone; thawing heals."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        server.freeze()
        assert {state_of(pid) for pid in server.processes()} == {"T"}
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn(), connect_timeout=2)
        server.thaw()
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_killed_parent_leaves_no_server_and_its_folder_is_swept_up() -> None:
    """SIGKILL of the process that started it ends the server and all of its children."""
    program = (
        "import sys, time\n"
        "from disposable_postgres import PostgresServer\n"
        "server = PostgresServer.start()\n"
        "print(*server.processes(), flush=True)\n"
        "print(server.data_dir, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        everyone = [int(word) for word in parent.stdout.readline().split()]
        data_dir = Path(parent.stdout.readline().decode().strip())
        parent.send_signal(signal.SIGKILL)
    assert len(everyone) > 1
    assert wait_until_gone(everyone, 30)
    assert data_dir.exists()
    sweep()
    assert not data_dir.exists()


def test_sweeping_leaves_running_servers_alone(server: PostgresServer) -> None:
    """Only what belongs to a maker that is gone is removed."""
    sweep()
    fill(server.dsn(), 2)
    assert rows(server.dsn()) == 2


def test_data_and_password_outlive_the_server(passable: Path) -> None:
    """A folder that is named keeps its database for the next server."""
    folder = passable / "state"
    with PostgresServer.start(folder) as first:
        fill(first.dsn(), 10)
        password = first.password
    with PostgresServer.start(folder) as second:
        assert second.password == password
        assert rows(second.dsn()) == 10
    kept = (folder / "password").stat()
    assert kept.st_mode & 0o077 == 0


def test_a_crash_of_the_machine_does_not_block_the_next_start(passable: Path) -> None:
    """A stale postmaster.pid is no obstacle."""
    with PostgresServer.start(passable / "state") as first:
        fill(first.dsn(), 5)
        first.kill()
        with PostgresServer.start(passable / "state") as second:
            assert rows(second.dsn()) == 5


def test_two_servers_never_share_a_folder(passable: Path) -> None:
    """The second is refused and the first goes on."""
    with PostgresServer.start(passable / "state") as first:
        with pytest.raises(PostgresError, match="in use by the server"):
            PostgresServer.start(passable / "state")
        fill(first.dsn(), 1)
        assert rows(first.dsn()) == 1


def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    """Other users of the machine do not get in by knowing the port."""
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.dsn().replace(server.password, "guess"))


def test_its_databases_are_marked_as_disposable(server: PostgresServer) -> None:
    """Whoever injects faults can tell a database that may be destroyed."""
    for dsn in (server.dsn(), server.create_database("another")):
        with psycopg.connect(dsn) as connection:
            assert connection.execute("show stressproof.disposable").fetchone() == ("on",)


def test_stopping_removes_what_was_temporary() -> None:
    """Nothing of a temporary server is left, and stopping twice is harmless."""
    own = PostgresServer.start()
    everyone = own.processes()
    own.stop()
    own.stop()
    assert wait_until_gone(everyone, 30)
    assert not own.data_dir.exists()
    assert not own.socket_dir.exists()


def test_a_taken_port_is_told(server: PostgresServer) -> None:
    """A port in use is an error that shows what the server said."""
    with pytest.raises(PostgresError) as caught:
        PostgresServer.start(port=server.port)
    assert "Address already in use" in caught.value.hint


def test_an_unwritable_folder_is_told(tmp_path: Path) -> None:
    """A folder that cannot be made is an error with a remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PostgresError, match="cannot prepare") as caught:
        PostgresServer.start(tmp_path / "file" / "below")
    assert caught.value.hint


def test_settings_reach_the_server() -> None:
    """A setting given overrides the default."""
    with (
        PostgresServer.start(settings={"max_connections": "17"}) as own,
        psycopg.connect(own.dsn()) as connection,
    ):
        assert connection.execute("show max_connections").fetchone() == ("17",)
        assert connection.execute("show fsync").fetchone() == ("on",)


def test_programs_out_of_the_users_reach_are_copied_not_opened_up(tmp_path: Path) -> None:
    """Under a private folder the server runs from a copy, and no mode of the original changes."""
    found = find_binaries()
    assert found.package is not None
    package = tmp_path / found.package.name
    install = found.bin.relative_to(found.package).parts[0]
    shutil.copytree(found.package / install, package / install, symlinks=True)
    libraries = found.package.parent / f"{found.package.name}.libs"
    shutil.copytree(libraries, tmp_path / libraries.name, symlinks=True)
    tmp_path.chmod(0o700)
    private = Binaries(bin=package / install / "bin", origin="test", package=package)
    account = server_account()
    with PostgresServer.start(binaries=private) as own:
        fill(own.dsn(), 3)
        assert rows(own.dsn()) == 3
        used = Path(f"/proc/{own.pid}/exe").readlink()
    assert reachable_by(account, private.program("postgres")) is not account.drop
    assert used.is_relative_to(tmp_path) is not account.drop
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_the_process_tree_is_walked_by_parents(server: PostgresServer) -> None:
    """A backend in its own session is found, although the process group does not hold it."""
    with psycopg.connect(server.dsn()) as connection:
        backend = connection.info.backend_pid
        assert backend in server.processes()
        assert os.getsid(backend) == backend
    deadline = time.monotonic() + 30
    while backend in server.processes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
