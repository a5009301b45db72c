"""toxiproxy's HTTP API and ours beside it: a request to what it says, without any socket.

Ours: ``POST /proxies/NAME/switch``, ``GET /proxies/NAME/witness`` and ``/events``.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, unquote

import msgspec
from msgspec import Struct

from stressproof.config.amounts import time_us
from stressproof.errors import StressproofError, UsageError
from stressproof.failures.fault_kinds import LONGEST_US
from stressproof.faults.proxy.collection import ProxyBody, ProxyChange, ProxyCollection
from stressproof.faults.proxy.named_proxy import ExistsError, NotFoundError
from stressproof.faults.proxy.toxics import parse
from stressproof.faults.proxy.toxiproxy import NamedToxic, ToxicBody, read_toxic
from stressproof.version import __version__

_TOXIPROXY: Final = "2.12.0"
"""The version of toxiproxy whose API this is."""
_EVENTS: Final = 1000
_NAMES: Final = (1, 3)
"""Segments of a path that are names: of a proxy, of a toxic."""

BodyT = TypeVar("BodyT")
Reply = tuple[int, Any]


class SwitchBody(Struct, frozen=True, forbid_unknown_fields=True):
    """All toxics of a proxy, and how long they hold: ``"30s"``, or seconds."""

    toxics: list[dict[str, Any]]
    lasts: str | int | float | None = msgspec.field(default=None, name="for")


class ToxicChange(Struct, frozen=True):
    """Attributes that a toxic is to have; whatever else a client sends of it says nothing."""

    attributes: dict[str, Any] | None = None
    toxicity: float = 1.0


class ControlApi:
    """Answers requests for a collection of proxies.

    Args:
        proxies: Those that are controlled.
    """

    def __init__(self, proxies: ProxyCollection) -> None:
        self._proxies = proxies
        self._routes: Mapping[str, Mapping[str, Callable[..., Awaitable[Reply]]]] = {
            "version": {"GET": self._version},
            "reset": {"POST": self._reset},
            "populate": {"POST": self._populate},
            "proxies": {"GET": self._index, "POST": self._create},
            "proxies/*": {
                "GET": self._show,
                "POST": self._change,
                "PATCH": self._change,
                "DELETE": self._delete,
            },
            "proxies/*/toxics": {"GET": self._toxics, "POST": self._add_toxic},
            "proxies/*/toxics/*": {
                "GET": self._toxic,
                "POST": self._change_toxic,
                "PATCH": self._change_toxic,
                "DELETE": self._remove_toxic,
            },
            "proxies/*/switch": {"POST": self._switch},
            "proxies/*/witness": {"GET": self._witness},
            "proxies/*/events": {"GET": self._events},
        }

    async def reply(self, method: str, target: str, body: bytes) -> Reply:
        """Return the status and the value to answer with; None for no body."""
        path, _, query = target.partition("?")
        segments = [unquote(part) for part in path.split("/") if part]
        pattern = "/".join(
            "*" if number in _NAMES else part for number, part in enumerate(segments)
        )
        methods = self._routes.get(pattern)
        if methods is None:
            return _refusal(404, "404 page not found")
        if method not in methods:
            return _refusal(405, f"{method} is not for /{pattern}: {', '.join(methods)} are")
        names = [segments[number] for number in _NAMES if number < len(segments)]
        try:
            async with self._proxies.lock:
                return await methods[method](*names, body=body, query=query)
        except NotFoundError as error:
            return _refusal(404, error.message)
        except ExistsError as error:
            return _refusal(409, _words(error))
        except StressproofError as error:
            return _refusal(400, _words(error))

    async def _version(self, **_: Any) -> Reply:
        return 200, {"version": _TOXIPROXY, "stressproof": __version__}

    async def _reset(self, **_: Any) -> Reply:
        await self._proxies.reset()
        return 204, None

    async def _populate(self, body: bytes, **_: Any) -> Reply:
        made = await self._proxies.populate(_read(body, list[ProxyBody]))
        return 201, {"proxies": [one.body() for one in made]}

    async def _index(self, **_: Any) -> Reply:
        return 200, self._proxies.bodies()

    async def _create(self, body: bytes, **_: Any) -> Reply:
        return 201, (await self._proxies.create(_read(body, ProxyBody))).body()

    async def _show(self, name: str, **_: Any) -> Reply:
        return 200, self._proxies.get(name).body()

    async def _change(self, name: str, body: bytes, **_: Any) -> Reply:
        return 200, (await self._proxies.change(name, _read(body, ProxyChange))).body()

    async def _delete(self, name: str, **_: Any) -> Reply:
        await self._proxies.delete(name)
        return 204, None

    async def _toxics(self, name: str, **_: Any) -> Reply:
        return 200, [one.body() for one in self._proxies.get(name).toxics()]

    async def _add_toxic(self, name: str, body: bytes, **_: Any) -> Reply:
        proxy = self._proxies.get(name)
        toxic = read_toxic(_read(body, ToxicBody))
        await proxy.add(toxic)
        return 200, toxic.body()

    async def _toxic(self, name: str, toxic: str, **_: Any) -> Reply:
        return 200, self._proxies.get(name).toxic(toxic).body()

    async def _change_toxic(self, name: str, toxic: str, body: bytes, **_: Any) -> Reply:
        change = _read(body, ToxicChange)
        proxy = self._proxies.get(name)
        changed = await proxy.change(toxic, change.attributes or {}, toxicity=change.toxicity)
        return 200, changed.body()

    async def _remove_toxic(self, name: str, toxic: str, **_: Any) -> Reply:
        await self._proxies.get(name).remove(toxic)
        return 204, None

    async def _switch(self, name: str, body: bytes, **_: Any) -> Reply:
        proxy = self._proxies.get(name)
        asked = _read(body, SwitchBody)
        toxics = [_toxic_of(one, number) for number, one in enumerate(asked.toxics, 1)]
        return 200, await proxy.switch(toxics, _lasts_us(asked.lasts))

    async def _witness(self, name: str, **_: Any) -> Reply:
        return 200, self._proxies.get(name).witness()

    async def _events(self, name: str, query: str, **_: Any) -> Reply:
        after = parse_qs(query).get("after", ["0"])[-1]
        if not after.isascii() or not after.isdigit():
            raise UsageError(f"after is {after!r}, expected the number of an event")
        return 200, self._proxies.get(name).proxy.state.events(int(after[:15]))[:_EVENTS]


def _read(body: bytes, wanted: type[BodyT]) -> BodyT:
    try:
        return msgspec.json.decode(body or b"{}", type=wanted)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"bad request body: {error}") from error


def _toxic_of(given: dict[str, Any], number: int) -> NamedToxic:
    """Read a toxic of a switch: as toxiproxy has it, or plain, as a state shows those in force."""
    if set(given) <= set(ToxicBody.__struct_fields__):
        return read_toxic(_converted(given))
    plain = {key: value for key, value in given.items() if key != "name"}
    made_of = tuple(parse([plain]))
    kind, stream = str(plain.pop("type")), str(plain.pop("stream", "both"))
    return NamedToxic(str(given.get("name", f"{kind}_{number}")), kind, stream, plain, made_of)


def _converted(given: dict[str, Any]) -> ToxicBody:
    try:
        return msgspec.convert(given, ToxicBody)
    except ValueError as error:
        raise UsageError(f"bad request body: {error}") from error


def _lasts_us(lasts: str | float | None) -> int:
    if lasts is None:
        return 0
    if isinstance(lasts, str):
        return time_us(lasts, 0, LONGEST_US)
    return round(lasts * 1_000_000) if 0 <= lasts * 1_000_000 <= LONGEST_US else 0


def _words(error: StressproofError) -> str:
    return f"{error.message}. {error.hint}" if error.hint else error.message


def _refusal(status: int, words: str) -> Reply:
    return status, {"error": words, "status": status}
