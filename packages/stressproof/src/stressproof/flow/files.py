"""Files that flows take content from: read once, and hashed into evidence."""

import sys
from hashlib import sha256
from pathlib import Path

from stressproof.errors import UsageError

MAX_READ_BYTES = 64 * 1024 * 1024

_contents: dict[Path, bytes] = {}
_folders: set[Path] = set()


def read_below(folder: Path) -> None:
    """Let flows read what is below a folder, with links followed, and nothing else."""
    _folders.add(folder)


def read(path: str) -> bytes:
    """Return a file's content; the path is relative to the file that calls this.

    Raises:
        UsageError: It is not the project's, cannot be read, or is longer than 64 MiB.
    """
    caller = sys._getframe(1).f_globals.get("__file__", "")  # noqa: SLF001  # whose file is it
    place = (Path(caller).parent / path).resolve()
    if _folders and not any(place.is_relative_to(folder) for folder in _folders):
        raise UsageError(
            f"{path!r} is no file of the project",
            hint="A flow reads what lies beside stressproof.toml; a link must not lead out of it.",
        )
    if place not in _contents:
        _contents[place] = _content(place, path)
    return _contents[place]


def files_read() -> dict[str, str]:
    """Return the SHA-256 of each file that was read so far, by its absolute path."""
    return {str(place): sha256(content).hexdigest() for place, content in _contents.items()}


def _content(place: Path, path: str) -> bytes:
    try:
        with place.open("rb") as file:
            content = file.read(MAX_READ_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"the file {path!r} that a flow reads cannot be read: {error.strerror or error}",
            hint=f"it is looked for at {place}",
        ) from error
    if len(content) > MAX_READ_BYTES:
        raise UsageError(
            f"the file {path!r} has more than {MAX_READ_BYTES:,} bytes",
            hint="a flow keeps what it reads in memory; send less",
        )
    return content
