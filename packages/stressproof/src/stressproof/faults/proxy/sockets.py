"""Which process holds a local TCP port, from the kernel's own tables."""

from collections.abc import Iterable
from pathlib import Path

_LOCAL, _INODE = 1, 9  # columns of /proc/net/tcp


def inodes_of(port: int) -> set[str]:
    """Return the socket inodes whose local port it is."""
    wanted = f":{port:04X}"
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[_LOCAL].endswith(wanted):
            found.add(fields[_INODE])
    return found


def owner_of(port: int, candidates: Iterable[int]) -> int | None:
    """Return which of some processes holds a local port, None where none does."""
    links = {f"socket:[{inode}]" for inode in inodes_of(port)}
    for pid in candidates:
        try:
            descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            continue  # it ended meanwhile
        for descriptor in descriptors:
            try:
                if str(descriptor.readlink()) in links:
                    return pid
            except OSError:
                continue  # closed meanwhile
    return None
