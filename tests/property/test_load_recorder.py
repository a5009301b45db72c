"""Laws of the recorder: what is drained adds up to what happened."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.load.messages import Frames, Progress, decode_from_worker, frame
from stressproof.load.recorder import RAMP, TAIL, LiveHistogram, Recorder, RowDelta
from stressproof.load.row_aggregator import RowAggregator
from stressproof.measure import buckets
from stressproof.measure.histogram import Histogram

pytestmark = pytest.mark.gate

durations = st.integers(0, 2 * buckets.MAX_US)
parts = st.lists(st.lists(durations, max_size=40), max_size=5)
S = 1_000_000_000


def numbered(deltas: list[RowDelta]) -> list[tuple[int, RowDelta]]:
    """What a parent makes of one worker's report."""
    return [(delta.endpoint, delta) for delta in deltas]


def state(histogram: Histogram) -> tuple[object, ...]:
    """Everything a histogram knows."""
    return histogram.pairs(), histogram.n, histogram.sum_us, histogram.min_us, histogram.max_us


@given(parts)
def test_drained_histograms_add_up(parts: list[list[int]]) -> None:
    """However often it is drained, a live histogram loses nothing and invents nothing."""
    live, total = LiveHistogram(), Histogram()
    for part in parts:
        for us in part:
            live.record(us)
        live.drain().add_to(total)
    assert live.drain().n == 0
    assert state(total) == state(Histogram.of(us for part in parts for us in part))


# Few moments, so that requests of different seconds often overlap.
moments = st.integers(0, 10).map(lambda n: n * S // 2 + n)
requests = st.lists(
    st.tuples(
        moments,  # start
        moments,  # duration
        st.integers(0, 2),  # endpoint
        st.sampled_from(["ok", "timeout", "status_503"]),
    ),
    max_size=60,
)


@given(requests, st.lists(moments, max_size=8), st.sampled_from([1, 10]))
def test_rows_hold_every_request_in_its_second(
    requests: list[tuple[int, int, int, str]], drains: list[int], resolution_s: int
) -> None:
    """Whenever rows are drained, each request is counted once, where it was started."""
    recorder = Recorder(3, resolution_s)
    cursor = recorder.cursor(closed_loop=True)
    cursor.begin(S, 100 * S, S)
    aggregator = RowAggregator([True] * 3)
    events = [(start, 1, n) for n, (start, _, _, _) in enumerate(requests)]
    events += [(start + took, 2, n) for n, (start, took, _, _) in enumerate(requests)]
    events += [(at, 3, 0) for at in drains]
    under_way = {}
    for now, kind, number in sorted(events):
        if kind == 3:
            recorder.start_draining(2)
            aggregator.add(numbered(recorder.drain_step()))
            aggregator.close_before(recorder.open_from())
            continue
        _, took, endpoint, outcome = requests[number]
        if kind == 1:
            if now >= cursor.turn_ns:
                cursor.turn(now)
            row = cursor.rows[endpoint] or cursor.open_row(endpoint, now)
            row.started += 1
            under_way[number] = row
            continue
        row = under_way.pop(number)
        row.corrected.record(took // 1000)
        if outcome == "ok":
            row.ok += 1
        else:
            row.fail(outcome)
    aggregator.add(numbered(recorder.drain_all()))
    written = aggregator.rows(range(0, 10, resolution_s), range(3))
    rows = {(row.second, row.endpoint): row for row in written}
    assert len(rows) == 3 * len(range(0, 10, resolution_s))
    for (second, endpoint), row in rows.items():
        there = [
            r
            for r in requests
            if r[2] == endpoint and r[0] >= S and second <= (r[0] - S) // S < second + resolution_s
        ]
        assert row.started == row.intended == len(there)
        assert sum(row.outcomes.values()) == row.corrected.n == len(there)
        assert row.outcomes.get("timeout", 0) == sum(r[3] == "timeout" for r in there)
        assert row.corrected.sum_us == sum(r[1] // 1000 for r in there)
    ramp = aggregator.outside(RAMP, range(3))
    assert [c.started for c in ramp] == [
        sum(r[2] == endpoint and r[0] < S for r in requests) for endpoint in range(3)
    ]
    counted = Counter(r[3] for r in requests if r[0] < S)
    assert sum((Counter(c.outcomes) for c in ramp), Counter()) == counted


@given(st.integers(1, 5), st.lists(st.integers(0, 400), max_size=8))
def test_frames_survive_any_cut(count: int, where: list[int]) -> None:
    """However a pipe cuts them, messages arrive whole and in order."""
    messages = [Progress([], [], number) for number in range(count)]
    data = b"".join(frame(message) for message in messages)
    places = sorted({0, len(data), *(at % len(data) for at in where)})
    frames = Frames()
    bodies = [body for a, b in pairwise(places) for body in frames.feed(data[a:b])]
    assert [decode_from_worker(body) for body in bodies] == messages


def test_a_request_of_now_turns_no_page_for_an_arrival_of_before() -> None:
    """An arrival that was due before a boundary counts before it, whatever was sent since."""
    recorder = Recorder(2, 1)
    arrivals, steps = recorder.cursor(closed_loop=False), recorder.cursor(closed_loop=False)
    for cursor in (arrivals, steps):
        cursor.begin(0, 2 * S, 0)
    arrivals.turn(0)
    steps.turn(S + 1)  # a flow's second request, sent past the boundary
    steps.open_row(1, S + 1).started += 1
    assert arrivals.turn_ns > S - 1
    arrivals.open_row(0, S - 1).started += 1
    recorder.start_draining(1)
    started = {(delta.endpoint, delta.second): delta.started for delta in recorder.drain_step()}
    assert started == {(0, 0): 1, (1, 1): 1}
    assert recorder.open_from() == 0
    arrivals.close()
    recorder.drain_all()
    assert recorder.open_from() == 0  # the arrival's answer is still to come


def test_what_is_sent_after_the_window_is_its_tail() -> None:
    """A request sent at the window's end or later is in no second of it, and in no ramp."""
    recorder = Recorder(1, 1)
    steps = recorder.cursor(closed_loop=True)
    steps.begin(S, 2 * S + S // 2, S)
    aggregator = RowAggregator([True])
    for now in (0, S, 2 * S + S // 2 - 1, 2 * S + S // 2, 9 * S):
        if now >= steps.turn_ns:
            steps.turn(now)
        row = steps.rows[0] or steps.open_row(0, now)
        row.started += 1
        row.ok += 1
    assert recorder.last_second == 1
    aggregator.add(numbered(recorder.drain_all()))
    assert [row.started for row in aggregator.rows(range(2), [0])] == [1, 1]
    assert [count.started for count in aggregator.outside(RAMP, [0])] == [1]
    assert [count.started for count in aggregator.outside(TAIL, [0])] == [2]
    assert (aggregator.completed, aggregator.last_second) == (2, 1)
