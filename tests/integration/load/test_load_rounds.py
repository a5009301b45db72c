"""Rounds against a server that counts: what is reported is what happened."""

import asyncio
import time
from typing import Any

import pytest

from stressproof.errors import TargetError, UsageError
from stressproof.load.run import StopFlag
from stressproof.workload.bodies import JsonBody
from stressproof.workload.executors import (
    ConstantArrivalRate,
    ConstantVus,
    PerVuIterations,
    RampingArrivalRate,
    RampingVus,
    SharedIterations,
    Stage,
)
from stressproof.workload.requests import Request
from stressproof.workload.target import Target

S = 1_000_000


def test_shared_iterations_are_sent_exactly(bench: Any) -> None:
    """As many requests as asked for reach the server, each endpoint by its weight."""
    service = bench.serve()
    endpoints = (
        Request("/a", "GET", "/a", weight=3, checks=("json:parity_ok=true",)),
        Request("/b", "POST", "/b", body=JsonBody("{}")),
    )
    result = bench.run(service, SharedIterations(4, 400, 30 * S), *endpoints)
    bench.demand_consistency(result)
    assert bench.outcomes(result, 0) == {"ok": 300}
    assert bench.outcomes(result, 1) == {"ok": 100}
    assert sorted({(a.method, a.path) for a in service.asked}) == [("GET", "/a"), ("POST", "/b")]
    assert len(service.asked) == 400
    assert service.connections == 4
    assert not result.interrupted


def test_each_user_sends_its_iterations(bench: Any) -> None:
    """Every user sends as many requests as asked for, over a connection of its own."""
    service = bench.serve()
    result = bench.run(service, PerVuIterations(3, 7, 30 * S))
    assert bench.outcomes(result) == {"ok": 21}
    by_connection = [a.connection for a in service.asked]
    assert sorted(by_connection.count(n) for n in range(3)) == [7, 7, 7]


