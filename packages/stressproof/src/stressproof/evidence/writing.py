"""Documents to disk: whole or not at all, and never over something that is worth keeping."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from stressproof.errors import OutputError
from stressproof.evidence.reading import STATEMENTS, beside

# Colons are legal here but not in a Windows checkout or an uploaded CI artifact.
_NOT_IN_A_NAME = re.compile(r"[^0-9A-Za-z.+-]")


def _refuse(path: Path, why: str) -> OutputError:
    return OutputError(
        f"cannot write {path}: {why}",
        hint="Name a file in a folder that exists or can be made, and that this user may write.",
    )


def check_writable(path: Path) -> None:
    """Prove that a file can be written, before anything long is started.

    Tries it in folders that it makes where they are missing, and leaves nothing behind.

    Raises:
        OutputError: It cannot; the message says why.
    """
    if path.exists() and not path.is_file():
        raise _refuse(path, "it exists and is not a regular file")
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise _refuse(path, error.strerror or str(error)) from error
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # another process may use it by now
                folder.rmdir()


def write_atomic(path: Path, data: bytes | Iterable[bytes], *, mode: int = 0o666) -> None:
    """Write a file so that a reader sees all of it or the one before, also after a power cut.

    Args:
        path: Where.
        data: What, whole or in pieces.
        mode: Who may read and write it, less what the umask takes away.

    Raises:
        OutputError: It could not be written; whatever was there before is untouched.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines([data] if isinstance(data, bytes) else data)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes 0600; evidence is meant to be read by others than its maker.
        Path(temporary).chmod(mode & ~_umask())
        Path(temporary).replace(path)
        _fsync_folder(path.parent)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        if isinstance(error, OSError):
            raise _refuse(path, error.strerror or str(error)) from error
        raise


def set_aside(path: Path) -> Path | None:
    """Rename a document that is in the way to ``NAME.<its captured_at>.json``.

    Where it says no ``captured_at``, the time of its last change serves. What people signed of it
    follows it.

    Returns:
        The new path, None where nothing was in the way.

    Raises:
        OutputError: It could not be renamed.
    """
    if not path.is_file():
        return None
    stamp = _NOT_IN_A_NAME.sub("-", _captured_at(path))
    kept = path.with_name(f"{path.stem}.{stamp}{path.suffix}")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.stem}.{stamp}.{number}{path.suffix}")
    try:
        path.rename(kept)
        signed = Path(beside(path, STATEMENTS))
        if signed.is_file():
            signed.rename(beside(kept, STATEMENTS))
    except OSError as error:
        raise _refuse(path, f"the file there could not be set aside: {error.strerror}") from error
    return kept


def _captured_at(path: Path) -> str:
    try:
        stamp = json.loads(path.read_bytes()).get("captured_at")
    except (OSError, ValueError, AttributeError, RecursionError):
        stamp = None  # not a document of ours: its time of change names it as well
    if isinstance(stamp, str) and 0 < len(stamp) <= len("2026-01-01T00:00:00.000000+00:00"):
        return stamp
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
