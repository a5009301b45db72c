"""``stressproof.toml`` in its types: what is right of it is read although other parts are wrong.

So that whoever mends a file mends it once, what a type does not allow is taken out, and the rest is
looked at for its meaning.
"""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.config.positions import Place
from stressproof.config.reading import (
    ConfigError,
    Fault,
    Source,
    located,
    parsed,
    related,
    type_faults,
)
from stressproof.config.schema import Config
from stressproof.objectives.syntax import did_you_mean

_MOST = 100
"""Faults that are told of one file."""


class ConfigFile(Struct, frozen=True):
    """What could be read of a file.

    Attributes:
        config: Its tables, without what is wrong.
        faults: What is wrong.
        unread: Places of which too little is known to judge what they mean.
    """

    config: Config
    faults: tuple[Fault, ...]
    unread: frozenset[Place]

    def tells(self, fault: Fault) -> bool:
        """Whether a fault of meaning is none that a part which was taken out brought about."""
        return not any(related(place, fault.path) for place in self.unread)


def read_config(source: Source) -> ConfigFile:
    """Return what can be read of a file, and what is wrong with it.

    Raises:
        ConfigError: It is not TOML, or holds more faults than anybody mends at once.
    """
    data = parsed(source)
    faults = list(islice(chain(_extended(data), type_faults(data, Config, ())), _MOST + 1))
    if len(faults) > _MOST:
        told = [located(source, fault) for fault in faults[:_MOST]]
        more = msgspec.structs.replace(told[-1], hint="There are more; mend these first.")
        raise ConfigError(source.name, [*told[:-1], more])
    profiles: Any = data.get("profile")
    wanting = isinstance(profiles, dict) and any(fault.path[:1] == ("profile",) for fault in faults)
    heirs = [name for name in profiles if _base(profiles, name)] if wanting else []
    unread: set[Place] = {fault.path for fault in faults}
    wrong = faults
    while wrong:
        taken: set[Place] = set()
        for fault in wrong:
            if not any(fault.path[: len(place)] == place for place in taken):
                taken.add(_take_out(data, fault.path))
        unread |= taken
        wrong = list(type_faults(data, Config, ()))
    for table, whose in (("profile", "profile"), ("targets", "target")):
        if any(len(place) <= len((table, "name")) and table in place[:1] for place in unread):
            unread.add(("gate", whose))  # it may name what was taken out
    for name in heirs:  # they, and scenarios of theirs, may lack what they start from
        unread |= {("profile", name, "extends"), ("profile", name, "scenario")}
    return ConfigFile(
        msgspec.convert(data, Config),
        tuple(located(source, fault) for fault in faults),
        frozenset(unread),
    )


def _take_out(data: dict[str, Any], path: Place) -> Place:
    """Remove what is at a path, or the nearest above it that can be; return which that was.

    An entry of a list is not taken out alone: those after it would be told with wrong numbers.
    """
    held: list[tuple[dict[str, Any], Place]] = []
    value: Any = data
    for at, key in enumerate(path):
        if isinstance(value, dict) and isinstance(key, str):
            held.append((value, path[: at + 1]))
            if key not in value:
                held.pop()
                break
            value = value[key]
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            break
    if not held:
        data.clear()
        return ()
    table, place = held[-1]
    table.pop(str(place[-1]))
    return place


def _extended(data: dict[str, Any]) -> Iterator[Fault]:
    """Let profiles start from the keys of those that they extend; yield what cannot be."""
    profiles = data.get("profile")
    if not isinstance(profiles, dict):
        return
    given = dict(profiles)
    for name in given:
        heritage = [name]
        while heritage and (base := _base(given, heritage[-1])):
            fault = _base_fault(given, heritage, base)
            if fault is None:
                heritage.append(base)
                continue
            if fault.path[1] == name:  # whoever only leads to a fault is none of it
                yield fault
            heritage = []
        if len(heritage) > 1:
            whole: dict[str, Any] = {}
            for one in reversed(heritage):
                whole |= given[one]
            profiles[name] = whole


def _base(profiles: dict[str, Any], name: str) -> str:
    """Return what a profile extends, empty where it extends nothing that could be a name."""
    table = profiles.get(name)
    base = table.get("extends") if isinstance(table, dict) else None
    return base if isinstance(base, str) else ""


def _base_fault(profiles: dict[str, Any], heritage: list[str], base: str) -> Fault | None:
    """Return what is wrong with the last of a chain of profiles and what it extends, if anything.

    A circle is told where it is closed.
    """
    path: Place = ("profile", heritage[-1], "extends")
    if base in heritage:
        place: Place = ("profile", base, "extends")
        return Fault(place, f"{' extends '.join((*heritage, base))}", "Break the circle.")
    if not isinstance(profiles.get(base), dict):
        hint = did_you_mean(base, profiles)
        return Fault(path, f"there is no profile {base!r}", hint)
    return None
