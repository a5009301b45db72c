"""Why PostgreSQL's programs failed: the line that tells, and what to do about it."""

import re

# What is only said because something else went wrong before.
_NOISE = re.compile(
    r"removing (?:contents of )?(?:data|WAL) directory|child process (?:exited|was terminated)"
    r"|data directory .* not removed|^\s*(?:Command was|hint|detail|statement|context):"
    r"|database system is shut down|performing post-bootstrap",
    re.IGNORECASE,
)
_TELLING = re.compile(r"\b(?:FATAL|PANIC|ERROR|error|could not|Bus error|cannot)\b")
_SIGNAL = re.compile(r"child process was terminated by signal (?P<number>\d+)")

_REMEDIES = (
    (
        re.compile(r"(?:shared memory|/dev/shm).*No space left|Bus error|signal 7\b"),
        "Give /dev/shm more room, such as docker run --shm-size=256m.",
    ),
    (re.compile(r"No space left on device"), "Free some space there, or name another folder."),
    (re.compile(r"Disk quota exceeded"), "Free some of the quota, or name another folder."),
    (
        re.compile(r"File too large|File size limit|signal 25\b"),
        "Raise the limit of a file's size (ulimit -f), which is lower than a database needs.",
    ),
    (
        re.compile(r"[Tt]oo many open files|insufficient file descriptors"),
        "Raise the limit of open files (ulimit -n); 1024 are plenty.",
    ),
    (
        re.compile(r"could not (?:access|open|change).*Permission denied"),
        "Let the user that the server runs as pass through every folder above it.",
    ),
)


def reason(said: str) -> tuple[str, str]:
    """Return the line that tells why a program failed, and a remedy.

    Args:
        said: All that it wrote.

    Returns:
        Both are empty where nothing tells.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    worth = [line for line in lines if not _NOISE.search(line)]
    telling = next((line for line in worth if _TELLING.search(line)), "")
    ended = _SIGNAL.search(said)
    if not telling and ended:
        telling = next(line for line in lines if _SIGNAL.search(line))
    remedy = next((remedy for pattern, remedy in _REMEDIES if pattern.search(said)), "")
    return telling or (worth[-1] if worth else ""), remedy
