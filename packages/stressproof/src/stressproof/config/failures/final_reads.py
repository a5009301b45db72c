"""``[effects]`` and ``[[invariant]]``: what is read in the end, past proxies and the service."""

import re
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from stressproof.config.amounts import time_or_least
from stressproof.config.failures.tables import EffectsTable, InvariantTable
from stressproof.config.failures.testbed_plan import ADDRESS, SECRET, TestbedPlan
from stressproof.config.mistakes import Mistakes, there_are
from stressproof.config.positions import Place
from stressproof.errors import UsageError
from stressproof.failures.loopback import require_loopback
from stressproof.failures.parameters import S
from stressproof.failures.spec import Effects, Invariant
from stressproof.workload.target import origin_of
from stressproof.workload.templates import RUN, placeholders

KEPT = "kept"
"""The word before values that answers left for invariants."""

_WAYS = ("sql", "http", "run")
_MEMBER = re.compile(r"json:[^\s.=,]+(?:\.[^\s.=,]+)*")
_OF_EFFECTS = ("rows", "effect")
_OF_INVARIANTS = ("compared", "violations")
_EFFECTS: Place = ("effects",)


class FinalReads(Struct, frozen=True):
    """What is read in the end.

    Attributes:
        effects: None where the file names no source.
        invariants: In the file's order.
    """

    effects: Effects | None
    invariants: tuple[Invariant, ...]


def read_final_reads(
    effects: EffectsTable | None,
    invariants: Sequence[InvariantTable],
    testbed: TestbedPlan,
    kept: Collection[str],
    mistakes: Mistakes,
) -> FinalReads:
    """Return what is read in the end.

    Args:
        effects: What the file says of effects.
        invariants: What it says must be true.
        testbed: What can be asked.
        kept: Names of values that answers leave for invariants.
        mistakes: Takes what is wrong.
    """
    reader = _Reader(testbed, kept, mistakes)
    found: list[Invariant] = []
    for at, table in enumerate(invariants):
        place: Place = ("invariant", at)
        if table.id in [one.id for one in found]:
            mistakes.add((*place, "id"), f"the id {table.id!r} is given twice")
        found.append(reader.invariant(table, place))
    return FinalReads(None if effects is None else reader.effects(effects), tuple(found))


class _Reader:
    """Reads each source, and takes note of what is wrong with it."""

    def __init__(self, testbed: TestbedPlan, kept: Collection[str], mistakes: Mistakes) -> None:
        self._testbed = testbed
        self._kept = kept
        self._mistakes = mistakes

    def effects(self, table: EffectsTable) -> Effects:
        self._demand_source(table, _EFFECTS, _OF_EFFECTS, ("count",), frozenset())
        return Effects(
            table.source,
            table.sql or "",
            table.http or "",
            table.rows,
            table.effect,
            table.count,
            table.run or (),
        )

    def invariant(self, table: InvariantTable, place: Place) -> Invariant:
        self._demand_source(table, place, _OF_INVARIANTS, (), {KEPT})
        at_least = table.at_least
        if isinstance(at_least, str) and at_least != "effects":
            self._mistakes.add(
                (*place, "at_least"), f"{at_least!r} is no number", 'Write one, or "effects".'
            )
        settle_us = time_or_least(self._mistakes, (*place, "settle"), table.settle, 0, 60 * S)
        return Invariant(
            id=table.id,
            title=table.title.removesuffix("."),
            from_=table.source,
            sql=table.sql or "",
            http=table.http or "",
            compared=table.compared,
            violations=table.violations,
            run=table.run or (),
            at_least=at_least if isinstance(at_least, int) else "effects",
            of=table.of,
            codes=table.codes,
            settle_us=settle_us,
            faults_only=table.faults_only,
        )

    def _demand_source(
        self,
        table: EffectsTable | InvariantTable,
        place: Place,
        members: Sequence[str],
        more: Sequence[str],
        words: Collection[str],
    ) -> None:
        """Refuse a source that cannot be asked.

        Args:
            table: What the file says.
            place: Where it stands.
            members: Keys that an answer over HTTP needs.
            more: Those that it may have.
            words: Words before names of placeholders, beside those of the testbed.
        """
        given = [way for way in _WAYS if getattr(table, way) is not None]
        if len(given) != 1:
            seen = f"{' and '.join(given)} say it twice" if given else "nothing says what is asked"
            self._mistakes.add(place, seen, "Write one of sql, http and run.")
            return
        way = given[0]
        if self._mistakes.knows("testbed"):
            self._mistakes.attempt((*place, "from"), self._demand_from, way, table.source)
        if way == "http" and not (table.http or "").startswith("/"):
            self._mistakes.add((*place, "http"), f"{table.http!r} is no path", "Such as /audit.")
        for key in (*members, *more):
            text = getattr(table, key)
            if way != "http" and text:
                hint = "Leave it out: rows and lines have their order."
                self._mistakes.add((*place, key), f"{key} is of answers over HTTP", hint)
            elif way == "http" and not text and key in members:
                self._mistakes.add(
                    place, f"nothing says where {key} is in the answer", f"Write {key} = json:…"
                )
            elif text and not _MEMBER.fullmatch(text):
                self._mistakes.add((*place, key), f"{text!r} names no member", "Such as json:rows.")
        for text in self._texts(table):
            self._mistakes.attempt((*place, way), self._demand_placeholders, text, words)

    @staticmethod
    def _texts(table: EffectsTable | InvariantTable) -> Iterator[str]:
        yield from (table.sql or "", table.http or "", *(table.run or ()))

    def _demand_from(self, way: str, source: str) -> None:
        """Refuse a source that is not there, or cannot be asked this way.

        Raises:
            UsageError: It is.
        """
        kinds = self._testbed.target_kinds
        if way == "run":
            if source:
                raise UsageError(
                    "a command knows itself whom it asks",
                    hint="Leave from out, or name no command.",
                )
            return
        if way == "http" and "://" in source:
            require_loopback(origin_of(source).host)
            return
        wanted = "postgres" if way == "sql" else "process"
        if kinds.get(source) != wanted:
            seen = f"{source} is a {kinds[source]}" if source in kinds else f"{source!r} is nothing"
            known = [name for name, kind in kinds.items() if kind == wanted]
            raise UsageError(
                f"{way} asks a {wanted} of the testbed, and {seen}", hint=there_are(known)
            )

    def _demand_placeholders(self, text: str, words: Collection[str]) -> None:
        """Refuse what stands for nothing.

        Raises:
            UsageError: It does.
        """
        for one in sorted(placeholders(text)):
            name, _, what = one.partition(".")
            known: Collection[str] = ()
            if name == SECRET:
                known = self._testbed.secrets
            elif name in words:
                known = self._kept
            elif name in self._testbed.target_kinds:
                known = ADDRESS
            if one != RUN and what not in known:
                raise UsageError(
                    f"{{{{{one}}}}} means nothing here",
                    hint="There are {{run}}, {{secret.NAME}}, {{NAME.address}}"
                    + (" and {{kept.NAME}} of answers." if words else "."),
                )
