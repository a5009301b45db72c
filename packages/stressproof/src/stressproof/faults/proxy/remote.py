"""The handle of a proxy of ``stressproof proxy``, which somebody put before a service that runs."""

import json
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from stressproof.errors import RunError
from stressproof.failures.fault_kinds import LONGEST_US
from stressproof.faults.proxy.addresses import parse_listen, parse_upstream, refuses
from stressproof.faults.proxy.process import Switched
from stressproof.faults.proxy.toxics import Toxic, plain
from stressproof.load.client import Client, RequestError
from stressproof.workload.target import Target

_ANSWER_TIMEOUT_S: Final = 10.0
_US: Final = 1_000_000


class RemoteProxy:
    """Switches the toxics of one proxy by its control API; each switch has an end of its own.

    Args:
        control: Where the API listens, on loopback.
        name: Of the proxy there.

    Attributes:
        host: Where the proxy listens, once entered.
        port: And on which port.

    Raises:
        UsageError: The API is not on loopback.
    """

    def __init__(self, control: str, name: str) -> None:
        self._client = Client(
            Target(f"http://{parse_listen(control)}"), timeout_s=_ANSWER_TIMEOUT_S
        )
        self._control = control
        self._name = name
        self._switched = False
        self.host, self.port = "", 0

    def __enter__(self) -> Self:
        """Look where it listens.

        Raises:
            RunError: There is no such proxy.
        """
        self.host, self.port = parse_upstream(self._ask("GET", "")["listen"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._switched:
            self.switch()

    def switch(self, *toxics: Toxic, lasts_us: int = 0) -> Switched:
        """Put all connections under these toxics at once, and under no other.

        Args:
            toxics: All of them.
            lasts_us: They end by themselves after so long; ten minutes where it is 0.

        Raises:
            RunError: The proxy refused, or is gone.
        """
        seconds = min(lasts_us or LONGEST_US, LONGEST_US) / _US
        self._switched = bool(toxics)
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

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._client.request(
                method, f"/proxies/{quote(self._name, safe='')}{path}", body=data
            )
            said = json.loads(answer.body)
        except (RequestError, ValueError) as error:
            raise RunError(
                f"the fault proxy's API on {self._control} does not answer: {error}",
                hint="Is stressproof proxy running there? Faults it held end with it.",
            ) from error
        if answer.status != 200:  # noqa: PLR2004  # as every answer with a value has it
            raise RunError(
                f"the fault proxy {self._name!r} on {self._control} refuses: "
                f"{said.get('error', answer.status) if isinstance(said, dict) else answer.status}"
            )
        return said
