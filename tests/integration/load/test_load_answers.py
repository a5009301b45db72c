"""Answers of every kind over real sockets: what is an answer, and what is counted as a failure."""

import asyncio
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from stressproof.workload.bodies import JsonBody
from stressproof.workload.executors import ConstantArrivalRate, ConstantVus, SharedIterations
from stressproof.workload.requests import Request

S = 1_000_000
JSON = b'{"parity_ok": true, "items": []}'

GOOD = {
    "content-length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 2),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        2,
    ),
    "interim": (
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        2,
    ),
    "connection: close": (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        20,
    ),
    "http/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", 20),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_answers_of_every_framing_are_ok(bench: Any, name: str) -> None:
    """A JSON body passes its check in every framing; connections live as long as they may."""
    data, connections = GOOD[name]
    service = bench.serve(data)
    result = bench.once(service, Request("/", "GET", "/", checks=("json",)))
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"ok": 20}
    assert service.connections == connections


def test_an_answer_may_come_byte_by_byte(bench: Any) -> None:
    """Wherever the network cuts an answer, it is one answer."""

    async def trickling(_: Any, writer: Any) -> None:
        for at in range(len(bench.OK)):
            writer.write(bench.OK[at : at + 1])
            await asyncio.sleep(0)

    result = bench.once(bench.serve(trickling), Request("/", "GET", "/", checks=("json",)))
    assert bench.outcomes(result) == {"ok": 20}


def test_the_same_bytes_are_judged_for_each_endpoint(bench: Any) -> None:
    """What one endpoint's check has accepted, another's has not."""
    result = bench.run(
        bench.serve(bench.OK),
        SharedIterations(1, 20, 30 * S),
        Request("/a", "GET", "/a", checks=("json:parity_ok=true",)),
        Request("/b", "GET", "/b", checks=("json:parity_ok=false",)),
    )
    bench.demand_consistency(result)
    assert bench.outcomes(result, 0) == {"ok": 10}
    assert bench.outcomes(result, 1) == {"body_check": 10}


def test_an_accepted_answer_within_another_is_a_body(bench: Any) -> None:
    """The bytes of a good answer are one only where an answer begins."""

    async def quoting_some(asked: Any, writer: Any) -> None:
        if asked.path.endswith(("3", "7")):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(bench.OK))
            await writer.drain()
            await asyncio.sleep(0.02)  # so that the rest comes as a piece of its own
        writer.write(bench.OK)

    endpoint = Request("/", "GET", "/{{seq}}", checks=("json:parity_ok=true",))
    result = bench.once(bench.serve(quoting_some), endpoint)
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"ok": 16, "body_check": 4}


