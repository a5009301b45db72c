"""A data directory: made once with a password of its own, and used again after that."""

import itertools
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from disposable_postgres.account import Account, first_closed
from disposable_postgres.binaries import Binaries
from disposable_postgres.errors import PostgresError
from disposable_postgres.locks import FolderLock
from disposable_postgres.postmaster import StatusFile
from disposable_postgres.processes import die_with_parent
from disposable_postgres.reasons import reason

USER = "app"
_INITDB_TIMEOUT_S = 120
_CLAIM_TIMEOUT_S = 5.0
_POLL_S = 0.02
_LOCK_FILE = "server.lock"
_PASSWORD_FILE = "password"  # noqa: S105  # a file's name


def clean_environment() -> dict[str, str]:
    """Return an environment in which no PG* variable of ours leads a server astray."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


class Cluster:
    """A folder with a data directory (``pgdata``) and its superuser's password (``password``).

    ``server.lock`` beside them is held by whoever works on the data directory: the server with all
    of its processes, or an initdb.

    Args:
        folder: Made where it is missing, with the folders above it.
        binaries: PostgreSQL's programs.
        account: Whom they run as.
        descriptors: What its programs inherit: the disk that the folder is on, say.

    Attributes:
        data: The data directory.
        status: What its server says of itself.
    """

    def __init__(
        self,
        folder: Path,
        binaries: Binaries,
        account: Account,
        descriptors: Sequence[int] = (),
    ) -> None:
        self._folder = folder
        self._descriptors = descriptors
        self._binaries = binaries
        self._account = account
        self.data = folder / "pgdata"
        self.status = StatusFile(self.data)

    def prepare(self, password: str | None) -> str:
        """Make what is missing, and return the superuser's password.

        Raises:
            PostgresError: It cannot be made, is in use, or lies there without its password.
        """
        try:
            _make_passable(self._folder, self._account)
            kept = self._folder / _PASSWORD_FILE
            if self._is_whole():
                return password or kept.read_text(encoding="ascii").strip()
            lock = self.claim()
            try:
                # Somebody may have made it while we waited.
                if self._is_whole():
                    return password or kept.read_text(encoding="ascii").strip()
                return self._initialise(kept, password or secrets.token_urlsafe(24), lock)
            finally:
                lock.release()
        except OSError as error:
            raise PostgresError(
                f"cannot prepare a database in {self._folder}: {error.strerror or error}",
                hint="Name a folder that this user can write to and the server's user can reach.",
            ) from error

    def claim(self) -> FolderLock:
        """Take the data directory for a server or an initdb; pass the lock on to it.

        Raises:
            PostgresError: Another one has it.
        """
        deadline = time.monotonic() + _CLAIM_TIMEOUT_S
        while True:
            lock = FolderLock.take(self._folder / _LOCK_FILE)
            running = self.status.running()
            if lock is not None and running is None:
                self.status.remove_stale()
                return lock
            if lock is not None:
                lock.release()
            # Without a server these are the last processes of one that was killed, or an initdb.
            if running is not None or time.monotonic() > deadline:
                raise self._in_use(running)
            time.sleep(_POLL_S)

    def _in_use(self, pid: int | None) -> PostgresError:
        by = f"with process number {pid}" if pid else "that cannot be seen from here"
        return PostgresError(
            f"{self._folder} is in use by the server {by}",
            hint="Stop that one, or name another folder.",
        )

    def _is_whole(self) -> bool:
        """Return whether there is a database: its control file is written after its version."""
        return all((self.data / name).exists() for name in ("PG_VERSION", "global/pg_control"))

    def _initialise(self, kept: Path, password: str, lock: FolderLock) -> str:
        """Make the data directory beside its place and rename it whole."""
        unfinished = self._folder / "pgdata.new"
        shutil.rmtree(unfinished, ignore_errors=True)  # an interrupted one's, whose lock we have
        unfinished.mkdir(mode=0o700)
        self._account.take(unfinished)
        _write_secret(kept, password, self._account)
        try:
            inherited = [lock.descriptor, *self._descriptors]
            _initdb(unfinished, self._binaries, self._account, kept, inherited)
        except PostgresError:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        self._set_aside()
        unfinished.rename(self.data)
        return password

    def _set_aside(self) -> None:
        """Keep what lies in the place of the data directory and is none: it may be somebody's."""
        if not self.data.exists():
            return
        if not any(self.data.iterdir()):
            self.data.rmdir()
            return
        number = next(n for n in itertools.count(1) if not self._aside(n).exists())
        self.data.rename(self._aside(number))

    def _aside(self, number: int) -> Path:
        return self._folder / f"pgdata.incomplete-{number}"


def _make_passable(folder: Path, account: Account) -> None:
    """Make a folder and those above it, so that the server's user can pass, whatever the umask.

    Raises:
        OSError: One cannot be made.
        PostgresError: One that is there does not let the server's user pass.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        if account.drop:
            one.chmod(0o711)
    closed = first_closed(account, folder)
    if closed is not None:
        raise PostgresError(
            f"the user {account.name} that the server runs as cannot pass through {closed}",
            hint=f"Name another folder, or let others pass: chmod o+x {closed}",
        )


def _write_secret(path: Path, secret: str, account: Account) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(secret)
    # initdb reads it as the server's user; root can read it all the same.
    account.take(path)


def _initdb(
    data: Path, binaries: Binaries, account: Account, password_file: Path, inherited: Sequence[int]
) -> None:
    command = [
        str(binaries.program("initdb")),
        *("-D", str(data), "-U", USER, "--pwfile", str(password_file)),
        *("--auth", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync", "-k"),
    ]
    try:
        done = subprocess.run(  # type: ignore[call-overload]  # the account's arguments vary
            command,
            cwd="/",
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_INITDB_TIMEOUT_S,
            pass_fds=inherited,
            preexec_fn=die_with_parent,
            **account.popen_arguments(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PostgresError(
            f"initdb could not be run: {error}",
            hint=f"The programs were found at {binaries.bin} ({binaries.origin}).",
        ) from error
    if done.returncode:
        told, remedy = reason((done.stdout + done.stderr).decode(errors="replace"))
        raise PostgresError(
            f"initdb failed in {data.parent}: {told or describe(done.returncode)}",
            hint=remedy
            or "The folder must be writable, and reachable for the user that the server runs as.",
        )


def describe(code: int | None) -> str:
    """Return how a program ended, in words."""
    if code is None:
        return "no answer"
    return f"exit {code}" if code >= 0 else f"killed by signal {-code}"
