"""What keeps a server from starting is said with its reason, and libpq's variables do not."""

import os
import resource
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from disposable_postgres import PostgresError, PostgresServer, connect, find_binaries
from disposable_postgres.account import server_account

HANG_S = 100.0
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small filesystem")

LIBPQ = {
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere/root.crt",
    "PGOPTIONS": "-c default_transaction_read_only=on",
    "PGSERVICE": "nobody",
    "PGSERVICEFILE": "/nowhere/services",
    "PGHOSTADDR": "192.0.2.1",
    "PGCHANNELBINDING": "require",
    "PGGSSENCMODE": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGREQUIREAUTH": "none",
    "PGCLIENTENCODING": "nonsense",
    "PGDATESTYLE": "nonsense",
    "PGTZ": "nonsense/nowhere",
    "PGCONNECT_TIMEOUT": "nonsense",
    "PGPORT": "nonsense",
    "PGUSER": "nobody",
    "PGPASSFILE": "/nowhere/pass",
    "PGKRBSRVNAME": "nobody",
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server for all variables."""
    with PostgresServer.start() as own:
        yield own


@pytest.mark.parametrize("name", LIBPQ)
def test_libpqs_variable_leads_no_connection_of_ours_astray(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A database is made and asked, and the variable is what it was."""
    monkeypatch.setenv(name, LIBPQ[name])
    dsn = server.create_database(name.lower())
    with connect(dsn) as connection:
        assert connection.execute("SHOW stressproof.disposable").fetchone() == ("on",)
        connection.execute("CREATE TABLE written (i int)")
    assert os.environ[name] == LIBPQ[name]


def test_server_starts_whatever_libpqs_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them at once."""
    for name, value in LIBPQ.items():
        monkeypatch.setenv(name, value)
    with PostgresServer.start() as own, connect(own.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_database_that_cannot_be_made_is_told(server: PostgresServer) -> None:
    """With the statement, and what the server says of it."""
    with pytest.raises(PostgresError, match=r"CREATE DATABASE postgres: .*already exists"):
        server.create_database("postgres")


START = """
    import os, sys
    from pathlib import Path
    from disposable_postgres import PostgresError, PostgresServer
    try:
        with PostgresServer.start(Path(os.fsdecode(sys.argv[1])) if sys.argv[1:] else None) as own:
            print("it runs on", own.version)
    except PostgresError as error:
        print(error.message, "|", error.hint)
"""


def start(
    *arguments: str | bytes,
    first: str = "",
    limit: Callable[[], None] | None = None,
    **environment: str,
) -> str:
    """Start a server in a process of its own, and return what that says of it.

    Args:
        *arguments: The folder, none for a temporary one.
        first: A shell command in a mount namespace of that process.
        limit: Called in it before it starts.
        **environment: More variables.
    """
    command: list[str | bytes] = [sys.executable, "-c", textwrap.dedent(START), *arguments]
    if first:
        command = ["unshare", "--mount", "sh", "-c", f'{first} && exec "$@"', "sh", *command]
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        timeout=HANG_S,
        preexec_fn=limit,  # one system call
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode()


@as_root
def test_full_disk_is_told(passable: Path) -> None:
    """With what could not be written, and what to do."""
    told = start(str(passable / "x"), first=f"mount -t tmpfs -o size=12m,mode=711 tmpfs {passable}")
    assert "No space left on device" in told
    assert "Free some space there" in told
    assert "removing" not in told


@as_root
def test_small_shared_memory_is_told(passable: Path) -> None:
    """As a container has it where nobody gave it more."""
    told = start(str(passable / "x"), first="mount -t tmpfs -o size=64k tmpfs /dev/shm")
    assert "Give /dev/shm more room" in told
    assert "removing" not in told


def test_limit_of_a_files_size_is_told(passable: Path) -> None:
    """A database has larger files than a megabyte."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    told = start(str(passable / "x"), limit=limit)
    assert "ulimit -f" in told
    assert "removing" not in told


def test_limit_of_open_files_is_told(passable: Path) -> None:
    """A server needs more descriptors than twenty."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))

    told = start(str(passable / "x"), limit=limit)
    assert "ulimit -n" in told
    assert "removing" not in told


def test_path_in_another_encoding_is_a_path(passable: Path) -> None:
    """Its server starts, and is refused a second time in words that can be shown."""
    folder = os.fsencode(passable) + b"/caf\xe9"
    assert start(folder).startswith("it runs on")
    assert start(folder).startswith("it runs on")
    blocked = os.fsencode(passable) + b"/caf\xe9/password/below"
    told = start(blocked)
    assert "cannot prepare a database in" in told
    assert "caf\\udce9" in told


def test_temporary_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """A TMPDIR that cannot be written to falls back to the system's; here that is none either."""
    program = START.replace(
        "import os, sys", f"import os, sys, tempfile; tempfile.tempdir = {str(tmp_path / 'no')!r}"
    )
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=True, text=True
    )
    assert "no temporary folder can be made: No such file" in done.stdout
    assert "Set TMPDIR" in done.stdout


@as_root
def test_small_temporary_folder_is_told(passable: Path, tmp_path: Path) -> None:
    """Whether the programs or the data do not fit into it."""
    found = find_binaries()
    assert found.package is not None
    install = found.bin.relative_to(found.package).parts[0]
    shutil.copytree(found.package / install, tmp_path / "pg" / install, symlinks=True)
    tmp_path.chmod(0o700)
    mount = f"mount -t tmpfs -o size=3m,mode=1777 tmpfs {passable}"
    told = start(
        first=mount,
        TMPDIR=str(passable),
        EPHEMERAL_POSTGRES_BIN=str(tmp_path / "pg" / install / "bin"),
    )
    assert "cannot keep a copy of PostgreSQL's programs" in told
    assert "No space left on device" in told
    told = start(first=mount, TMPDIR=str(passable))
    assert "No space left on device" in told


def test_umask_of_a_careful_user_closes_no_new_folder(passable: Path) -> None:
    """Folders that are made for the server let its user pass."""

    def careful() -> None:
        os.umask(0o077)

    assert start(str(passable / "new" / "nested" / "x"), limit=careful).startswith("it runs on")
    assert (passable / "new/nested/x/pgdata").stat().st_mode & 0o777 == 0o700


def test_folder_that_the_servers_user_cannot_reach_is_told(passable: Path) -> None:
    """As root: which folder is closed, and to whom; nobody else is concerned."""
    (passable / "closed").mkdir(mode=0o700)
    told = start(str(passable / "closed" / "x"))
    if server_account().drop:
        assert f"cannot pass through {passable / 'closed'}" in told
        assert f"chmod o+x {passable / 'closed'}" in told
    else:
        assert told.startswith("it runs on")
