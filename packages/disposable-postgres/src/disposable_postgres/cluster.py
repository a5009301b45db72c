"""A data directory: made once with a password of its own, and used again after that."""

import os
import secrets
import subprocess
from pathlib import Path

from disposable_postgres.account import Account
from disposable_postgres.binaries import Binaries
from disposable_postgres.errors import PostgresError

USER = "app"
_INITDB_TIMEOUT_S = 120
_PASSWORD_FILE = "password"  # noqa: S105  # a file's name


def clean_environment() -> dict[str, str]:
    """Return an environment in which no PG* variable of ours leads a server astray."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def prepare(
    folder: Path, binaries: Binaries, account: Account, password: str | None
) -> tuple[Path, str]:
    """Return the data directory in a folder and its password, made where they are missing.

    Layout: ``folder/pgdata`` for the server, ``folder/password`` (0600) for us.

    Raises:
        PostgresError: It could not be made, or lies there without its password.
    """
    data = folder / "pgdata"
    kept = folder / _PASSWORD_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (data / "PG_VERSION").exists():
            return data, password or kept.read_text(encoding="ascii").strip()
        chosen = password or secrets.token_urlsafe(24)
        data.mkdir(mode=0o700, exist_ok=True)
        account.take(data)
        _write_secret(kept, chosen, account)
    except OSError as error:
        raise PostgresError(
            f"cannot prepare a database in {folder}: {error.strerror or error}",
            hint="Name a folder that this user can write to and the server's user can reach.",
        ) from error
    _initdb(data, binaries, account, kept)
    return data, chosen


def _write_secret(path: Path, secret: str, account: Account) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(secret)
    # initdb reads it as the server's user; root can read it all the same.
    account.take(path)


def _initdb(data: Path, binaries: Binaries, account: Account, password_file: Path) -> None:
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
            **account.popen_arguments(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PostgresError(
            f"initdb could not be run: {error}",
            hint=f"The programs were found at {binaries.bin} ({binaries.origin}).",
        ) from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise PostgresError(
            f"initdb failed in {data}: {said[-1] if said else f'exit {done.returncode}'}",
            hint="The folder must be empty, and reachable for the user that the server runs as.",
        )
