"""Fault proxies for tests of your own: each fault a context manager that raises if it hit nothing.

::

    from stressproof.testing import fault_proxy

    def test_an_order_is_placed_once(shop):
        with fault_proxy("127.0.0.1:5432", protocol="postgres") as db:
            shop.connect(db.host, db.port)
            with db.cut_after_commit(statement="INSERT INTO orders"):
                shop.order("A-1")
        assert shop.orders("A-1") == 1

The proxy is a process of its own and ends with yours. What each fault does, and its parameters with
their defaults, are those of failure scenarios (docs/fault-proxy.md); a default is meant wherever
None is given. Nothing is loaded into anybody's pytest.
"""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Self

from stressproof.faults.injector import Counted
from stressproof.faults.proxy.addresses import parse_upstream
from stressproof.faults.proxy.kinds import read_written
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.proxy.toxics import Down, Protocol, Toxic, type_of
from stressproof.faults.proxy.witnesses import Snapshot, count
from stressproof.faults.refusal import demand_no_refusal

__all__ = ["FaultDidNotBiteError", "FaultProxy", "Hits", "fault_proxy"]

Stream = Literal["both", "upstream", "downstream"]


class FaultDidNotBiteError(AssertionError):
    """A fault was over and had hit nothing, so whatever held under it held without it.

    Attributes:
        witness: What was counted, by its name.
    """

    def __init__(self, kind: str, counted: Mapping[str, Counted]) -> None:
        self.witness = {name: one.during - one.before for name, one in counted.items()}
        what = ", ".join(f"{count} {name}" for name, count in self.witness.items())
        why = "; ".join(detail for one in counted.values() for detail in one.detail)
        super().__init__(
            f"{kind} hit nothing: {what}{f' ({why})' if why else ''}. Does what is under test "
            "speak through the proxy, and did it while the fault lasted? must_bite=False allows it."
        )


class Hits:
    """What one fault hit: so far while it lasts, and in all once it is over.

    Attributes:
        kind: Of the fault.
    """

    def __init__(
        self, kind: str, toxics: tuple[Toxic, ...], process: ProxyProcess, before: Snapshot
    ) -> None:
        self.kind = kind
        self._toxics = toxics
        self._process = process
        self._before = before
        self._counted: dict[str, Counted] | None = None
        self._events: list[dict[str, Any]] = []

    @property
    def witness(self) -> Mapping[str, int]:
        """What was counted, by its name."""
        return {name: one.during - one.before for name, one in self.counted().items()}

    @property
    def count(self) -> int:
        """All of it together."""
        return sum(self.witness.values())

    @property
    def events(self) -> list[dict[str, Any]]:
        """Each hit as the proxy noted it: ``event``, ``t_ns`` (monotonic), ``link`` and more."""
        if self._counted is not None:
            return self._events
        names = {type_of(one) for one in self._toxics}
        noted = self._process.events(int(self._before["last_event"]))
        return [event for event in noted if event["event"] in names]

    def counted(self) -> dict[str, Counted]:
        """Return what was counted, with what the proxy says of it."""
        if self._counted is not None:
            return self._counted
        down = any(isinstance(one, Down) for one in self._toxics)
        return count(
            self._toxics,
            self._before,
            self._process.state(),
            events=self._process.events(int(self._before["last_event"])),
            refused=int(down and self._process.refuses()),
        )

    def close(self) -> None:
        """Keep what was hit, now that it is over."""
        self._events, self._counted = self.events, self.counted()


