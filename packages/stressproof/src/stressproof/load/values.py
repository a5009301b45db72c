"""What placeholders become: rows of tables by number, and values that are new for each request."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stressproof.load.unique_values import UniqueValues
from stressproof.workload.tables import Row, Rows
from stressproof.workload.templates import SEQ, UUID, demand_known
from stressproof.workload.workload import Workload


class Tables:
    """All tables of a workload, read.

    Raises:
        UsageError: One of them is none.
    """

    def __init__(self, workload: Workload) -> None:
        self.rows = {table.name: Rows(table, workload.seed) for table in workload.tables}
        self.columns = {name: rows.columns for name, rows in self.rows.items()}

    def demand(self, where: str, needs: Iterable[str]) -> None:
        """Refuse placeholders that mean nothing.

        Raises:
            UsageError: One is neither a column nor made anew.
        """
        demand_known(where, needs, self.columns)


class RowsOf(Mapping[str, Row]):
    """The rows that one iteration of one user has, found when they are looked at."""

    __slots__ = ("_iteration", "_tables", "_user")

    def __init__(self, tables: Tables, iteration: int, user: int) -> None:
        self._tables = tables
        self._iteration = iteration
        self._user = user

    def __getitem__(self, name: str) -> Row:
        rows = self._tables.rows[name]
        return rows.at(self._user if rows.table.per == "user" else self._iteration)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables.rows)

    def __len__(self) -> int:
        return len(self._tables.rows)


def values_for(
    needs: Iterable[str], unique: UniqueValues, rows: Mapping[str, Row]
) -> dict[str, Any]:
    """Return a value for each placeholder that a request needs."""
    values: dict[str, Any] = {}
    for name in needs:
        if name == UUID:
            values[name] = unique.uuid()
        elif name == SEQ:
            values[name] = unique.next_number()
        else:
            table, _, column = name.partition(".")
            values[name] = rows[table][column]
    return values