@pytest.mark.parametrize(
    ("method", "status", "answer"),
    [
        ("HEAD", 200, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        ("DELETE", 204, b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", 304, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        ("GET", 404, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_answers_without_a_body_end_with_their_head(
    bench: Any, method: str, status: int, answer: bytes
) -> None:
    """HEAD, 204 and 304 have no body; a status that is expected is no failure."""
    service = bench.serve(answer)
    result = bench.once(service, Request("/", method, "/", expected_statuses=(status,)))
    assert bench.outcomes(result) == {"ok": 20}
    assert service.connections == 2


def test_a_body_without_length_ends_with_its_connection(bench: Any) -> None:
    """A close that ends a body is no failure."""

    async def closing(_: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + JSON)
        writer.close()

    service = bench.serve(closing)
    result = bench.once(service, Request("/", "GET", "/", checks=("json:parity_ok=true",)))
    assert bench.outcomes(result) == {"ok": 20}
    assert service.connections == 20


FAILURES = {
    "status_503": b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy",
    "status_404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
    "body_check": b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"parity_ok":false}',
    "protocol": b"220 smtp.example ESMTP\r\n",
}


@pytest.mark.parametrize("outcome", FAILURES)
def test_bad_answers_are_failures_of_their_kind(bench: Any, outcome: str) -> None:
    """What is answered wrongly is counted by how, and shown in a few samples."""
    checks = ("json:parity_ok=true",) if outcome == "body_check" else ()
    service = bench.serve(FAILURES[outcome])
    result = bench.once(service, Request("/x", "GET", "/", checks=checks))
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {outcome: 20}
    assert 1 <= len(result.errors_sample) <= 10
    assert {(sample.outcome, sample.endpoint) for sample in result.errors_sample} == {
        (outcome, "/x")
    }
    assert service.connections == (20 if outcome == "protocol" else 2)


def test_more_than_the_answer_is_a_failure(bench: Any) -> None:
    """Bytes after an answer could be taken for the next, so the connection is not used again."""
    service = bench.serve(bench.OK + b"surplus")
    result = bench.once(service)
    assert bench.outcomes(result) == {"protocol": 20}
    assert service.connections == 20


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_connection_that_ends_too_early_is_a_failure(bench: Any, part: bytes, how: str) -> None:
    """Neither RST nor a close before the end of an answer passes for an answer."""

    async def ending(_: Any, writer: Any) -> None:
        writer.write(part)
        await writer.drain()
        if how == "reset":
            bench.reset(writer)
        else:
            writer.close()

    result = bench.once(bench.serve(ending))
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"reset": 20}


def test_a_timeout_is_counted_at_the_time_waited(bench: Any) -> None:
    """A request that is given up is in the distribution, and its connection is not used again."""

    async def half(asked: Any, writer: Any) -> None:
        if asked.path == "/slow":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            await asyncio.sleep(60)
        writer.write(bench.OK)

    service = bench.serve(half)
    result = bench.run(
        service,
        SharedIterations(1, 4, 30 * S),
        Request("/slow", "GET", "/slow"),
        Request("/fast", "GET", "/fast"),
        timeout_s=0.4,
    )
    bench.demand_consistency(result)
    assert bench.outcomes(result, 0) == {"timeout": 2}
    assert bench.outcomes(result, 1) == {"ok": 2}
    assert 400_000 <= bench.latency(result).max_us < 5 * S
    assert "0.4 s" in result.errors_sample[0].detail


def test_a_late_answer_is_never_taken_for_the_next(bench: Any) -> None:
    """What arrives after a timeout belongs to nobody."""

    async def late(asked: Any, writer: Any) -> None:
        if len(service.asked) == 1:
            await asyncio.sleep(0.5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(asked.path))
        writer.write(asked.path.encode())

    service = bench.serve(late)
    result = bench.run(
        service,
        SharedIterations(1, 40, 30 * S),
        Request("/one", "GET", "/one", checks=("text:/one",)),
        Request("/two", "GET", "/two", checks=("text:/two",)),
        timeout_s=0.3,
    )
    assert bench.outcomes(result) == {"timeout": 1, "ok": 39}


def test_an_endless_trickle_does_not_outlast_the_timeout(bench: Any) -> None:
    """A server that always sends a little more is given up all the same."""

    async def dripping(_: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(500):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    result = bench.run(bench.serve(dripping), SharedIterations(2, 4, 30 * S), timeout_s=0.3)
    assert bench.outcomes(result) == {"timeout": 4}


def test_a_silent_listener_is_a_timeout(bench: Any) -> None:
    """A port that accepts and never speaks holds nobody longer than the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = bench.run(url, SharedIterations(2, 4, 30 * S), timeout_s=0.3)
    assert bench.outcomes(result) == {"timeout": 4}


def test_a_refused_connection_is_no_storm(bench: Any) -> None:
    """Users whose target is down try again ever more slowly, and each attempt is counted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    result = bench.run(url, ConstantVus(2, S))
    bench.demand_consistency(result)
    outcomes = bench.outcomes(result)
    assert set(outcomes) == {"connect"}
    assert 10 <= outcomes["connect"] <= 60
    assert "refused" in result.errors_sample[0].detail


def test_a_target_that_comes_back_is_used_again(bench: Any) -> None:
    """After an outage the same users go on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    services: list[Any] = []
    result = bench.run(
        f"http://127.0.0.1:{port}",
        ConstantVus(2, 3 * S),
        on_tick=lambda _: services or services.append(bench.serve(port=port)),
    )
    outcomes = bench.outcomes(result)
    assert outcomes["connect"] > 0
    assert outcomes["ok"] > 0


def test_huge_bodies_are_not_held(bench: Any) -> None:
    """Bodies of 48 MB pass through a generator that stays small."""
    piece = b"x" * 65536

    async def huge(_: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (768 * len(piece)))
        for _ in range(768):
            writer.write(piece)
            await writer.drain()

    result = bench.run(bench.serve(huge), SharedIterations(2, 4, 60 * S), timeout_s=60)
    assert bench.outcomes(result) == {"ok": 4}
    assert result.health.rss_bytes < 80 * 2**20


def test_a_body_too_large_to_check_fails_its_check(bench: Any) -> None:
    """What cannot be judged is not passed."""
    body = b"[" + b" " * 3_000_000 + b"]"
    service = bench.serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    result = bench.run(
        service, SharedIterations(1, 2, 30 * S), Request("/", "GET", "/", checks=("json",))
    )
    assert bench.outcomes(result) == {"body_check": 2}
    assert "too many to be checked" in result.errors_sample[0].detail


def test_large_request_bodies_arrive_whole(bench: Any) -> None:
    """A body of 5 MB is sent to its last byte."""
    body = "0123456789" * 500_000
    service = bench.serve()
    service.respond = bench.answering(bench.OK)
    result = bench.run(
        service, SharedIterations(1, 2, 30 * S), Request("/", "PUT", "/", body=JsonBody(body))
    )
    assert bench.outcomes(result) == {"ok": 2}
    assert [asked.body for asked in service.asked] == [body.encode()] * 2


def test_idle_connections_may_be_closed_by_the_server(bench: Any) -> None:
    """A keep-alive that runs out between two arrivals is no failure."""
    service = bench.serve(idle_s=0.1)
    result = bench.run(service, ConstantArrivalRate(4, 2 * S, max_users=5))
    assert bench.outcomes(result) == {"ok": 8}
    assert service.connections >= 7


def test_unasked_bytes_on_an_idle_connection_close_it(bench: Any) -> None:
    """An answer to nothing is not taken for an answer to what is asked next."""

    async def twice(_: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    service = bench.serve(twice)
    result = bench.run(service, ConstantArrivalRate(5, S, max_users=1))
    assert set(bench.outcomes(result)) == {"ok"}
    assert service.connections == bench.outcomes(result)["ok"] > 1  # a busy machine drops some


def test_secrets_stay_out_of_samples(bench: Any) -> None:
    """A server that echoes credentials does not get them into the evidence."""

    async def echoing(asked: Any, writer: Any) -> None:
        said = f"no: {asked.headers['authorization']} {asked.headers['x-api-key']}".encode()
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))

    endpoint = Request("/", "GET", "/", headers={"X-Api-Key": "k3y-of-mine"})
    service = bench.serve(echoing)
    target = bench.target(service, {"Authorization": "Bearer s3cr3t-t0ken"})
    result = bench.once(target, endpoint)
    shown = str(result.errors_sample) + "".join(map(str, result.errors_sample)) + repr(target)
    assert "401" in shown
    assert "***" in shown
    assert "s3cr3t" not in shown
    assert "k3y" not in shown + repr(endpoint)


def test_samples_are_few_and_short(bench: Any) -> None:
    """However many failures there are and whatever they hold, samples stay small."""
    body = b"x" * 100_000
    service = bench.serve(b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    endpoints = [Request(f"/{n}", "GET", f"/{n}") for n in range(100)]
    before = time.monotonic()
    result = bench.run(service, SharedIterations(2, 400, 60 * S), *endpoints)
    assert time.monotonic() - before < 60
    assert bench.outcomes(result) == {"status_500": 400}
    assert len(result.errors_sample) <= 40
    assert all(len(str(sample)) < 400 for sample in result.errors_sample)


@pytest.mark.parametrize("announced", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: x\r\n"])
def test_what_follows_a_204_is_not_anothers_failure(bench: Any, announced: bytes) -> None:
    """A server that sends a body after a 204 fails the endpoint that did it, once its ways show."""

    async def respond(asked: Any, writer: Any) -> None:
        if asked.path != "/empty":
            writer.write(bench.OK)
            return
        writer.write(b"HTTP/1.1 204 No Content\r\n%b\r\n" % announced)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"hello")

    service = bench.serve(respond)
    result = bench.run(
        service,
        SharedIterations(1, 40, 20 * S),
        Request("/good", "GET", "/good", checks=("json",)),
        Request("/empty", "GET", "/empty"),
    )
    bench.demand_consistency(result)
    if announced:
        assert bench.outcomes(result) == {"ok": 40}
    else:
        # Whoever asks next pays for it once: the bytes may come after anything. Those that a busy
        # machine reads together with their answer are that answer's.
        blamed = [one.detail for one in result.errors_sample if "came after" in one.detail]
        assert len(blamed) <= 1
        assert all("after an answer to /empty" in detail for detail in blamed)
        told = [one.endpoint for one in result.errors_sample if "came after" not in one.detail]
        assert set(told) <= {"/empty"}
        assert 1 <= bench.outcomes(result)["protocol"] < 20


def test_an_idle_connection_that_was_closed_is_told_apart(bench: Any) -> None:
    """A server that closes as the next request comes did not fail it: nobody was told."""
    seen: dict[int, int] = {}

    async def respond(asked: Any, writer: Any) -> None:
        seen[asked.connection] = seen.get(asked.connection, 0) + 1
        if seen[asked.connection] == 3:
            writer.close()
            return
        writer.write(bench.OK)

    result = bench.run(bench.serve(respond), SharedIterations(1, 12, 20 * S))
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"ok": 8, "reset_reused": 4}

    async def refuse(_: Any, writer: Any) -> None:
        writer.close()

    assert bench.outcomes(bench.once(bench.serve(refuse))) == {"reset": 20}


def test_an_old_server_is_understood(bench: Any) -> None:
    """HTTP/1.0 as Python's own server speaks it: no length, and the end is the end."""
    handler = type(
        "Old",
        (BaseHTTPRequestHandler,),
        {
            "do_GET": lambda self: (
                self.send_response(200),
                self.end_headers(),
                self.wfile.write(JSON),
            ),
            "log_message": lambda *_: None,
        },
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            result = bench.once(url, Request("/", "GET", "/", checks=("json",)))
        finally:
            server.shutdown()
            thread.join()
    assert bench.outcomes(result) == {"ok": 20}
