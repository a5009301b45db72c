"""The handle of a fault proxy that runs already (``stressproof proxy``), by its API."""

import json
import socket
from typing import Any

from stressproof.errors import RunError, UsageError
from stressproof.failures.loopback import require_loopback
from stressproof.faults.proxy.process import Switched
from stressproof.faults.proxy.toxics import Toxic, plain
from stressproof.load.client import Client, RequestError
from stressproof.workload.target import Target

_ANSWER_TIMEOUT_S = 10.0
_GRACE_S = 30.0
_OK = 200
_ABSENT = 404


class ProxyControl:
    """Controls one proxy; whatever it is told to do ends by itself, should we be gone.

    Args:
        api: ``host:port`` of the API, on loopback.
        name: What the proxy is called there.

    Raises:
        UsageError: The API is not on loopback, or knows no such proxy.
        RunError: It does not answer.
    """

    def __init__(self, api: str, name: str) -> None:
        host, _, _ = api.rpartition(":")
        require_loopback(host.strip("[]"))
        self._api = api
        self._name = name
        self._client = Client(Target(f"http://{api}"), timeout_s=_ANSWER_TIMEOUT_S)
        self.lasts_s = 0.0
        shown = self._ask("GET", "")
        host, _, port = str(shown["listen"]).rpartition(":")
        self.host, self.port = host.strip("[]"), int(port)

    def switch(self, *toxics: Toxic, keep: bool = False) -> Switched:
        """Put all connections under these toxics at once, for `lasts_s` and some grace.

        Raises:
            RunError: The proxy refused, or is gone.
        """
        del keep  # what is not kept is all that a fault asks for
        lasts = f"{round((self.lasts_s + _GRACE_S) * 1000)}ms"
        answer = self._ask("POST", "/switch", {"toxics": plain(list(toxics)), "for": lasts})
        return Switched(answer["effective_ns"], answer["before"], answer["state"])

    def state(self) -> dict[str, Any]:
        """Return the counters and present toxics."""
        return dict(self._ask("GET", "/witness")["state"])

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Return events with a number above one, oldest first."""
        return list(self._ask("GET", f"/events?after={after}"))

    def refuses(self) -> bool:
        """Return whether a connection is refused, by asking for one."""
        try:
            socket.create_connection((self.host, self.port), 1).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        place = f"/proxies/{self._name}{path}"
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