def test_the_ramp_is_counted_apart(bench: Any) -> None:
    """Every request is in the ramp or in the window, and the server saw them all."""
    service = bench.serve()
    result = bench.run(
        service,
        ConstantVus(4, 2 * S, ramp_us=S // 2),
        Request("/a", "GET", "/a"),
        Request("/b", "GET", "/b"),
    )
    bench.demand_consistency(result)
    measured = bench.outcomes(result)
    assert set(measured) == {"ok"}
    ramp = sum(count.started for count in result.ramp)
    assert ramp > 0
    assert ramp == sum(count.outcomes["ok"] for count in result.ramp)
    assert ramp + measured["ok"] == len(service.asked)
    assert [(row.second, row.endpoint) for row in result.rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(row.started for row in result.rows)
    assert service.connections == 4
    # From the first measured start to the last answer: no less than the server saw of it, and
    # without the ramp. How long that was is the machine's affair.
    seen_ns = [asked.at_ns for asked in service.asked]
    assert result.elapsed_us * 1000 >= seen_ns[-1] - seen_ns[ramp] - 1000
    assert result.elapsed_us * 1000 < seen_ns[-1] - seen_ns[0]


def test_rows_cover_ten_seconds_where_asked(bench: Any) -> None:
    """A coarser resolution changes rows, not counts."""
    service = bench.serve()
    result = bench.run(service, ConstantVus(1, 2 * S), resolution_s=10)
    assert [(row.second, row.endpoint) for row in result.rows] == [(0, 0)]
    assert result.rows[0].started == len(service.asked)


def test_users_follow_the_stages(bench: Any) -> None:
    """Users come and go with the stages; never are there more than asked for."""

    async def slowly(_: Any, writer: Any) -> None:
        await asyncio.sleep(0.02)
        writer.write(bench.OK)

    service = bench.serve(slowly)
    stages = (Stage(S, 6), Stage(S, 0))
    result = bench.run(service, RampingVus(1, stages))
    bench.demand_consistency(result)
    assert bench.outcomes(result)["ok"] == len(service.asked)
    assert service.most_open == 6
    last = max(asked.at_ns for asked in service.asked)
    busy = {a.connection for a in service.asked if a.at_ns > last - 100_000_000}
    assert len(busy) <= 2


def test_arrivals_come_at_their_times_and_not_before(bench: Any) -> None:
    """A constant rate sends exactly rate times duration, none ahead of its schedule."""
    service = bench.serve()
    result = bench.run(service, ConstantArrivalRate(100, 2 * S, max_users=50))
    bench.demand_consistency(result)
    assert sum(row.intended for row in result.rows) == 200
    assert [row.intended for row in result.rows] == [100, 100]
    assert len(service.asked) == sum(row.started for row in result.rows)
    # The first may itself have been late, by no more than the worst delay that was seen.
    first_ns = result.started_ns - result.health.loop_delay_max_us * 1000
    for number, asked in enumerate(sorted(service.asked, key=lambda a: a.at_ns)):
        assert asked.at_ns >= first_ns + number * 10_000_000 - 2_000_000


def test_an_arrival_rate_ramps_outside_of_the_window(bench: Any) -> None:
    """A ramp of half a second to 200 a second sends 50 that are not measured."""
    service = bench.serve()
    result = bench.run(service, ConstantArrivalRate(200, S, max_users=100, ramp_us=S // 2))
    assert [count.started for count in result.ramp] == [50]
    assert sum(row.intended for row in result.rows) == 200
    assert len(service.asked) == 50 + sum(row.started for row in result.rows)


def test_arrivals_follow_the_stages(bench: Any) -> None:
    """From 0 to 200 a second over one second and back over another are 100 each."""
    service = bench.serve()
    stages = (Stage(S, 200), Stage(S, 0))
    result = bench.run(service, RampingArrivalRate(0, stages, max_users=100))
    assert [row.intended for row in result.rows] == [100, 100]


def test_an_arrival_without_a_free_connection_is_dropped(bench: Any) -> None:
    """Three connections and no answers: three requests are sent, all others dropped and counted."""

    async def never(_: Any, __: Any) -> None:
        await asyncio.sleep(60)

    service = bench.serve(never)
    result = bench.run(service, ConstantArrivalRate(50, S, max_users=3), timeout_s=1.5)
    bench.demand_consistency(result)
    assert sum(row.intended for row in result.rows) == 50
    assert bench.outcomes(result) == {"timeout": 3}
    assert result.health.dropped_iterations == 47
    assert result.health.saturated
    assert bench.latency(result).min_us >= 1_500_000
    assert len(service.asked) == 3


def test_a_stall_of_the_server_is_felt_by_all_who_arrive_in_it(bench: Any) -> None:
    """At an open rate a stall of one second is in the distribution with everyone it met."""
    began: list[float] = []

    async def stalling(_: Any, writer: Any) -> None:
        now = time.monotonic()
        began.append(now)
        since = now - began[0] - 0.4
        if 0 <= since < 1:
            await asyncio.sleep(1 - since)
        writer.write(bench.OK)

    service = bench.serve(stalling)
    open_rate = bench.run(service, ConstantArrivalRate(100, 2 * S, max_users=300))
    corrected = bench.latency(open_rate)
    assert corrected.n == 200
    assert corrected.quantile(800_000) > 300_000
    began.clear()
    closed = bench.run(service, ConstantVus(2, 2 * S))
    assert bench.latency(closed).quantile(800_000) < 300_000
    assert bench.latency(closed).max_us > 900_000


def test_every_kind_of_time_is_kept(bench: Any) -> None:
    """Connections and first bytes have histograms of their own."""
    service = bench.serve()
    result = bench.once(service)
    assert result.phases.connect.n == service.connections == 2
    assert result.phases.first_byte.n == 20
    assert result.phases.tls.n == 0


def test_the_first_byte_is_not_the_last(bench: Any) -> None:
    """An answer that dawdles has an early first byte and a late end."""

    async def dawdling(_: Any, writer: Any) -> None:
        writer.write(bench.OK[:20])
        await asyncio.sleep(0.3)
        writer.write(bench.OK[20:])

    result = bench.run(bench.serve(dawdling), SharedIterations(1, 3, 30 * S))
    assert bench.latency(result).min_us >= 290_000
    assert result.phases.first_byte.min_us < 250_000


def test_progress_is_told_once_a_second(bench: Any) -> None:
    """Ticks add up to what was measured."""
    ticks: list[Any] = []
    service = bench.serve()
    bench.run(service, ConstantVus(2, 2 * S, ramp_us=S), on_tick=ticks.append)
    assert len(ticks) >= 2
    assert ticks[0].elapsed_s >= 1
    assert ticks[-1].requests > 0
    assert ticks[-1].p95_us > 0
    assert [tick.requests for tick in ticks] == sorted(tick.requests for tick in ticks)


def test_a_round_can_be_stopped(bench: Any) -> None:
    """A stop ends a long round at once, with what was measured and nothing lost."""
    stop = StopFlag()
    service = bench.serve()
    before = time.monotonic()
    result = bench.run(service, ConstantVus(3, 600 * S), on_tick=lambda _: stop.set(), stop=stop)
    assert time.monotonic() - before < 60
    bench.demand_consistency(result)
    assert result.interrupted
    assert bench.outcomes(result)["ok"] == len(service.asked)
    assert 1 <= len(result.rows) <= 30


def test_a_stop_does_not_wait_for_answers(bench: Any) -> None:
    """Requests under way at a stop are counted as interrupted."""

    async def never(_: Any, __: Any) -> None:
        await asyncio.sleep(60)

    stop = StopFlag()
    before = time.monotonic()
    result = bench.run(
        bench.serve(never),
        ConstantVus(3, 600 * S),
        timeout_s=600,
        on_tick=lambda _: stop.set(),
        stop=stop,
    )
    assert time.monotonic() - before < 60
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"interrupted": 3}


def test_ipv6_targets_are_reached(bench: Any) -> None:
    """A target may be an IPv6 address, and is named so in the Host header."""
    service = bench.serve(host="::1")
    assert bench.outcomes(bench.once(service)) == {"ok": 20}
    assert service.asked[0].headers["host"] == f"[::1]:{service.port}"


def test_the_next_address_is_tried(bench: Any) -> None:
    """Where localhost means two addresses, the one that answers is used."""
    service = bench.serve()
    result = bench.once(f"http://localhost:{service.port}")
    assert bench.outcomes(result) == {"ok": 20}


def test_an_unknown_host_is_a_target_error(bench: Any) -> None:
    """A name that cannot be resolved is said before anything starts."""
    with pytest.raises(TargetError, match="cannot be resolved"):
        bench.once("http://no-such-host.invalid")


def test_more_connections_than_files_are_refused(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system's limits forbid is said before anything starts."""
    monkeypatch.setattr("resource.getrlimit", lambda _: (80, 80))
    with pytest.raises(UsageError, match="more files"):
        bench.run("http://127.0.0.1:1", ConstantVus(20, S))


def test_every_request_can_be_fresh(bench: Any) -> None:
    """Each request has a UUID and a number of its own, over all workers; tenants take turns."""
    service = bench.serve()
    endpoint = Request(
        "/gate/{seq}",
        "POST",
        "/gate/{{seq}}",
        headers={"Idempotency-Key": "{{uuid}}"},
        body=JsonBody('{"key": "{{uuid}}", "number": {{seq}}}'),
        rotate=({"Authorization": "Bearer one"}, {"Authorization": "Bearer two"}),
    )
    target = Target(service.url, {"Authorization": "Bearer none", "X-All": "yes"})
    result = bench.run(target, SharedIterations(4, 100, 30 * S), endpoint, workers=2)
    assert bench.outcomes(result) == {"ok": 100}
    keys = {asked.headers["idempotency-key"] for asked in service.asked}
    numbers = {int(asked.path.rpartition("/")[2]) for asked in service.asked}
    assert len(keys) == len(numbers) == 100
    for asked in service.asked:
        key, number = asked.headers["idempotency-key"], asked.path.rpartition("/")[2]
        assert asked.body.decode() == f'{{"key": "{key}", "number": {number}}}'
        assert asked.headers["x-all"] == "yes"
    tenants = [asked.headers["authorization"] for asked in service.asked]
    assert tenants.count("Bearer one") == tenants.count("Bearer two") == 50
