"""The closed loop by the nanosecond, without a network and without waiting."""

import asyncio
from itertools import cycle
from typing import Any

import pytest

from stressproof.load.closed_loop import ClosedLoop
from stressproof.load.connection import Connection
from stressproof.load.connector import Connector
from stressproof.load.recorder import RAMP, Recorder
from stressproof.load.requests import prepare
from stressproof.load.samples import Samples
from stressproof.load.unique_values import UniqueValues
from stressproof.load.virtual_user import Engine
from stressproof.workload.executors import ConstantVus
from stressproof.workload.redaction import Redactor
from stressproof.workload.requests import Request
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

pytestmark = pytest.mark.gate

S = 1_000_000_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def prepared(users: int, duration_us: int, ramp_us: int) -> tuple[ClosedLoop, Recorder, list[Any]]:
    """Return a loop whose users write to a list."""
    executor = ConstantVus(users, duration_us, ramp_us)
    workload = Workload.of(Target("http://h"), (Request("/", "GET", "/"),), executor)
    recorder = Recorder(1, 1)
    cursor = recorder.cursor(closed_loop=True)
    loop = asyncio.new_event_loop()
    try:
        connector = Connector(loop, workload.target, [], recorder.phases)
        engine = Engine(loop, connector, recorder.phases, Samples(Redactor([])))
    finally:
        loop.close()
    order = cycle(prepare(workload, UniqueValues(0, 1)))
    closed = ClosedLoop(executor, engine, Connection, cursor, order, 0, 1)
    sent: list[Any] = []
    for user in closed.users:
        user._write = sent.append
    cursor.begin(ramp_us * 1000, (ramp_us + duration_us) * 1000, ramp_us * 1000)
    return closed, recorder, sent


def test_no_request_begins_at_or_after_the_end() -> None:
    """The last nanosecond of the window may begin a request, the end may not."""
    closed, _, sent = prepared(1, 2_000_000, 0)
    closed.start(0)
    (user,) = closed.users
    for now_ns, requests in ((S, 2), (2 * S - 1, 3), (2 * S, 3), (2 * S + 1, 3)):
        if user.endpoint is not None:
            user.endpoint = None
            closed._released(user, now_ns)
        assert len(sent) == requests
    assert closed.done


def test_requests_belong_to_the_second_of_their_start() -> None:
    """A boundary belongs to the second that it begins; what is before the window, to the ramp."""
    closed, recorder, _ = prepared(1, 3_000_000, 1_000_000)
    closed.start(0)
    closed.heartbeat(1000)
    (user,) = closed.users
    for now_ns in (S // 2, S - 1, S, 2 * S - 1, 2 * S, 4 * S - 1):
        user.endpoint = None
        closed._released(user, now_ns)
    started = {row.second: row.started for row in recorder.drain_all()}
    assert started == {RAMP: 3, 0: 2, 1: 1, 2: 1}


def test_users_start_in_turn_over_the_ramp() -> None:
    """A ramp of one second starts four users a quarter second apart, the first at once."""
    closed, _, sent = prepared(4, 1_000_000, 1_000_000)
    closed.start(0)
    seen = []
    for now_ns in (1000, S // 4 + 1000, S // 2 + 1000, 3 * S // 4 + 1000, S):
        closed.heartbeat(now_ns)
        seen.append(len(sent))
    assert seen == [1, 2, 3, 4, 4]
