"""The data of a round: which row an iteration or a user has, and whether there are enough."""

from collections.abc import Iterable, Iterator
from typing import Any

from stressproof.errors import UsageError
from stressproof.workload.executors import most_iterations
from stressproof.workload.scenarios import Scenario
from stressproof.workload.tables import Row, Rows, Table, not_enough
from stressproof.workload.target import is_header_value
from stressproof.workload.templates import demand_known, placeholders
from stressproof.workload.workload import Workload


class Data:
    """The rows of a workload's tables.

    Args:
        workload: Whose placeholders must all mean something.

    Raises:
        UsageError: A table is none, a placeholder means nothing, or a value cannot stand where it
            is put.
    """

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._rows = {table.name: Rows(table, workload.seed) for table in workload.tables}
        columns = {name: rows.columns for name, rows in self._rows.items()}
        for where, needs in _needs(workload):
            demand_known(where, needs, columns)
        for where, value in _headers(workload):
            for name in sorted(placeholders(value)):
                self._demand_header_values(where, name)

    def row(self, table: str, scenario: int, iteration: int, user: int) -> Row:
        """Return the row that an iteration has of a table.

        Args:
            table: Its name.
            scenario: Position of the scenario.
            iteration: Its number in the scenario, from 0, over all workers.
            user: Its user's number, from `first_user` of the scenario, over all workers.

        Raises:
            UsageError: A ``unique`` table has no more rows.
        """
        rows = self._rows[table]
        if rows.table.per == "user":
            return rows.at(user)
        return rows.at(iteration + self._first_number(rows.table, scenario))

    @property
    def names(self) -> list[str]:
        """The tables that there are."""
        return list(self._rows)

    def values(
        self, needs: Iterable[str], scenario: int, iteration: int, user: int
    ) -> dict[str, Any]:
        """Return a value for each placeholder ``table.column`` among some."""
        found: dict[str, Any] = {}
        for name in needs:
            table, dot, column = name.partition(".")
            if dot:
                found[name] = self.row(table, scenario, iteration, user)[column]
        return found

    def rows_of(self, table: str) -> int:
        """Return how many rows a table has."""
        return len(self._rows[table])

    def demand_enough(self, rounds: int) -> None:
        """Refuse ``unique`` tables with fewer rows than some rounds may need.

        Users of each round have rows of their own within it; iterations have one each, over all
        rounds.

        Raises:
            UsageError: There are too few, or nobody can say how many are needed.
        """
        workload = self._workload
        for name, rows in self._rows.items():
            table = rows.table
            if table.pick != "unique":
                continue
            if table.per == "user":
                needed = first_user(workload, len(workload.scenarios))
            else:
                needed = rounds * _iterations_of_all(workload, table)
            if needed > len(rows):
                raise not_enough(table, self.rows_of(name), needed)

    def _first_number(self, table: Table, scenario: int) -> int:
        """Return how many iterations had a row of a ``unique`` table before a scenario's first."""
        if table.pick != "unique":
            return 0
        workload = self._workload
        before = workload.scenarios[:scenario]
        whole = workload.round_number * _iterations_of_all(workload, table)
        return whole + sum(_iterations(one, table) for one in before)

    def _demand_header_values(self, where: str, name: str) -> None:
        table, dot, column = name.partition(".")
        if not dot:
            return
        rows = self._rows[table]
        for number, value in enumerate(rows.column(column)):
            if not isinstance(value, str | int | float) or not is_header_value(str(value)):
                raise UsageError(
                    f"{where}: {name} of row {number + 1} of {rows.table.path} cannot stand in a "
                    "header",
                    hint="a header's value is one line of Latin-1 text",
                )


def demand_columns(workload: Workload) -> None:
    """Refuse placeholders that name a table of a workload and none of its columns.

    Whatever else stands between braces is made elsewhere: what a failure prepares, for one.

    Raises:
        UsageError: A table is none, or has no such column.
    """
    columns = {table.name: Rows(table, workload.seed).columns for table in workload.tables}
    for where, needs in _needs(workload):
        demand_known(where, (one for one in needs if one.partition(".")[0] in columns), columns)


def first_user(workload: Workload, scenario: int) -> int:
    """Return the number of a scenario's first user: no two users of a round have the same."""
    return sum(one.executor.max_users for one in workload.scenarios[:scenario])


def _iterations_of_all(workload: Workload, table: Table) -> int:
    return sum(_iterations(one, table) for one in workload.scenarios)


def _iterations(scenario: Scenario, table: Table) -> int:
    """Return how many iterations of a scenario may have a row of a ``unique`` table.

    What a flow takes nobody knows before it runs, so that it counts as taking of every table.
    """
    used = {name.partition(".")[0] for one in scenario.requests for name in one.placeholders}
    if not scenario.flows and table.name not in used:
        return 0
    most = most_iterations(scenario.executor)
    if most is None:
        raise UsageError(
            f"the table {table.name} is unique per iteration, and nobody knows how many iterations "
            f"the scenario {scenario.name} begins",
            hint='ask for a rate or for iterations, or write per = "user"',
        )
    return most


def _needs(workload: Workload) -> Iterator[tuple[str, Iterable[str]]]:
    for scenario in workload.scenarios:
        for request in scenario.requests:
            yield request.name, request.placeholders
    for where, value in _headers(workload):
        yield where, placeholders(value)


def _headers(workload: Workload) -> Iterator[tuple[str, str]]:
    for name, value in workload.target.headers.items():
        yield f"the target's header {name}", value
    for scenario in workload.scenarios:
        for name, value in scenario.steps.headers.items():
            yield f"the header {name} of flows", value
        for request in scenario.requests:
            for headers in (request.headers, *request.rotate):
                for name, value in headers.items():
                    yield f"{request.name}: the header {name}", value
