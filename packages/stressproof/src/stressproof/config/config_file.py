"""``stressproof.toml`` in its types: what is right of it is read although other parts are wrong."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.config.mistakes import ConfigError, Mistake, related
from stressproof.config.positions import Place
from stressproof.config.reading import Source, located, parsed
from stressproof.config.remains import Remains
from stressproof.config.schema import Config
from stressproof.config.type_mistakes import type_mistakes
from stressproof.objectives.syntax import did_you_mean

_MOST = 100
"""Mistakes that are told of one file."""


class ConfigFile(Struct, frozen=True):
    """What could be read of a file.

    Attributes:
        config: Its tables, without what is wrong.
        mistakes: What is wrong.
        unread: Places of which too little is known to judge what they mean.
        in_file: Where in the file a place of the tables is: entries that were taken out count.
    """

    config: Config
    mistakes: tuple[Mistake, ...]
    unread: frozenset[Place]
    in_file: Callable[[Place], Place]

    def told(self, mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
        """Yield mistakes of meaning where they stand, but what was brought about by taking out."""
        for mistake in mistakes:
            place = self.in_file(mistake.path)
            if not any(related(one, place) for one in self.unread):
                yield msgspec.structs.replace(mistake, path=place)


def read_config(source: Source) -> ConfigFile:
    """Return what can be read of a file, and what is wrong with it.

    Raises:
        ConfigError: It is not TOML, or holds more mistakes than anybody mends at once.
    """
    data = parsed(source)
    kind = _type_of(data)
    mistakes = list(islice(chain(_extended(data), type_mistakes(data, kind, ())), _MOST + 1))
    if len(mistakes) > _MOST:
        told = [located(source, mistake) for mistake in mistakes[:_MOST]]
        more = msgspec.structs.replace(told[-1], hint="There are more; mend these first.")
        raise ConfigError(source.name, [*told[:-1], more])
    profiles: Any = data.get("profile")
    wanting = isinstance(profiles, dict) and any(
        mistake.path[:1] == ("profile",) for mistake in mistakes
    )
    heirs = [name for name in profiles if _base(profiles, name)] if wanting else []
    remains = Remains(data)
    wrong = mistakes
    while wrong:
        remains.take_out(mistake.path for mistake in wrong)
        wrong = list(type_mistakes(data, kind, ()))
    unread = {mistake.path for mistake in mistakes} | remains.taken
    for table, whose in (("profile", "profile"), ("targets", "target")):
        if any(len(place) <= len((table, "name")) and table in place[:1] for place in unread):
            unread.add(("gate", whose))  # it may name what was taken out
    for name in heirs:  # they, and scenarios of theirs, may lack what they start from
        unread |= {("profile", name, "extends"), ("profile", name, "scenario")}
    return ConfigFile(
        msgspec.convert(data, kind),
        tuple(located(source, mistake) for mistake in mistakes),
        frozenset(unread),
        remains.in_file,
    )


def _type_of(data: dict[str, Any]) -> type[Config]:
    """Return the types of a file: those of failures only where it has any, or a key unknown."""
    if data.keys() <= {field.encode_name for field in msgspec.structs.fields(Config)}:
        return Config
    from stressproof.config.whole_file import WholeFile  # noqa: PLC0415  # 20 ms that few need

    return WholeFile


def _extended(data: dict[str, Any]) -> Iterator[Mistake]:
    """Let profiles start from the keys of those that they extend; yield what cannot be."""
    profiles = data.get("profile")
    if not isinstance(profiles, dict):
        return
    given = dict(profiles)
    for name in given:
        heritage = [name]
        while heritage and (base := _base(given, heritage[-1])):
            mistake = _base_mistake(given, heritage, base)
            if mistake is None:
                heritage.append(base)
                continue
            if mistake.path[1] == name:  # whoever only leads to a mistake is none of it
                yield mistake
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


def _base_mistake(profiles: dict[str, Any], heritage: list[str], base: str) -> Mistake | None:
    """Return what is wrong with the last of a chain of profiles and what it extends, if anything.

    A circle is told where it is closed.
    """
    path: Place = ("profile", heritage[-1], "extends")
    if base in heritage:
        place: Place = ("profile", base, "extends")
        return Mistake(place, f"{' extends '.join((*heritage, base))}", "Break the circle.")
    if not isinstance(profiles.get(base), dict):
        hint = did_you_mean(base, profiles)
        return Mistake(path, f"there is no profile {base!r}", hint)
    return None
