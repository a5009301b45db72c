"""The data of a round: who has which row, and when there are too few."""

from typing import Any

import pytest

from stressproof.errors import UsageError
from stressproof.workload.data import Data, first_user
from stressproof.workload.executors import (
    ConstantArrivalRate,
    ConstantVus,
    PerVuIterations,
    SharedIterations,
    most_iterations,
)
from stressproof.workload.flows import Flow
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario
from stressproof.workload.tables import Table
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

pytestmark = pytest.mark.gate

S = 1_000_000
GET = Request("", "GET", "/{{t.n}}")


def table(rows: int = 10, **settings: Any) -> Table:
    """Return a table of numbers."""
    return Table("t", "t.csv", b"n,m\n" + b"".join(b"%d,x\n" % n for n in range(rows)), **settings)


def workload(*scenarios: Scenario, target: Target | None = None, **settings: Any) -> Workload:
    """Return a workload."""
    return Workload(target or Target("http://h"), scenarios, **settings)


def test_a_row_is_the_iterations_or_the_users() -> None:
    """All placeholders of an iteration come from one row."""
    two = [Scenario(ConstantVus(3, S), (GET,), name) for name in ("a", "b")]
    data = Data(workload(*two, tables=(table(),)))
    assert data.values({"t.n", "t.m", "uuid"}, 0, 7, 2) == {"t.n": "7", "t.m": "x"}
    assert data.values({"t.n"}, 1, 7, 2) == {"t.n": "7"}
    of_users = Data(workload(*two, tables=(table(per="user"),)))
    assert of_users.values({"t.n"}, 1, 7, 4) == {"t.n": "4"}


def test_unique_rows_are_had_once_over_scenarios_and_rounds() -> None:
    """Who comes later goes on where the others end, and users of a round have rows of their own."""
    rate = ConstantArrivalRate(2, 2 * S, max_users=5, ramp_us=S)
    other = Scenario(SharedIterations(1, 3, S), (GET,), "b")
    unused = Scenario(ConstantVus(4, S), (Request("", "GET", "/"),), "c")
    assert most_iterations(rate) == 5
    one = workload(Scenario(rate, (GET,), "a"), other, unused, tables=(table(24, pick="unique"),))
    had = [
        Data(workload(*one.scenarios, tables=one.tables, round_number=number)).row(
            "t", scenario, iteration, 0
        )["n"]
        for number in range(3)
        for scenario, iterations in ((0, 5), (1, 3))
        for iteration in range(iterations)
    ]
    assert had == [str(number) for number in range(24)]
    Data(one).demand_enough(3)
    with pytest.raises(UsageError, match="24 rows, and 32 iterations"):
        Data(one).demand_enough(4)
    users = workload(*one.scenarios, tables=(table(10, pick="unique", per="user"),))
    assert [first_user(users, scenario) for scenario in range(4)] == [0, 5, 6, 10]
    Data(users).demand_enough(100)
    fewer = Data(workload(*one.scenarios, tables=(table(9, pick="unique", per="user"),)))
    with pytest.raises(UsageError, match="9 rows, and 10 users"):
        fewer.demand_enough(1)


@pytest.mark.parametrize("item", [GET, Flow("", "a.py:b")])
def test_unique_rows_of_nobody_knows_how_many_iterations_are_refused(item: Request | Flow) -> None:
    """What a flow takes nobody knows either."""
    one = workload(Scenario(ConstantVus(3, S), (item,)), tables=(table(pick="unique"),))
    with pytest.raises(UsageError, match="nobody knows how many iterations"):
        Data(one).demand_enough(1)
    assert most_iterations(PerVuIterations(3, 4, S)) == 12


@pytest.mark.parametrize(
    ("request_", "content", "seen"),
    [
        (Request("", "GET", "/{{t.x}}"), b"n\n1\n", "did you mean {{t.n}}"),
        (Request("", "GET", "/{{u.n}}"), b"n\n1\n", "means nothing"),
        (Request("", "GET", "/", headers={"X": "{{t.n}}"}), b'n\n1\n"a\nb"\n', "row 2 of t.csv"),
        (Request("", "GET", "/", headers={"X": "{{t.n}}"}), "n\n€\n".encode(), "row 1 of t.csv"),
        (Request("", "GET", "/", rotate=({"X": "{{t.n}}"},)), b"n\n\x00\n", "row 1 of t.csv"),
    ],
)
def test_what_cannot_be_sent_is_told_before_anything_is(
    request_: Request, content: bytes, seen: str
) -> None:
    """A value that no header can carry is found by its row."""
    one = Scenario(ConstantVus(3, S), (request_,))
    with pytest.raises(UsageError) as caught:
        Data(workload(one, tables=(Table("t", "t.csv", content),)))
    assert seen in str(caught.value)


def test_the_targets_headers_are_looked_at_too() -> None:
    """They go with every request."""
    target = Target("http://h", {"X-Id": "{{uid}}"})
    with pytest.raises(UsageError, match=r"did you mean .*uuid"):
        Data(workload(Scenario(ConstantVus(3, S), (GET,)), target=target, tables=(table(),)))
