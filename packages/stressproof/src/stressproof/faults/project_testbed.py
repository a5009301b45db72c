"""A testbed as a project's own code sees it: what ``prepare`` and faults of one's own may touch."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from stressproof.errors import RunError, UsageError
from stressproof.faults.file_requests import EffectNumbers
from stressproof.faults.injectors.bed import Running
from stressproof.load.client import Answer, Client, RequestError
from stressproof.workload.target import Target

_ASK_S = 10.0


class Connectable(Protocol):
    """A database that can be connected to."""

    def connect(self) -> Any:
        """Return a connection, direct and in autocommit."""


class Standing(Protocol):
    """A testbed that stands.

    Attributes:
        workers: Of the target.
        effects: Of the trial that runs.
        folder: Of the file.
    """

    folder: Path
    workers: int
    effects: EffectNumbers

    @property
    def secrets(self) -> Mapping[str, str]:
        """The run's secrets, by name."""

    @property
    def url(self) -> str:
        """Base URL of the target."""

    def database(self, name: str) -> Connectable:
        """Return a database; the only one where none is named."""

    def running(self, name: str) -> Running:
        """Return a process."""


class ProjectTestbed:
    """What a project's own code is handed.

    Args:
        standing: The testbed that it is a view of.
    """

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    @property
    def url(self) -> str:
        """Base URL of the target; of an attached one with its path."""
        return self._standing.url

    @property
    def folder(self) -> Path:
        """The project's folder, in which its file is."""
        return self._standing.folder

    @property
    def run(self) -> str:
        """What names the effects of the trial that runs."""
        return self._standing.effects.run

    def effect(self) -> str:
        """Return the text of a new effect, for what is made before it is asked for."""
        return self._standing.effects.new()

    def secret(self, name: str) -> str:
        """Return one of the run's secrets.

        Raises:
            UsageError: The file names none such.
        """
        found = self._standing.secrets.get(name)
        if found is None:
            raise UsageError(
                f"there is no secret {name}", hint=f'Write testbed.secrets = ["{name}"].'
            )
        return found

    def connect(self, name: str = "") -> Any:
        """Return a connection of psycopg's to a database, direct and in autocommit.

        Raises:
            UsageError: There is no such database.
            RunError: It does not answer.
        """
        return self._standing.database(name).connect()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        expect: Sequence[int] = (200, 201, 204),
    ) -> Answer:
        """Ask the target, and return its answer.

        Raises:
            RunError: It does not answer, or with another status.
        """
        body = None if json is None else msgspec.json.encode(json)
        given = {"content-type": "application/json"} if body is not None else {}
        try:
            answer = Client(Target(self.url), timeout_s=_ASK_S).request(
                method, path, headers={**given, **(headers or {})}, body=body
            )
        except RequestError as error:
            raise RunError(f"{self.url} does not answer {method} {path}: {error}") from error
        if answer.status not in expect:
            raise RunError(
                f"{method} {path} was answered with {answer.status}, expected "
                f"{', '.join(map(str, expect))}: {answer.text[:300]}"
            )
        return answer

    def every_worker(
        self,
        path: str,
        *,
        header: str,
        headers: Mapping[str, str] | None = None,
        within: float = 20.0,
    ) -> None:
        """Ask until each worker of the target has answered: a header tells them apart.

        Which worker takes a new connection is the kernel's affair.

        Raises:
            RunError: They have not within so many seconds.
        """
        deadline = time.monotonic() + within
        workers = self._standing.workers
        seen: set[str] = set()
        while len(seen) < workers:
            if time.monotonic() > deadline:
                raise RunError(
                    f"{len(seen)} of {workers} workers answered {path} within {within:g} s",
                    hint=f"They are told apart by the header {header}; is it theirs?",
                )
            answer = self.request("GET", path, headers=headers, expect=range(200, 500))
            seen.add(answer.headers.get(header.lower(), ""))

    def pids(self, process: str) -> Sequence[int]:
        """Return the numbers of a process and of what it started."""
        return [one.pid for one in self._standing.running(process).process.family()]
