"""The requests of a file's failure scenario: from the templates that a stress load is made of.

Beside the placeholders of the load there are ``{{effect}}``, the text by which one effect is found
again, and ``{{run}}``, with which the texts of all effects of a trial begin.
"""

import itertools
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from stressproof.config.failures.plan import FailureLoad
from stressproof.config.failures.testbed_plan import SECRET
from stressproof.errors import RunError
from stressproof.failures.sendings import batches_of
from stressproof.failures.spec import FaultSpec, RequestSpec, Send
from stressproof.faults.answer_rules import RuleReader
from stressproof.faults.load import Makers, Mix, Request
from stressproof.load.composing import Composed, compose_request
from stressproof.load.unique_values import UniqueValues
from stressproof.load.values import values_for
from stressproof.workload import requests as workload
from stressproof.workload.tables import Row, Rows
from stressproof.workload.target import Target
from stressproof.workload.templates import EFFECT, RUN, Place, Template

PreparedRows = Mapping[str, Sequence[Row]]
"""Rows by table, as a file's ``prepare`` returns them."""

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class EffectNumbers:
    """The effects of one trial: their texts, and the key that evidence knows each by.

    Keys count in the order in which effects are asked for, so that none is left out.

    Args:
        run: Names the trial; every text is ``RUN-NUMBER``.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self._texts = itertools.count(1)
        self._keys: dict[str, int] = {}
        self._lock = threading.Lock()

    def new(self) -> str:
        """Return the text of a new effect; it has no key before it is asked for."""
        return f"{self.run}-{next(self._texts)}"

    def key(self, text: str) -> int:
        """Return the key of an effect that is asked for, from 1."""
        with self._lock:
            return self._keys.setdefault(text, len(self._keys) + 1)

    def known(self, text: str) -> int | None:
        """Return the key of an effect, None where nobody asked for it."""
        return self._keys.get(text)


class _Cursor:
    """Gives out the rows of one table, one after another.

    Args:
        name: Of the table.
        rows: What it has.
        once: Whether each row is had once: it is one effect.
    """

    def __init__(self, name: str, rows: "Rows | Sequence[Row]", *, once: bool) -> None:
        self.name = name
        self._rows = rows
        self._once = once or (isinstance(rows, Rows) and rows.table.pick == "unique")
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, number: int) -> Row:
        """Return one row; after the last comes the first."""
        if isinstance(self._rows, Rows):
            return self._rows.at(number)
        return self._rows[number % len(self._rows)]

    def take(self) -> Row | None:
        """Return the next row, None where each was had once."""
        number = next(self._numbers)
        return None if self._once and number >= len(self._rows) else self.at(number)


class _Compiled(Struct, frozen=True):
    """One kind of request.

    Attributes:
        spec: What it is in evidence.
        method: As it is sent.
        variants: What is sent, one for each set of rotated headers.
        effect: The text of the effect it asks for, None for none.
        tables: Of which it needs a row.
        columns: What it takes of them, each as ``table.column``.
        read: Says how an answer ended it.
        timeout_s: After which it is given up, None for the load's.
    """

    spec: RequestSpec
    method: str
    variants: Iterator[Composed]
    effect: Template | None
    tables: frozenset[str]
    columns: frozenset[str]
    read: RuleReader
    timeout_s: float | None


class FileRequests:
    """Makes the requests of one trial.

    Args:
        specs: Their kinds.
        load: What each is, in the same order, and the tables that they need rows of.
        target: Whom they are sent to.
        effects: Of this trial.
        prepared: Rows that were made for this trial.
        secrets: Of the testbed, by name.
        seed: Decides what ``random`` tables give.

    Attributes:
        kept: What answers' rules kept, by name.

    Raises:
        RunError: A table that is needed has no rows.
    """

    def __init__(
        self,
        specs: Sequence[RequestSpec],
        load: FailureLoad,
        target: Target,
        effects: EffectNumbers,
        prepared: PreparedRows,
        secrets: Mapping[str, str],
        seed: int,
    ) -> None:
        self.effects = effects
        self._secrets = secrets
        self.kept: dict[str, list[Any]] = {}
        self._unique = UniqueValues(0, 1)
        self._scheduled = [spec.kind for spec in specs if spec.weight]
        self._kinds = {
            spec.kind: _compiled(spec, request, effect, target, self.kept)
            for spec, request, effect in zip(specs, load.requests, load.effects, strict=True)
        }
        spent = {
            name.partition(".")[0]
            for one in self._kinds.values()
            if one.effect is not None
            for name in one.effect.needs
        }
        rows: dict[str, Rows | Sequence[Row]] = {
            table.name: Rows(table, seed) for table in load.tables
        }
        self._cursors = {
            name: _Cursor(name, found, once=name in spent)
            for name, found in {**rows, **prepared}.items()
        }
        for one in self._kinds.values():
            for table in sorted(one.tables):
                cursor = self._cursors.get(table)
                if not cursor:
                    raise RunError(
                        f"{one.spec.kind} needs a row of {table}, which has none",
                        hint=f"Have prepare return rows of {table}.",
                    )
                row = cursor.at(0)
                for name in sorted(one.columns):
                    of, _, column = name.partition(".")
                    if of == table and column not in row:
                        raise RunError(
                            f"{one.spec.kind}: {{{{{name}}}}} means nothing: "
                            f"{table} has {', '.join(row)}",
                            hint="Name one of its columns.",
                        )

    def makers(self) -> Makers:
        """Return what makes each kind of the load's requests."""
        return {kind: self._maker(kind) for kind in self._kinds}

    def _maker(self, kind: str) -> Callable[[], Request]:
        return lambda: self.make(kind)

    def make(self, kind: str) -> Request:
        """Return the next request of a kind: with rows and an effect of its own.

        Raises:
            RunError: The rows of its effects are used up.
        """
        return self._filled(kind, self._rows(self._kinds[kind]), self.effects.new)

    def batch(self, kind: str, times: int, *, same: bool) -> list[Request]:
        """Return so many requests of a kind.

        Args:
            kind: What they are.
            times: How many.
            same: Whether all have the rows and the effect of the first.

        Raises:
            RunError: Too few rows are left.
        """
        if not same:
            return [self.make(kind) for _ in range(times)]
        rows = self._rows(self._kinds[kind])
        effect = self.effects.new()
        return [self._filled(kind, rows, lambda: effect) for _ in range(times)]

    def batches(self, fault: FaultSpec) -> list[Callable[[], list[Request]]]:
        """Return what makes each batch that a fault sends, when it is its turn."""
        return [partial(self._batch, one) for one in batches_of(fault, self._scheduled)]

    def _batch(self, batch: Sequence[tuple[str, Send]]) -> list[Request]:
        return [
            request for kind, one in batch for request in self.batch(kind, one.times, same=one.same)
        ]

    def mix(self, fault: FaultSpec) -> Mix:
        """Return what a fault sends beside the load, by weight."""
        [batch] = batches_of(fault, self._scheduled)
        return [(one.times, self._maker(kind)) for kind, one in batch]

    def of_rows(self, fault: FaultSpec) -> list[Request]:
        """Return a request for each row of the table that a fault names.

        Raises:
            RunError: The table is empty, or has no such column.
        """
        table, column = (str(fault.parameters.get(key, "")) for key in ("table", "kind_from"))
        cursor = self._cursors.get(table)
        if not cursor:
            raise RunError(f"{fault.id} sends each row of {table}, which has none")
        [batch] = batches_of(fault, self._scheduled)
        made = []
        for number in range(len(cursor)):
            row = cursor.at(number)
            word = str(row.get(column, "")) if column else ""
            if column and not _WORD.fullmatch(word):
                raise RunError(
                    f"{fault.id} names operations by {column}, which is {word!r} in {table}",
                    hint="Give each row a word of letters, digits, dots, dashes and underscores.",
                )
            for kind, _ in batch:
                others = self._rows(self._kinds[kind], besides=table)
                request = self._filled(kind, {**others, table: row}, self.effects.new)
                made.append(replace(request, kind=f"{kind}_{word}") if word else request)
        return made

    def text(self, text: str) -> str:
        """Return a text with ``{{run}}``, secrets, and columns of the first rows of tables.

        Raises:
            RunError: A table has no such column, or no rows.
        """
        template = Template.of(text, Place.TEXT)
        values: dict[str, Any] = {RUN: self.effects.run}
        for name in template.needs - {RUN}:
            table, _, column = name.partition(".")
            cursor = self._cursors.get(table, ())
            row = self._secrets if table == SECRET else cursor.at(0) if cursor else {}
            if column not in row:
                raise RunError(
                    f"{{{{{name}}}}} means nothing: {table} has {', '.join(row) or 'no rows'}",
                    hint=f"Have prepare return rows of {table} with {column}.",
                )
            values[name] = row[column]
        return template.fill(values).decode()

    def _rows(self, one: _Compiled, besides: str = "") -> dict[str, Row]:
        """Return the next row of each table that a request needs.

        Raises:
            RunError: One has no more.
        """
        rows: dict[str, Row] = {}
        for table in sorted(one.tables - {besides}):
            row = self._cursors[table].take()
            if row is None:
                raise RunError(
                    f"no row of {table} is left for {one.spec.kind}: each is asked for once",
                    hint="Have prepare make more.",
                )
            rows[table] = row
        return rows

    def _filled(self, kind: str, rows: Mapping[str, Row], new_effect: Callable[[], str]) -> Request:
        one = self._kinds[kind]
        composed = next(one.variants)
        own = {EFFECT, RUN}
        rows = {**rows, SECRET: self._secrets}
        values = values_for(composed.needs - own, self._unique, rows)
        values[RUN] = self.effects.run
        key = 0
        if one.effect is not None:
            if EFFECT in one.effect.needs:
                values[EFFECT] = new_effect()
            filled = values_for(one.effect.needs - own, self._unique, rows) | values
            key = self.effects.key(one.effect.fill(filled).decode())
        headers = {
            name.decode("latin-1"): value.fill(values).decode("latin-1")
            for name, value in composed.fields
            if not name.startswith(b":")
        }
        return Request(
            kind=kind,
            method=one.method,
            path=composed.url.fill(values).decode("latin-1"),
            headers=headers,
            body=composed.body.fill(values),
            key=key,
            read=one.read,
            timeout_s=one.timeout_s,
        )


def _compiled(
    spec: RequestSpec,
    request: workload.Request,
    effect_text: str,
    target: Target,
    kept: dict[str, list[Any]],
) -> _Compiled:
    variants = compose_request(target, request)
    effect = Template.of(effect_text, Place.TEXT) if effect_text else None
    needs = set(effect.needs if effect is not None else ()).union(*(one.needs for one in variants))
    columns = {name for name in needs if "." in name and name.partition(".")[0] != SECRET}
    return _Compiled(
        spec=spec,
        method=request.method,
        variants=itertools.cycle(variants),
        effect=effect,
        tables=frozenset(name.partition(".")[0] for name in columns),
        columns=frozenset(columns),
        read=RuleReader(spec, request.checks, kept),
        timeout_s=None if request.timeout_us is None else request.timeout_us / 1e6,
    )
