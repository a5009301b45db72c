"""Data tables: rows of a file, of which each iteration or user has one by its number.

No cursor and no coordination: which row is had is a function of the number, so that it is the same
throughout an iteration, in every worker, and when evidence is computed again.
"""

import csv
from array import array
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from zlib import crc32

import msgspec
from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.workload.bodies import MAX_FILE_BYTES
from stressproof.workload.order import word

MAX_ROWS = 1_000_000
_KEPT_ROWS = 65_536
_BOM = b"\xef\xbb\xbf"

Row = Mapping[str, Any]
"""CSV: texts by column. JSON lines: any JSON values."""


class Table(Struct, frozen=True):
    """One ``[data.NAME]``.

    Attributes:
        name: As ``{{name.column}}`` and ``user.data["name"]`` have it.
        path: Of the file, as the plan names it; ``.csv`` is text, ``.jsonl`` typed.
        content: All of it.
        pick: ``sequential`` begins again after the last row; ``random`` draws by seed and number;
            ``unique`` has each row once and never begins again.
        per: What is numbered: iterations of a scenario, or users of the round.
    """

    name: str
    path: str
    content: bytes
    pick: Literal["sequential", "random", "unique"] = "sequential"
    per: Literal["iteration", "user"] = "iteration"

    def __repr__(self) -> str:
        return f"Table(name={self.name!r}, path={self.path!r}, pick={self.pick!r}, per={self.per})"


class Rows:
    """The rows of a table, parsed when they are asked for.

    Args:
        table: What to read.
        seed: Of the workload; decides what ``random`` draws.

    Attributes:
        columns: What every row has.

    Raises:
        UsageError: The file is no table, is empty, or is out of bounds; the message has the line.
    """

    def __init__(self, table: Table, seed: int = 0) -> None:
        self.table = table
        self._seed = seed + crc32(table.name.encode())
        self._starts = array("Q")
        self._parsed: dict[int, Row] = {}
        if len(table.content) > MAX_FILE_BYTES:
            raise UsageError(
                f"{table.path} has {len(table.content):,} bytes, expected at most "
                f"{MAX_FILE_BYTES:,}",
                hint="keep the rows that a run needs",
            )
        self._is_csv = table.path.lower().endswith(".csv")
        if not self._is_csv and not table.path.lower().endswith((".jsonl", ".ndjson")):
            raise UsageError(
                f"{table.path} is neither .csv nor .jsonl", hint="name it after what is in it"
            )
        self.columns = self._index_csv() if self._is_csv else self._index_lines()
        if not len(self):
            raise UsageError(f"{table.path} has no rows", hint="write at least one")

    def __len__(self) -> int:
        return max(len(self._starts) - 1, 0)

    def at(self, number: int) -> Row:
        """Return the row of iteration or user ``number`` (from 0).

        Raises:
            UsageError: Every row was had once, and the table is ``unique``.
        """
        pick = self.table.pick
        if pick == "random":
            number = word(self._seed, number)
        elif pick == "unique" and number >= len(self):
            raise not_enough(self.table, len(self), number + 1)
        place = number % len(self)
        found = self._parsed.get(place)
        if found is None:
            found = self._parse(place)
            if len(self._parsed) < _KEPT_ROWS:
                self._parsed[place] = found
        return found

    def column(self, name: str) -> Iterator[Any]:
        """Yield the values of a column, row after row."""
        return (self._parse(place)[name] for place in range(len(self)))

    def _parse(self, place: int) -> Row:
        line = self.table.content[self._starts[place] : self._starts[place + 1]]
        if self._is_csv:
            text = line.decode().rstrip("\r\n")  # blank lines behind it, too
            return dict(zip(self.columns, next(csv.reader([text])), strict=True))
        row: Row = msgspec.json.decode(line)
        return row

    def _lines(self, ends: "array[int]") -> Iterator[bytes]:
        """Yield lines with their ends, noting where each ended."""
        content = self.table.content
        at = len(_BOM) if content.startswith(_BOM) else 0
        ends.append(at)
        while at < len(content):
            end = content.find(b"\n", at) + 1 or len(content)
            ends.append(end)
            yield content[at:end]
            at = end

    def _index_csv(self) -> tuple[str, ...]:
        ends: array[int] = array("Q")
        reader = csv.reader((line.decode() for line in self._lines(ends)), strict=True)
        columns: tuple[str, ...] = ()
        begun = 0
        try:
            for record in reader:
                first, begun = begun, reader.line_num
                if not columns:
                    columns = self._header(record)
                elif record:
                    if len(record) != len(columns):
                        raise self._bad(first + 1, f"{len(record)} fields, expected {len(columns)}")
                    self._add(ends[first], ends[begun])
        except (csv.Error, UnicodeDecodeError) as error:
            raise self._bad(begun + 1, str(error)) from error
        return columns

    def _header(self, record: list[str]) -> tuple[str, ...]:
        if not record or not all(record) or len(set(record)) < len(record):
            raise self._bad(1, f"the columns {record}, expected different names")
        return tuple(record)

    def _index_lines(self) -> tuple[str, ...]:
        ends: array[int] = array("Q")
        columns: dict[str, None] | None = None
        for number, line in enumerate(self._lines(ends), 1):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line)
                line.decode()
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise self._bad(number, str(error)) from error
            if not isinstance(row, dict):
                raise self._bad(number, f"a {type(row).__name__}, expected an object")
            if columns is None:
                columns = dict.fromkeys(row)
            elif columns.keys() != row.keys():
                columns = {name: None for name in columns if name in row}
            self._add(ends[number - 1], ends[number])
        return tuple(columns or ())

    def _add(self, start: int, end: int) -> None:
        """Note a row; blank lines behind it are of its bytes and not of its values."""
        if self._starts:
            self._starts.pop()
        self._starts.extend((start, end))
        if len(self) > MAX_ROWS:
            raise UsageError(
                f"{self.table.path} has more than {MAX_ROWS:,} rows",
                hint="keep the rows that a run needs",
            )

    def _bad(self, line: int, seen: str) -> UsageError:
        return UsageError(
            f"{self.table.path}, line {line}: {seen}",
            hint="a table is CSV with a line of column names, or one JSON object a line",
        )


def not_enough(table: Table, rows: int, needed: int) -> UsageError:
    """Return what refuses a ``unique`` table with fewer rows than are needed."""
    return UsageError(
        f"the table {table.name} is unique and has {rows:,} rows, and {needed:,} {table.per}s "
        "need one each",
        hint='write more rows, or pick = "sequential"',
    )