class FaultProxy:
    """A proxy before a server, in a process of its own.

    Args:
        upstream: The server, as ``host:port``; of HTTP also as ``https://host``.
        protocol: What is said on the connections: ``postgres`` for cuts at a commit, ``http`` for
            faults of answers; ``tcp`` for any.
        port: Where to listen, 0 for a free port.
        seed: Of jitter and piece sizes.
        allowed: Hosts beside loopback that may be upstream.

    Attributes:
        host: Where it listens.
        port: And on which port, once entered.

    Raises:
        UsageError: The upstream is none, or neither on loopback nor allowed.
    """

    def __init__(
        self,
        upstream: str,
        *,
        protocol: Protocol = "tcp",
        port: int = 0,
        seed: int = 0,
        allowed: Collection[str] = (),
    ) -> None:
        address = parse_upstream(upstream, protocol=protocol, allowed=allowed)
        self._process = ProxyProcess(
            address, port=port, seed=seed, protocol=protocol, allowed=allowed
        )
        self._holding: list[tuple[Toxic, ...]] = []

    @property
    def host(self) -> str:
        """Where it listens."""
        return self._process.host

    @property
    def port(self) -> int:
        """And on which port, once entered."""
        return self._process.port

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            UsageError: Nothing may be broken on this machine.
            RunError: It does not start.
        """
        demand_no_refusal(os.environ)
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    @property
    def address(self) -> str:
        """Where it listens, as ``host:port``."""
        return f"{self.host}:{self.port}"

    def witness(self) -> Mapping[str, Any]:
        """Return everything that the proxy counted since it was started."""
        return self._process.state()

    def latency(
        self,
        latency: str | None = None,
        *,
        jitter: str | None = None,
        stream: Stream | None = None,
        must_bite: bool = True,
    ) -> AbstractContextManager[Hits]:
        """Delay every chunk: ``latency("1.5s")``."""
        return self._fault(
            "latency", must_bite=must_bite, latency=latency, jitter=jitter, stream=stream
        )

    def bandwidth(
        self, rate: str | None = None, *, stream: Stream | None = None, must_bite: bool = True
    ) -> AbstractContextManager[Hits]:
        """Let so much pass in a second: ``bandwidth("16KiB/s")``."""
        return self._fault("bandwidth", must_bite=must_bite, rate=rate, stream=stream)

    def trickle(
        self,
        piece: int | None = None,
        *,
        pause: str | None = None,
        stream: Stream | None = None,
        must_bite: bool = True,
    ) -> AbstractContextManager[Hits]:
        """Send small pieces with pauses between them."""
        return self._fault("trickle", must_bite=must_bite, piece=piece, pause=pause, stream=stream)

    def black_hole(
        self, *, stream: Stream | None = None, must_bite: bool = True
    ) -> AbstractContextManager[Hits]:
        """Hold everything until the fault ends, and lose nothing."""
        return self._fault("black_hole", must_bite=must_bite, stream=stream)

    def reset(
        self, *, every: str | None = None, must_bite: bool = True
    ) -> AbstractContextManager[Hits]:
        """Reset every connection, idle ones too, again and again."""
        return self._fault("reset", must_bite=must_bite, every=every)

    def down(self, *, must_bite: bool = True) -> AbstractContextManager[Hits]:
        """Refuse connections; the witness is that one of the proxy's own is refused."""
        return self._fault("down", must_bite=must_bite)

    def lose_answer(
        self, contains: str | None = None, *, count: int | None = None, must_bite: bool = True
    ) -> AbstractContextManager[Hits]:
        """Reset connections once the server begins to answer what holds a text."""
        return self._fault("lose_answer", must_bite=must_bite, contains=contains, count=count)

    def cut_after_commit(
        self, statement: str | None = None, *, count: int | None = None, must_bite: bool = True
    ) -> AbstractContextManager[Hits]:
        """Reset connections once the server has committed and before anybody can know."""
        return self._fault(
            "cut_after_commit", must_bite=must_bite, statement=statement, count=count
        )

    def cut_before_commit(
        self, statement: str | None = None, *, count: int | None = None, must_bite: bool = True
    ) -> AbstractContextManager[Hits]:
        """Reset connections that ask to commit, and the server never hears of it."""
        return self._fault(
            "cut_before_commit", must_bite=must_bite, statement=statement, count=count
        )

    def http(
        self,
        kind: Literal["answer", "delay", "truncate", "garbage", "hang", "reset"],
        path: str | None = None,
        *,
        method: str | None = None,
        first: int | None = None,
        every: int | None = None,
        must_bite: bool = True,
        **parameters: Any,
    ) -> AbstractContextManager[Hits]:
        """Spoil answers of HTTP: ``http("answer", "/pay", status=503, deliver=True)``."""
        given = {"path": path, "method": method, "first": first, "every": every, **parameters}
        return self._fault(f"http_{kind}", must_bite=must_bite, **given)

    @contextlib.contextmanager
    def _fault(self, kind: str, *, must_bite: bool, **written: Any) -> Iterator[Hits]:
        """Make a fault beside those that hold already.

        Raises:
            UsageError: These are none of its parameters, or it contradicts one that holds.
            RunError: The proxy cannot make it.
            FaultDidNotBiteError: It is over and hit nothing.
        """
        given = {name: value for name, value in written.items() if value is not None}
        toxics = tuple(read_written(kind, given)[1])
        hits = Hits(kind, toxics, self._process, self._switch([*self._holding, toxics]))
        try:
            yield hits
        finally:
            hits.close()
            self._switch([one for one in self._holding if one is not toxics])
        if must_bite and not hits.count:
            raise FaultDidNotBiteError(kind, hits.counted())

    def _switch(self, holding: list[tuple[Toxic, ...]]) -> Snapshot:
        """Put toxics in force; those that are go on counting. Return what was counted before."""
        toxics = [toxic for one in holding for toxic in one]
        before = self._process.switch(*toxics, keep=True).before
        self._holding = holding
        return before


def fault_proxy(
    upstream: str,
    *,
    protocol: Protocol = "tcp",
    port: int = 0,
    seed: int = 0,
    allowed: Collection[str] = (),
) -> FaultProxy:
    """Return a proxy before a server, as a context manager; its arguments are `FaultProxy`'s."""
    return FaultProxy(upstream, protocol=protocol, port=port, seed=seed, allowed=allowed)
