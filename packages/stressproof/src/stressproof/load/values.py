"""What placeholders become: rows by number, and values that are new for each request."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stressproof.load.unique_values import UniqueValues
from stressproof.workload.data import Data
from stressproof.workload.tables import Row
from stressproof.workload.templates import EFFECT, SEQ, UUID


class RowsOf(Mapping[str, Row]):
    """The rows that one iteration of one user has, found when they are looked at.

    Args:
        data: Of the workload.
        scenario: Position of the scenario.
        iteration: Its number in the scenario.
        user: Its user's number in the round.
    """

    __slots__ = ("_data", "_iteration", "_scenario", "_user")

    def __init__(self, data: Data, scenario: int, iteration: int, user: int) -> None:
        self._data = data
        self._scenario = scenario
        self._iteration = iteration
        self._user = user

    def __getitem__(self, name: str) -> Row:
        return self._data.row(name, self._scenario, self._iteration, self._user)

    def __iter__(self) -> Iterator[str]:
        return iter(self._data.names)

    def __len__(self) -> int:
        return len(self._data.names)


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
        elif name == EFFECT:
            values[name] = unique.effect()
        else:
            table, _, column = name.partition(".")
            values[name] = rows[table][column]
    return values
