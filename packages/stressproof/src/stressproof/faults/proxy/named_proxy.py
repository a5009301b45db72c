"""One proxy under its name: its toxics by theirs, what each did, and a switch with an end."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.failures.fault_kinds import LONGEST_US
from stressproof.faults.proxy.addresses import Address, Upstream, refuses
from stressproof.faults.proxy.proxy import Proxy
from stressproof.faults.proxy.toxics import Down, Protocol, Toxic
from stressproof.faults.proxy.toxiproxy import NamedToxic, ToxicBody, read_toxic
from stressproof.faults.proxy.witnesses import Snapshot, count

_ENDED: Final = 200
"""How many witnesses of toxics that are gone are remembered."""
_DETAILS: Final = 20
_US: Final = 1_000_000


class NotFoundError(UsageError):
    """There is no proxy, or no toxic, of a name."""


class ExistsError(UsageError):
    """There is one of that name already, or the address is taken."""


class _Held(Struct):
    """A toxic in force, and the proxy's counters just before it was."""

    toxic: NamedToxic
    before: Snapshot


class NamedProxy:
    """One proxy of a collection.

    Args:
        name: Of the proxy.
        upstream: What is behind it.
        seed: Of jitter and piece sizes.
        protocol: Of its conversations.
        lock: Held by whoever changes anything; so does the end of a switch.
    """

    def __init__(
        self, name: str, upstream: Upstream, *, seed: int, protocol: Protocol, lock: asyncio.Lock
    ) -> None:
        self.name = name
        self.upstream = upstream
        self.protocol = protocol
        self.enabled = True
        self.listen = Address("127.0.0.1", 0)
        self.proxy = Proxy(upstream, seed=seed, protocol=protocol)
        self._lock = lock
        self._held: dict[str, _Held] = {}
        self._ended: list[dict[str, Any]] = []
        self._expiry: asyncio.TimerHandle | None = None
        self._expiring: asyncio.Task[None] | None = None

    def body(self) -> dict[str, Any]:
        """Return it as a client sees it."""
        return {
            "name": self.name,
            "listen": str(self.listen),
            "upstream": str(self.upstream),
            "protocol": self.protocol,
            "enabled": self.enabled,
            "toxics": [held.toxic.body() for held in self._held.values()],
        }

    async def start(self, listen: Address) -> None:
        """Listen.

        Raises:
            RunError: The address cannot be had.
        """
        self.listen = Address(*await self.proxy.start(*listen))

    async def close(self) -> None:
        """End it and every connection through it."""
        self._forget_expiry()
        await self.proxy.close()

    def toxics(self) -> list[NamedToxic]:
        """Return those in force."""
        return [held.toxic for held in self._held.values()]

    def toxic(self, name: str) -> NamedToxic:
        """Return one.

        Raises:
            NotFoundError: There is none.
        """
        if name not in self._held:
            raise NotFoundError("toxic not found")
        return self._held[name].toxic

    async def enable(self, *, enabled: bool) -> None:
        """Listen, or refuse connections and reset those there are."""
        before, self.enabled = self.enabled, enabled
        if before != enabled:
            await self._apply(self.toxics())

    async def add(self, toxic: NamedToxic) -> None:
        """Put a toxic in force beside the others.

        Raises:
            ExistsError: One of that name is.
            UsageError: It contradicts another.
            RunError: This proxy cannot make it.
        """
        if toxic.name in self._held:
            raise ExistsError("toxic already exists")
        await self._apply([*self.toxics(), toxic])

    async def change(
        self, name: str, attributes: Mapping[str, Any], *, toxicity: float = 1.0
    ) -> NamedToxic:
        """Give a toxic other attributes; those that are not given stay.

        Raises:
            NotFoundError: There is none of that name.
            UsageError: They are none of its attributes.
        """
        old = self.toxic(name)
        body = ToxicBody(old.type, name, old.stream, toxicity, {**old.attributes, **attributes})
        new = read_toxic(body)
        await self._apply([new if one is old else one for one in self.toxics()])
        return new

    async def remove(self, name: str) -> None:
        """End a toxic.

        Raises:
            NotFoundError: There is none of that name.
        """
        self.toxic(name)
        await self._apply([one for one in self.toxics() if one.name != name])

    async def reset(self) -> None:
        """End every toxic, and listen."""
        self.enabled = True
        self._forget_expiry()
        await self._apply([])

    async def switch(self, toxics: Sequence[NamedToxic], lasts_us: int) -> dict[str, Any]:
        """Replace every toxic at once, and end these after a time.

        Returns:
            When they took effect (``effective_ns``), and everything counted just before and after.

        Raises:
            UsageError: Two of one name, a contradiction, or a time that is none.
            RunError: This proxy cannot make them.
        """
        if toxics and not 0 < lasts_us <= LONGEST_US:
            raise UsageError(
                "a switch has an end: a fault that outlives who made it is a leak",
                hint='Say how long, 10 minutes at most: "for": "30s".',
            )
        names = {one.name for one in toxics}
        if len(names) < len(toxics):
            raise ExistsError("two toxics of one name", hint="Name them.")
        before = self.proxy.state.snapshot()
        self._forget_expiry()
        effective_ns = await self._apply(list(toxics), keep=False)
        if toxics:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(lasts_us / _US, self._expire, list(toxics))
        return {
            "effective_ns": effective_ns,
            "before": before,
            "state": self.proxy.state.snapshot(),
        }

    def _forget_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _expire(self, toxics: Sequence[NamedToxic]) -> None:
        self._expiry = None
        self._expiring = asyncio.ensure_future(self._end(toxics))

    async def _end(self, toxics: Sequence[NamedToxic]) -> None:
        """End the toxics of a switch; those that came since stay."""
        async with self._lock:
            self.proxy.state.log("expired", toxics=[one.name for one in toxics])
            await self._apply(
                [one for one in self.toxics() if not any(one is old for old in toxics)]
            )

    async def _apply(self, toxics: list[NamedToxic], *, keep: bool = True) -> int:
        """Put toxics in force: all of them or, where one cannot be, none."""
        made_of: list[Toxic] = [one for toxic in toxics for one in toxic.made_of]
        if not self.enabled and not any(isinstance(one, Down) for one in made_of):
            made_of.append(Down())
        now = self.proxy.state.snapshot()
        effective_ns = await self.proxy.switch(made_of, keep=keep)
        old, self._held = self._held, {}
        for toxic in toxics:
            held = old.get(toxic.name)
            stays = keep and held is not None and held.toxic == toxic
            self._held[toxic.name] = held if held is not None and stays else _Held(toxic, now)
        for name, held in old.items():
            if self._held.get(name) is not held:
                self._ended += self._witness(held, now, holds=False)
        del self._ended[:-_ENDED]
        return effective_ns

    def witness(self) -> dict[str, Any]:
        """Return everything counted, and what each toxic did, the last of those gone too."""
        now = self.proxy.state.snapshot()
        holding = [
            one for held in self._held.values() for one in self._witness(held, now, holds=True)
        ]
        return {"state": now, "witnesses": [*self._ended, *holding]}

    def _witness(self, held: _Held, now: Snapshot, *, holds: bool) -> list[dict[str, Any]]:
        made_of = held.toxic.made_of
        down = holds and any(isinstance(one, Down) for one in made_of)
        events = self.proxy.state.events(int(held.before["last_event"]))
        return [
            {
                "toxic": held.toxic.name,
                "type": held.toxic.type,
                "holds": holds,
                "name": name,
                "before": counts.before,
                "during": counts.during,
                "detail": list(counts.detail[:20]),
            }
            for name, counts in count(
                made_of,
                held.before,
                now,
                events=events,
                refused=int(down and refuses(*self.listen, wait_s=0)),
            ).items()
        ]
