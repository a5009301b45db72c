"""Temporary folders whose maker was killed before it could remove them."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from disposable_postgres.processes import state_of

_NAME = re.compile(r"^epg-(?:data|sock)-(?P<pid>\d+)-")


def make_temporary(kind: str) -> Path:
    """Make a folder that names its maker: ``epg-<kind>-<pid>-…``; kind is ``data`` or ``sock``."""
    return Path(tempfile.mkdtemp(prefix=f"epg-{kind}-{os.getpid()}-"))


def sweep() -> None:
    """Remove folders of ours whose maker is gone and whose server, if any, has ended too."""
    for path in Path(tempfile.gettempdir()).glob("epg-*"):
        named = _NAME.match(path.name)
        try:
            if not named or path.is_symlink() or path.stat().st_uid not in _owners(path):
                continue
            if state_of(int(named["pid"])) is None and not _has_server(path):
                shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:
            continue  # another sweep was faster


def _owners(path: Path) -> set[int]:
    # As root a socket folder belongs to the server's user; others only ever own their own.
    return {os.geteuid()} | ({path.stat().st_uid} if os.geteuid() == 0 else set())


def _has_server(path: Path) -> bool:
    try:
        first = (path / "pgdata" / "postmaster.pid").read_text().splitlines()[0]
        return first.isdigit() and state_of(int(first)) is not None
    except (OSError, IndexError):
        return False
