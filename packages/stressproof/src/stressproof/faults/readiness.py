"""When a process serves: it answers, takes connections, has said so, or a command finds it well."""

import re
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stressproof.load.client import Client, RequestError
from stressproof.workload.target import Target

Ready = Callable[[str], bool | None]
"""Told what a process has said since its start, in whole lines; None until it serves."""

_ASK_S = 2.0
_RUN_S = 10.0
_REFUSALS = 400


def by_http(host: str, port: int, path: str) -> Ready:
    """Ready once a path is answered with a status below 400."""
    client = Client(Target(f"http://{host}:{port}"), timeout_s=_ASK_S)

    def ready(_: str) -> bool | None:
        try:
            return client.get(path).status < _REFUSALS or None
        except RequestError:
            return None

    return ready


def by_tcp(host: str, port: int) -> Ready:
    """Ready once a connection is taken."""

    def ready(_: str) -> bool | None:
        try:
            socket.create_connection((host, port), _ASK_S).close()
        except OSError:
            return None
        return True

    return ready


def by_log(pattern: str) -> Ready:
    """Ready once a line matches."""
    search = re.compile(pattern, re.MULTILINE).search
    return lambda said: search(said) is not None or None


def by_command(argv: Sequence[str], environment: Mapping[str, str], folder: Path) -> Ready:
    """Ready once a command ends with 0."""

    def ready(_: str) -> bool | None:
        try:
            done = subprocess.run(
                list(argv),
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_RUN_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.returncode == 0 or None

    return ready
