"""The handle of a proxy that runs in a process of its own."""

import os
import threading
from collections.abc import Collection
from typing import Any, Self

from msgspec import Struct

from stressproof.errors import RunError
from stressproof.failures.loopback import require_loopback
from stressproof.faults.coprocess import Coprocess
from stressproof.faults.proxy.addresses import Upstream, refuses
from stressproof.faults.proxy.toxics import Protocol, Toxic, plain

_ANSWER_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0


class Switched(Struct, frozen=True):
    """The answer to a switch of toxics.

    Attributes:
        effective_ns: Monotonic time from which all connections were under them.
        before: The proxy's counters just before.
        after: And just after.
    """

    effective_ns: int
    before: dict[str, Any]
    after: dict[str, Any]


class ProxyProcess:
    """Starts, commands and stops a proxy.

    Args:
        upstream: Address of the server behind it.
        port: Where to listen, 0 for a free port.
        seed: Of jitter and piece sizes.
        protocol: Of the conversations to follow.
        allowed: Hosts beside loopback that the operator allows as upstream.

    Attributes:
        host: Where it listens.
        port: And on which port, once started.

    Raises:
        UsageError: The upstream is neither on loopback nor allowed.
    """

    def __init__(
        self,
        upstream: Upstream | tuple[str, int],
        *,
        port: int = 0,
        seed: int = 0,
        protocol: Protocol = "tcp",
        allowed: Collection[str] = (),
    ) -> None:
        require_loopback(upstream[0], allowed=allowed)
        self._upstream = Upstream(*upstream)
        self._seed = seed
        self._protocol = protocol
        self._allowed = allowed
        self._lock = threading.Lock()
        self._process: Coprocess | None = None
        self.host = "127.0.0.1"
        self.port = port

    @property
    def pid(self) -> int | None:
        """The process, None where it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start it and wait until it listens.

        Raises:
            RunError: It did not.
        """
        self._process = process = Coprocess(
            "the fault proxy",
            [
                "stressproof.faults.proxy.server",
                *("--upstream", str(self._upstream)),
                *("--port", str(self.port), "--seed", str(self._seed)),
                *("--protocol", self._protocol),
                *(f"--allow-upstream={host}" for host in self._allowed),
            ],
            gone="Faults it held are gone with it",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            ready = _accepted(process.first_line(3 * _ANSWER_TIMEOUT_S))
        except BaseException:
            self.stop()
            raise
        self.host, self.port = ready["host"], ready["port"]
        return self

    def switch(self, *toxics: Toxic, keep: bool = False, lasts_us: int = 0) -> Switched:
        """Put all connections under these toxics at once; none heals.

        Args:
            toxics: All of them.
            keep: Those that are in force already go on counting where they are.
            lasts_us: They end by themselves after so long, should nobody end them; 0 for never.

        Raises:
            RunError: The proxy refused, or is gone.
        """
        given = plain(list(toxics))
        answer = self._command({"do": "set", "toxics": given, "keep": keep, "lasts_us": lasts_us})
        return Switched(answer["effective_ns"], answer["before"], answer["state"])

    def state(self) -> dict[str, Any]:
        """Return the counters and present toxics."""
        return dict(self._command({"do": "state"})["state"])

    def refuses(self) -> bool:
        """Return whether a connection is refused, by asking for one."""
        return refuses(self.host, self.port)

    def client_port_of(self, server_port: int) -> int | None:
        """Return the client's port of the link that reaches the server from one of our ports."""
        links = self._command({"do": "links"})["links"]
        found = [link["client_port"] for link in links if link["server_port"] == server_port]
        return int(found[0]) if found else None

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Return events with a number above one, oldest first."""
        return list(self._command({"do": "events", "after": after})["events"])

    def stop(self) -> None:
        """Stop it; harmless where it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.end(_STOP_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            if self._process is None:
                raise RunError("the fault proxy does not run", hint="Start it first.")
            return _accepted(self._process.ask(command, _ANSWER_TIMEOUT_S))


def _accepted(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that is no refusal.

    Raises:
        RunError: It is one.
    """
    if "error" in answer:
        raise RunError(str(answer["error"]), hint=str(answer.get("hint", "")))
    return answer
