"""What the service keeps on this machine: its data folder, its secrets, its state file.

::

    data_dir/                       0700, one service at a time
        lock                        held while a service runs
        secrets.json                0600, made once
        service.json                0600, while a service runs: how to reach its database
        counters                    of the workers
        journal/                    fail-safes
        postgres/                   the embedded database
    state_dir/<host>_<port>.json    0600, while a service runs: url, token, instance id
"""

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from enforcement.exits import CommandError, Exit
from enforcement.settings import Settings

TOKEN_LIFETIME_S: Final = 12 * 3600
_SECRET_BYTES: Final = 48


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What signs and what opens; made once for a data folder."""

    jwt_secret: str
    approval_secret: str
    app_password: str


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the database of a running service.

    Attributes:
        admin_dsn: Of the embedded database; empty where it is not ours.
    """

    pid: int
    dsn: str
    admin_dsn: str = ""


@contextlib.contextmanager
def own_data_dir(path: Path) -> Iterator[Path]:
    """Make the data folder and hold it: two services in one would mix their journals.

    Raises:
        CommandError: It cannot be used, or another service does.
    """
    try:
        path.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CommandError(
            Exit.OUTPUT,
            f"cannot use the data folder {path}: {error.strerror}",
            hint="Name another with --data-dir.",
        ) from error
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = lock.read(20).strip() or "unknown"
            raise CommandError(
                Exit.USAGE,
                f"the data folder {path} is in use by process {holder}",
                hint="Stop that service, or name another folder with --data-dir.",
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield path


def with_secrets(settings: Settings, data_dir: Path) -> Settings:
    """Fill in the secrets that were not given from the data folder, making them if needed.

    Raises:
        CommandError: The file cannot be read or written.
    """
    given = (settings.jwt_secret, settings.approval_secret, settings.app_password)
    if all(given):
        return settings
    kept = read_secrets(data_dir)
    return msgspec.structs.replace(
        settings,
        jwt_secret=settings.jwt_secret or kept.jwt_secret,
        approval_secret=settings.approval_secret or kept.approval_secret,
        app_password=settings.app_password or kept.app_password,
    )


def read_secrets(data_dir: Path) -> Secrets:
    """Return the secrets of a data folder; they are made the first time.

    Raises:
        CommandError: The file cannot be read or written.
    """
    path = data_dir / "secrets.json"
    try:
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        if not path.exists():
            made = Secrets(
                jwt_secret=secrets.token_urlsafe(_SECRET_BYTES),
                approval_secret=secrets.token_urlsafe(_SECRET_BYTES),
                app_password=secrets.token_urlsafe(_SECRET_BYTES),
            )
            # Linked, not renamed: of two that start at once, one makes the secrets of both.
            _publish(path, msgspec.json.encode(made), replace=False)
        return msgspec.json.decode(path.read_bytes(), type=Secrets)
    except (OSError, msgspec.DecodeError) as error:
        raise CommandError(
            Exit.OUTPUT,
            f"cannot use the secrets in {path}: {error}",
            hint="Set ENFORCEMENT_JWT_SECRET, ENFORCEMENT_APPROVAL_SECRET and "
            "ENFORCEMENT_APP_PASSWORD, or name another --data-dir.",
        ) from error


def with_signing_secret(settings: Settings, data_dir: Path) -> Settings:
    """Fill in the secret that signs bearer tokens; one made now would open no service.

    Raises:
        CommandError: There is none, or it cannot be read.
    """
    if settings.jwt_secret:
        return settings
    if not (data_dir / "secrets.json").exists():
        raise CommandError(
            Exit.USAGE,
            f"there are no secrets in {data_dir}, so no service there would take the token",
            hint="Name the service's folder with --data-dir, or set ENFORCEMENT_JWT_SECRET.",
        )
    return msgspec.structs.replace(settings, jwt_secret=read_secrets(data_dir).jwt_secret)


@contextlib.contextmanager
def announced(data_dir: Path, running: Running) -> Iterator[None]:
    """Leave in the data folder how to reach the database, for the other commands."""
    path = data_dir / "service.json"
    _publish(path, msgspec.json.encode(running), replace=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running(data_dir: Path) -> Running | None:
    """Return what a running service left, or None."""
    try:
        running = msgspec.json.decode((data_dir / "service.json").read_bytes(), type=Running)
        os.kill(running.pid, 0)
    except (OSError, msgspec.DecodeError):
        return None
    return running


class StateFile:
    """The file by which tools of the same user find a running service.

    Args:
        directory: ``$XDG_STATE_HOME/enforcement``.
        host: As the service was told.
        port: The real one.
    """

    def __init__(self, directory: Path, host: str, port: int) -> None:
        self.path = directory / f"{host}_{port}.json"

    def write(self, *, url: str, token: str, other_tokens: Sequence[str], instance_id: str) -> None:
        """Write it.

        Args:
            url: Of the service.
            token: Of the owner of the tenant with a past.
            other_tokens: Of further tenants' owners, for load that writes.
            instance_id: Of the running service.

        Raises:
            CommandError: It cannot be written.
        """
        expires = datetime.now(UTC) + timedelta(seconds=TOKEN_LIFETIME_S)
        content: dict[str, Any] = {
            "url": url,
            "token": token,
            "other_tokens": list(other_tokens),
            "instance_id": instance_id,
            "pid": os.getpid(),
            "expires": expires.isoformat(),
        }
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _publish(self.path, json.dumps(content, indent=2).encode() + b"\n", replace=True)
        except OSError as error:
            raise CommandError(
                Exit.OUTPUT,
                f"cannot write {self.path}: {error.strerror}",
                hint="Set XDG_STATE_HOME to a folder that this user can write to.",
            ) from error

    def remove(self) -> None:
        """Remove it, unless another service has written its own meanwhile."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if json.loads(self.path.read_bytes())["pid"] == os.getpid():
                self.path.unlink()


def _publish(path: Path, content: bytes, *, replace: bool) -> None:
    """Make a file appear whole, readable by its owner alone."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            Path(name).replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
