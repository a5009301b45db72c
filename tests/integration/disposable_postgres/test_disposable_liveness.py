"""Whether a server lives is judged by its locks, its start and its folder, never by a number."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from disposable_postgres import PostgresError, PostgresServer
from disposable_postgres.account import server_account
from disposable_postgres.temporary import TemporaryFolder, sweep

HANG_S = 60.0
IN_A_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]
if os.geteuid() != 0:
    IN_A_NAMESPACE += ["--user", "--map-root-user"]


def answers(server: PostgresServer) -> bool:
    """Return whether a server takes connections."""
    with psycopg.connect(server.dsn()) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ["sleep", "postgres"])
def test_number_of_another_process_keeps_no_server_from_starting(passable: Path, name: str) -> None:
    """Also where that one belongs to the account, lies in the folder, or is called postgres."""
    folder = passable / "state"
    with PostgresServer.start(folder) as first:
        data = first.log_path.parent
        lines = (data / "postmaster.pid").read_text().splitlines()
        first.kill()
        lines[2] = str(int(lines[2]) - 3600)
        program = passable / name
        shutil.copyfile(str(shutil.which("sleep")), program)
        program.chmod(0o755)
        account = server_account().popen_arguments()
        with subprocess.Popen(  # type: ignore[call-overload]  # the account's arguments vary
            [str(program), "600"], cwd=data, **account
        ) as other:
            try:
                (data / "postmaster.pid").write_text("\n".join([str(other.pid), *lines[1:]]))
                with PostgresServer.start(folder) as second:
                    assert answers(second)
                assert other.poll() is None
            finally:
                other.kill()


def test_server_without_our_lock_is_known_by_its_folder(passable: Path) -> None:
    """One that somebody started by hand is in use all the same."""
    with PostgresServer.start(passable / "state") as first:
        # As if it had been started without: the file that is locked is another one now.
        (passable / "state" / "server.lock").unlink()
        with pytest.raises(PostgresError, match=f"in use by the server with .* {first.pid}"):
            PostgresServer.start(passable / "state")
        assert answers(first)


def in_a_namespace(program: str) -> str:
    """Run a program in a PID namespace of its own, where no server of ours can be seen."""
    done = subprocess.run(
        [*IN_A_NAMESPACE, sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sweep_in_another_pid_namespace_leaves_live_folders_alone() -> None:
    """Our process numbers mean nothing there, and the folders are shared."""
    with PostgresServer.start() as server:
        in_a_namespace("from disposable_postgres.temporary import sweep; sweep()")
        assert server.data_dir.exists()
        assert server.socket_dir.exists()
        assert answers(server)


def test_start_in_another_pid_namespace_is_refused(passable: Path) -> None:
    """The folder is in use, by a server that cannot be seen from there."""
    with PostgresServer.start(passable / "state") as server:
        program = (
            "from pathlib import Path\n"
            "from disposable_postgres import Binaries, PostgresError, find_binaries\n"
            "from disposable_postgres.account import Account\n"
            "from disposable_postgres.cluster import Cluster\n"
            f"folder = Path({str(passable / 'state')!r})\n"
            "try:\n"
            "    Cluster(folder, find_binaries(), Account(0, 0, drop=False)).claim()\n"
            "except PostgresError as error:\n"
            "    print(error.message)\n"
        )
        assert "in use by the server that cannot be seen from here" in in_a_namespace(program)
        assert answers(server)


def test_folder_whose_lock_was_never_seen_is_left_alone() -> None:
    """It may be somebody's who is about to lock it; one whose holder is gone is removed."""
    unlocked, left = TemporaryFolder("data"), TemporaryFolder("data")
    (unlocked.path / "lock").unlink()
    for folder in (unlocked, left):
        folder.lock.release()
    sweep()
    assert unlocked.path.exists()
    assert not left.path.exists()
    unlocked.remove()


def test_lock_outlives_its_maker_with_the_server() -> None:
    """As long as one process of a server lives its folders are not swept."""
    held = TemporaryFolder("data")
    with subprocess.Popen(["sleep", "600"], pass_fds=[held.lock.descriptor]) as heir:
        held.lock.release()
        sweep()
        assert held.path.exists()
        heir.kill()
    sweep()
    assert not held.path.exists()


def test_interrupted_initdb_is_done_again(passable: Path) -> None:
    """Whoever was killed while initialising leaves nothing that is taken for a database."""
    folder = passable / "state"
    program = (
        "from pathlib import Path\n"
        "from disposable_postgres import PostgresServer\n"
        f"PostgresServer.start(Path({str(folder)!r}))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], start_new_session=True) as maker:
        deadline = time.monotonic() + HANG_S
        while not list(passable.rglob("PG_VERSION")):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.killpg(maker.pid, signal.SIGKILL)
    with PostgresServer.start(folder) as server:
        assert answers(server)


def test_half_of_a_database_is_set_aside_and_kept(passable: Path) -> None:
    """An earlier version left it so; what lies there may still be somebody's."""
    half = passable / "state" / "pgdata"
    half.mkdir(parents=True)
    (passable / "state").chmod(0o711)
    (half / "PG_VERSION").write_text("18\n")
    with PostgresServer.start(passable / "state") as server:
        assert answers(server)
    assert (passable / "state/pgdata.incomplete-1/PG_VERSION").read_text() == "18\n"
