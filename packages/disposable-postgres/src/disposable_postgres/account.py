"""Whom the server runs as: PostgreSQL refuses root, so root hands it to somebody less."""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from disposable_postgres.binaries import Binaries
from disposable_postgres.errors import PostgresError

_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A user to run as.

    Attributes:
        uid: Its number.
        gid: The number of its group.
        drop: Whether a child has to change to it.
        name: For people.
    """

    uid: int
    gid: int
    drop: bool
    name: str = ""

    def popen_arguments(self) -> dict[str, object]:
        """Return the keyword arguments that make ``subprocess`` change to it."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.drop else {}

    def take(self, path: Path) -> None:
        """Make a path belong to it."""
        if self.drop:
            os.chown(path, self.uid, self.gid)


def server_account() -> Account:
    """Return whom a server runs as: ourselves, or as root ``postgres``, else ``nobody``.

    Raises:
        PostgresError: There is nobody to run it as.
    """
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            # initdb looks its user up by number and gives up without a name.
            raise PostgresError(
                f"user {os.geteuid()} has no entry in the password database, and initdb needs one",
                hint="Add a line for it to /etc/passwd, or run as another user.",
            ) from None
        return Account(uid=os.geteuid(), gid=os.getegid(), drop=False)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid, drop=True, name=name)
    raise PostgresError(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(_CANDIDATES)}",
        hint="Run as an ordinary user.",
    )


def reachable_by(account: Account, path: Path) -> bool:
    """Return whether an account could open a path: every folder above it lets others pass."""
    return first_closed(account, path) is None


def first_closed(account: Account, path: Path) -> Path | None:
    """Return the first part of a path, from the root, that an account cannot pass, None if none."""
    if not account.drop:
        return None
    place = path.resolve()
    parts = [*reversed(place.parents), place]
    return next((part for part in parts if not _may_pass(account, part.stat())), None)


def _may_pass(account: Account, status: os.stat_result) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def usable_by(account: Account, binaries: Binaries) -> Binaries:
    """Return programs that an account can run: the same, or a copy where it cannot reach them.

    A virtual environment under a private home is out of its reach. Nothing there is changed: its
    files may be shared with a package cache. The copy is kept in the temporary folder for the next
    server.
    """
    if reachable_by(account, binaries.program("postgres")):
        return binaries
    # The programs find their libraries relative to themselves, so what lies around them comes too.
    if binaries.package is None:
        sources = [binaries.bin.parent]
        inner = Path(binaries.bin.parent.name) / binaries.bin.name
    else:
        install = binaries.package / binaries.bin.relative_to(binaries.package).parts[0]
        sources = [install, *binaries.package.parent.glob(f"{binaries.package.name}.libs")]
        inner = Path(binaries.package.name) / binaries.bin.relative_to(binaries.package)
    program = binaries.program("postgres").stat()
    identity = f"{binaries.bin}:{program.st_mtime_ns}:{program.st_size}:{os.geteuid()}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"disposable-postgres-{os.geteuid()}-{digest}"
    if not (target / inner / "postgres").exists() or target.stat().st_uid != os.geteuid():
        _copy(sources, target, binaries)
    return replace(binaries, bin=target / inner, package=None)


def _copy(sources: list[Path], target: Path, binaries: Binaries) -> None:
    """Copy beside the target, then rename: two servers may start at once."""
    try:
        work = Path(tempfile.mkdtemp(prefix="disposable-postgres-copy-"))
    except OSError as error:
        raise _cannot_keep(target, str(error.strerror)) from error
    try:
        for source in sources:
            inside = binaries.package is not None and source.is_relative_to(binaries.package)
            place = work / binaries.package.name if inside and binaries.package else work
            shutil.copytree(source, place / source.name, symlinks=True)
        for path in (work, *work.rglob("*")):
            if not path.is_symlink():
                mode = stat.S_IMODE(path.stat().st_mode)
                executable = path.is_dir() or mode & stat.S_IXUSR
                path.chmod(mode | (0o555 if executable else 0o444))
        try:
            work.rename(target)
        except OSError as error:
            if not (target.is_dir() and target.stat().st_uid == os.geteuid()):
                raise _cannot_keep(target, str(error.strerror)) from error
    except (OSError, shutil.Error) as error:
        # An Error of shutil lists one fault a file; one is enough to see why.
        first = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror
        raise _cannot_keep(target, str(first)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _cannot_keep(target: Path, why: str) -> PostgresError:
    return PostgresError(
        f"cannot keep a copy of PostgreSQL's programs at {target}: {why}",
        hint="Make room there, or set TMPDIR to another folder (the copy takes about 60 MB).",
    )
