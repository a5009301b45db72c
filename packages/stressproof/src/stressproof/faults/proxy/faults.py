"""Faults of the network between a service and what it depends on, through the proxy."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from stressproof.failures.fault_kinds import LONGEST_US
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Counted, Injector
from stressproof.faults.proxy.kinds import toxics
from stressproof.faults.proxy.process import Switched
from stressproof.faults.proxy.toxics import Cut, Down, Toxic, type_of
from stressproof.faults.proxy.witnesses import Snapshot, count

_PROBES = 3
_GRACE_US = 60_000_000
"""What applying and undoing may take, before toxics end by themselves."""


class Switchable(Protocol):
    """A proxy in the path, ours or one that runs already."""

    def switch(self, *toxics: Toxic, lasts_us: int = 0) -> Switched:
        """Put all connections under these toxics at once; they end by themselves after a time."""

    def state(self) -> Snapshot:
        """Return the counters and present toxics."""

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Return events with a number above one, oldest first."""

    def refuses(self) -> bool:
        """Return whether a connection is refused, by asking for one."""


class ProxyFault(Injector):
    """Toxics on every connection, switched on at once and off at once.

    Args:
        fault: As the scenario has it.
        proxy: In the path.
        send: Called once the toxics are on: sends what they are to hit.

    Raises:
        UsageError: It is no fault of a proxy.
    """

    def __init__(
        self,
        fault: FaultSpec,
        proxy: Switchable,
        *,
        send: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(fault)
        self._proxy = proxy
        self._toxics = toxics(fault.kind, fault.parameters)
        self._send = send
        self._before: Snapshot = {}
        self._after: Snapshot = {}
        self._refused = 0

    def apply(self) -> int:
        """Switch the toxics on, and send what they are to hit."""
        lasts_us = min(self.fault.lasts_us + _GRACE_US, LONGEST_US)
        switched = self._proxy.switch(*self._toxics, lasts_us=lasts_us)
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

    def counts(self) -> Sequence[Counted]:
        """Return what the toxics did, from the proxy's own counters."""
        events = self._proxy.events(int(self._before["last_event"]))
        counted = count(
            self._toxics, self._before, self._after, events=events, refused=self._refused
        )
        return list(counted.values())
