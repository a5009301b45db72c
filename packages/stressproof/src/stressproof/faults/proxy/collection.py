"""Proxies by name, as toxiproxy's API has them."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.faults.proxy.addresses import Address, Upstream, parse_listen, parse_upstream
from stressproof.faults.proxy.named_proxy import ExistsError, NamedProxy, NotFoundError
from stressproof.faults.proxy.toxics import Protocol

_MOST: Final = 256
_LONGEST_NAME: Final = 100


class ProxyBody(Struct, frozen=True):
    """A proxy as a client asks for it; whatever else a client sends of one says nothing."""

    name: str = ""
    upstream: str = ""
    listen: str = ""
    enabled: bool = True
    protocol: Protocol | None = None


class ProxyChange(Struct, frozen=True):
    """What a client changes of a proxy; what is missing stays."""

    upstream: str | None = None
    listen: str | None = None
    enabled: bool | None = None


class ProxyCollection:
    """All proxies of one process.

    Args:
        seed: Of jitter and piece sizes.
        protocol: Of proxies that are created without one.
        allowed: Hosts beside loopback that the operator allows as upstream.

    Attributes:
        lock: Held by whoever changes anything.
    """

    def __init__(
        self, *, seed: int = 0, protocol: Protocol = "tcp", allowed: Collection[str] = ()
    ) -> None:
        self._seed = seed
        self._protocol = protocol
        self._allowed = allowed
        self._proxies: dict[str, NamedProxy] = {}
        self.lock = asyncio.Lock()

    def all(self) -> list[NamedProxy]:
        """Return them in the order in which they were created."""
        return list(self._proxies.values())

    def get(self, name: str) -> NamedProxy:
        """Return one.

        Raises:
            NotFoundError: There is none of that name.
        """
        if name not in self._proxies:
            raise NotFoundError("proxy not found", hint=f"There are: {', '.join(self._proxies)}.")
        return self._proxies[name]

    async def create(self, body: ProxyBody) -> NamedProxy:
        """Create a proxy.

        Raises:
            UsageError: A field is missing, or an address is none or not on loopback.
            ExistsError: There is one of that name.
            RunError: The address cannot be had.
        """
        for field in ("name", "upstream"):
            if not getattr(body, field):
                raise UsageError(f"missing required field: {field}")
        if "/" in body.name or len(body.name) > _LONGEST_NAME:
            raise UsageError(
                f"{body.name[:200]!r} is no name", hint="Without / and no longer than 100."
            )
        if body.name in self._proxies:
            raise ExistsError("proxy already exists")
        if len(self._proxies) == _MOST:
            raise UsageError(f"there are {_MOST} proxies already", hint="Delete one.")
        protocol = body.protocol or self._protocol
        made = NamedProxy(
            body.name,
            self._upstream(body.upstream, protocol),
            seed=self._seed,
            protocol=protocol,
            lock=self.lock,
        )
        await made.start(parse_listen(body.listen or "0"))
        self._proxies[body.name] = made
        await made.enable(enabled=body.enabled)
        return made

    async def change(self, name: str, change: ProxyChange) -> NamedProxy:
        """Enable, disable or move a proxy; its toxics stay.

        Raises:
            NotFoundError: There is none of that name.
            UsageError: An address is none or not on loopback.
            RunError: The address cannot be had.
        """
        old = self.get(name)
        upstream, listen = old.upstream, old.listen
        if change.upstream is not None:
            upstream = self._upstream(change.upstream, old.protocol)
        if change.listen is not None and not _is_at(old, parse_listen(change.listen)):
            listen = parse_listen(change.listen)
        if (upstream, listen) != (old.upstream, old.listen):
            await self._move(old, upstream, listen)
        moved = self.get(name)
        if change.enabled is not None:
            await moved.enable(enabled=change.enabled)
        return moved

    def _upstream(self, text: str, protocol: Protocol) -> Upstream:
        return parse_upstream(text, protocol=protocol, allowed=self._allowed)

    async def _move(self, old: NamedProxy, upstream: Upstream, listen: Address) -> None:
        made = NamedProxy(
            old.name, upstream, seed=self._seed, protocol=old.protocol, lock=self.lock
        )
        if listen == old.listen:
            await self.delete(old.name)  # its port is needed
            await made.start(listen)
        else:
            await made.start(listen)
            await self.delete(old.name)
        self._proxies[old.name] = made
        for toxic in old.toxics():
            await made.add(toxic)
        await made.enable(enabled=old.enabled)

    async def populate(self, bodies: list[ProxyBody]) -> list[NamedProxy]:
        """Create proxies; those that are there already, with the same addresses, stay.

        Raises:
            UsageError: One of them is none; those before it were created.
            RunError: An address cannot be had; likewise.
        """
        made = []
        for body in bodies:
            old = self._proxies.get(body.name)
            if old is not None:
                same = old.upstream == self._upstream(body.upstream, old.protocol)
                if same and _is_at(old, parse_listen(body.listen or "0")):
                    made.append(old)
                    continue
                await self.delete(body.name)
            made.append(await self.create(body))
        return made

    async def delete(self, name: str) -> None:
        """End a proxy and every connection through it.

        Raises:
            NotFoundError: There is none of that name.
        """
        await self.get(name).close()
        del self._proxies[name]

    async def reset(self) -> None:
        """Enable every proxy, and end all toxics."""
        for one in self.all():
            await one.reset()

    async def close(self) -> None:
        """End all of them."""
        for name in list(self._proxies):
            await self.delete(name)

    def bodies(self) -> dict[str, Any]:
        """Return all as a client sees them, by name."""
        return {one.name: one.body() for one in self.all()}


def _is_at(proxy: NamedProxy, listen: Address) -> bool:
    """Return whether a proxy listens where it should; any port will do where none is named."""
    return proxy.listen.host == listen.host and listen.port in (0, proxy.listen.port)
