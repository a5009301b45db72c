"""The handle of a fault proxy that runs already (``stressproof proxy``), by its API."""

import json
from typing import Any, Final
from urllib.parse import quote

from stressproof.errors import RunError, UsageError
from stressproof.failures.fault_kinds import LONGEST_US
from stressproof.faults.proxy.addresses import parse_listen, refuses
from stressproof.faults.proxy.process import Switched
from stressproof.faults.proxy.toxics import Toxic, plain
from stressproof.load.client import Client, RequestError
from stressproof.workload.target import Target

_ANSWER_TIMEOUT_S: Final = 10.0
_US: Final = 1_000_000
_OK: Final = 200
_ABSENT: Final = 404


class ProxyControl:
    """Controls one proxy; whatever it is told to do ends by itself, should we be gone.

    Args:
        api: ``host:port`` of the API, on loopback.
        name: What the proxy is called there.

    Attributes:
        host: Where the proxy listens.
        port: And on which port.

    Raises:
        UsageError: The API is not on loopback, or knows no such proxy.
        RunError: It does not answer.
    """

    def __init__(self, api: str, name: str) -> None:
        self._api = api
        self._name = name
        self._client = Client(Target(f"http://{parse_listen(api)}"), timeout_s=_ANSWER_TIMEOUT_S)
        self.host, self.port = parse_listen(self._ask("GET", "")["listen"])

    def switch(self, *toxics: Toxic, lasts_us: int = 0) -> Switched:
        """Put all connections under these toxics at once, and under no other.

        Args:
            toxics: All of them.
            lasts_us: They end by themselves after so long; after the longest time for 0.

        Raises:
            RunError: The proxy refused, or is gone.
        """
        seconds = min(lasts_us or LONGEST_US, LONGEST_US) / _US
        said = self._ask("POST", "/switch", {"toxics": plain(list(toxics)), "for": seconds})
        return Switched(said["effective_ns"], said["before"], said["state"])

    def state(self) -> dict[str, Any]:
        """Return the counters and present toxics."""
        return dict(self._ask("GET", "/witness")["state"])

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Return events with a number above one, oldest first."""
        found: list[dict[str, Any]] = []
        while more := self._ask("GET", f"/events?after={after}"):
            found += more
            after = int(more[-1]["number"])
        return found

    def refuses(self) -> bool:
        """Return whether a connection is refused, by asking for one."""
        return refuses(self.host, self.port)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        place = f"/proxies/{quote(self._name, safe='')}{path}"
        try:
            answer = self._client.request(
                method, place, body=None if body is None else json.dumps(body).encode()
            )
        except RequestError as error:
            raise RunError(
                f"the fault proxy at {self._api} does not answer: {error}",
                hint="Start it: stressproof proxy PORT=HOST:PORT --api HOST:PORT.",
            ) from error
        if answer.status == _ABSENT:
            raise UsageError(
                f"the fault proxy at {self._api} has no proxy {self._name}",
                hint=f"GET http://{self._api}/proxies lists those it has.",
            )
        if answer.status != _OK:
            raise RunError(f"the fault proxy at {self._api} refuses: {answer.text[:300]}")
        return answer.json()
