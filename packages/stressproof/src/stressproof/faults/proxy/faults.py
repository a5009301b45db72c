"""Faults of the network between a service and what it depends on, through the proxy."""

from collections.abc import Callable
from typing import ClassVar

from stressproof.errors import RunError
from stressproof.evidence.failure import Parameter, Witness
from stressproof.faults.injector import Injector
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.proxy.toxics import Cut, Down, Toxic, plain, type_of
from stressproof.faults.proxy.witnesses import Snapshot, witnesses

_PROBES = 3


class ProxyFault(Injector):
    """Toxics on every connection, switched on at once and off at once.

    Args:
        proxy: In the path.
        toxics: One at least; a witness is demanded of each.
        send: Called once the toxics are on: sends what they are to hit.
    """

    kind: ClassVar[str] = "network"

    def __init__(
        self, proxy: ProxyProcess, *toxics: Toxic, send: Callable[[], None] | None = None
    ) -> None:
        super().__init__(
            f"every connection through the proxy on port {proxy.port}", _parameters(toxics)
        )
        self._proxy = proxy
        self._toxics = toxics
        self._send = send
        self._before: Snapshot = {}
        self._after: Snapshot = {}
        self._refused = 0

    def apply(self) -> int:
        """Switch the toxics on, and send what they are to hit."""
        switched = self._proxy.switch(*self._toxics)
        self._before = switched.before
        if self._send is not None:
            self._send()
        return switched.effective_ns

    def observe(self) -> None:
        """Ask for a connection, where none should be had."""
        if any(isinstance(toxic, Down) for toxic in self._toxics) and self._refused < _PROBES:
            self._refused += self._proxy.refuses()

    def undo(self) -> None:
        """Switch every toxic off."""
        self._after = self._proxy.switch().before

    def is_finished(self) -> bool:
        """Return whether the last of the cuts was made, where it is cuts that were asked for."""
        cuts = [toxic for toxic in self._toxics if isinstance(toxic, Cut)]
        if not cuts:
            return False
        hits = self._proxy.state()["hits"]
        return all(
            hits.get(type_of(cut), 0) - self._before["hits"].get(type_of(cut), 0) >= cut.count
            for cut in cuts
        )

    def witnesses(self) -> list[Witness]:
        """Return what the toxics did, from the proxy's own counters."""
        return witnesses(
            self._toxics,
            self._before,
            self._after,
            events=self._proxy.events(int(self._before["last_event"])),
            refused=self._refused,
        )


def _parameters(toxics: tuple[Toxic, ...]) -> dict[str, Parameter]:
    """Return toxics as flat parameters: ``latency.upstream.latency_us``."""
    if not toxics:
        raise RunError("a network fault without a toxic is none")
    found: dict[str, Parameter] = {}
    for values in plain(list(toxics)):
        prefix = str(values.pop("type"))
        stream = values.pop("stream", None)
        prefix = f"{prefix}.{stream}" if stream else prefix
        if not values:
            found[prefix] = True
        for name, value in values.items():
            if isinstance(value, int | str):
                found[f"{prefix}.{name}"] = value
    return found
