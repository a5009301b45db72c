"""HTTP/2 under load: many users on few connections, and servers with views of their own."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h2.errors
import pytest

from http2_peer import BODY, Peer, Served
from stressproof.capture.plan import PreflightPlan
from stressproof.capture.preflight import run_preflight
from stressproof.load.client import Client, RequestError
from stressproof.workload.bodies import JsonBody
from stressproof.workload.executors import ConstantArrivalRate, ConstantVus, SharedIterations
from stressproof.workload.requests import Request
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload
from tls_authorities import Authority


@pytest.fixture
def peers() -> Iterator[Callable[..., Peer]]:
    """Peers that end with the test."""
    started: list[Peer] = []

    def start(**settings: Any) -> Peer:
        started.append(Peer(**settings))
        return started[-1]

    yield start
    for one in started:
        one.stop()


ENDPOINT = Request("/x", "GET", "/x", checks=("json:parity_ok=true",))


def test_users_share_a_connection(bench: Any, peers: Callable[..., Peer]) -> None:
    """Twenty users send over one connection, and what they send is what was asked."""
    peer = peers()
    target = Target(f"{peer.url}/base", {"Authorization": "Bearer t"}, http2=True)
    post = Request("/p", "POST", "/p/{{seq}}?a=b", body=JsonBody('{"n": "{{uuid}}"}'))
    result = bench.run(target, SharedIterations(20, 200, 20_000_000), ENDPOINT, post)
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"ok": 200}
    assert peer.connections == 1
    assert result.connections.protocol == "h2"
    assert result.connections.opened == {"127.0.0.1": 1}
    fields, body = next(one for one in peer.asked if one[0][b":method"] == b"POST")
    assert fields[b":path"].startswith(b"/base/p/")
    assert fields[b":authority"] == peer.url.removeprefix("http://").encode()
    assert fields[b"authorization"] == b"Bearer t"
    assert int(fields[b"content-length"]) == len(body) == len('{"n": ""}') + 36
    assert len({one[0][b":path"] for one in peer.asked if one[1]}) == 100


def test_a_server_that_allows_few_streams_gets_more_connections(
    bench: Any, peers: Callable[..., Peer]
) -> None:
    """Each connection carries as many requests at a time as its server allows, and no more."""
    peer = peers(streams=3)
    target = Target(peer.url, http2=True)
    result = bench.run(target, SharedIterations(10, 300, 20_000_000), ENDPOINT)
    assert bench.outcomes(result) == {"ok": 300}
    assert peer.most_streams <= 3
    assert peer.connections == 4


def test_http2_is_agreed_on_over_tls(
    bench: Any, peers: Callable[..., Peer], authority: Authority, tmp_path: Path
) -> None:
    """ALPN decides; preflight and load both speak it, and handshakes are timed apart."""
    context = authority.server_context(tmp_path)
    context.set_alpn_protocols(["h2"])
    peer = peers(tls=context)
    target = Target(peer.url, ca_file=str(authority.file), http2=True)
    workload = Workload.of(target, (ENDPOINT,), SharedIterations(5, 50, 20_000_000))
    assert run_preflight(Client(target), workload, PreflightPlan()).passed
    result = bench.run(target, SharedIterations(5, 50, 20_000_000), ENDPOINT)
    assert bench.outcomes(result) == {"ok": 50}
    assert result.phases.tls.n == 1


def test_a_server_without_http2_is_told_apart(
    bench: Any, authority: Authority, server_context: ssl.SSLContext
) -> None:
    """Over TLS the handshake tells, in the clear the first bytes do; nobody waits for a timeout."""
    secure = bench.serve(tls=server_context)
    plain = bench.serve(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    for target, outcome in (
        (Target(secure.url, ca_file=str(authority.file), http2=True), "tls"),
        (Target(plain.url, http2=True), "protocol"),
    ):
        result = bench.run(target, SharedIterations(2, 4, 20_000_000))
        assert bench.outcomes(result) == {outcome: 4}
        assert "HTTP/2" in result.errors_sample[0].detail
        with pytest.raises(RequestError) as caught:
            Client(target).get("/")
        assert caught.value.outcome == outcome


def test_a_server_that_goes_away_fails_nobody(bench: Any, peers: Callable[..., Peer]) -> None:
    """After 25 answers each connection says goodbye; what it did not look at is asked elsewhere."""

    def respond(served: Served, stream: int, fields: dict[bytes, bytes], body: bytes) -> None:
        if served.answered >= 25:
            return
        Peer.answer(served, stream, fields, body)
        served.answered += 1
        if served.answered == 25:
            served.transport.write(served.h2.data_to_send())
            goodbye = stream.to_bytes(4, "big") + bytes(4)
            served.transport.write(b"\0\0\x08\x07\0\0\0\0\0" + goodbye)
            served.transport.close()

    peer = peers(respond=respond)
    result = bench.run(Target(peer.url, http2=True), SharedIterations(8, 200, 20_000_000), ENDPOINT)
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"ok": 200}
    assert peer.connections >= 8


def test_refused_streams_are_asked_again_and_not_for_ever(
    bench: Any, peers: Callable[..., Peer]
) -> None:
    """A stream refused once is answered in the end; one refused always is a failure."""
    seen: set[bytes] = set()

    def once(served: Served, stream: int, fields: dict[bytes, bytes], body: bytes) -> None:
        if fields[b":path"] in seen:
            Peer.answer(served, stream, fields, body)
        else:
            seen.add(fields[b":path"])
            served.h2.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)

    def always(served: Served, stream: int, _fields: dict[bytes, bytes], _body: bytes) -> None:
        served.h2.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)

    target = Target(peers(respond=once).url, http2=True)
    endpoint = Request("/s", "GET", "/{{seq}}")
    assert bench.outcomes(bench.once(target, endpoint)) == {"ok": 20}
    target = Target(peers(respond=always).url, http2=True)
    assert bench.outcomes(bench.once(target, endpoint)) == {"reset": 20}


def test_a_timeout_costs_its_own_stream_only(bench: Any, peers: Callable[..., Peer]) -> None:
    """A request without an answer is given up; others on its connection go on."""

    def respond(served: Served, stream: int, fields: dict[bytes, bytes], body: bytes) -> None:
        if fields[b":path"] != b"/never":
            Peer.answer(served, stream, fields, body)

    peer = peers(respond=respond)
    result = bench.run(
        Target(peer.url, http2=True),
        SharedIterations(4, 40, 20_000_000),
        ENDPOINT,
        Request("/never", "GET", "/never"),
        timeout_s=0.8,
    )
    bench.demand_consistency(result)
    assert bench.outcomes(result, 0) == {"ok": 20}
    assert bench.outcomes(result, 1) == {"timeout": 20}
    assert peer.connections == 1


def test_a_connection_that_breaks_fails_all_on_it(bench: Any, peers: Callable[..., Peer]) -> None:
    """Each outstanding request is counted once, and later ones go over a new connection."""

    def respond(served: Served, stream: int, fields: dict[bytes, bytes], body: bytes) -> None:
        if fields[b":path"] == b"/break":
            served.transport.abort()
        else:
            Peer.answer(served, stream, fields, body)

    peer = peers(respond=respond)
    result = bench.run(
        Target(peer.url, http2=True),
        SharedIterations(1, 20, 20_000_000),
        ENDPOINT,
        Request("/break", "GET", "/break"),
    )
    bench.demand_consistency(result)
    assert bench.outcomes(result, 0) == {"ok": 10}
    assert sum(bench.outcomes(result, 1).values()) == 10
    assert set(bench.outcomes(result, 1)) <= {"reset", "reset_reused"}


def test_arrivals_keep_their_time_over_http2(bench: Any, peers: Callable[..., Peer]) -> None:
    """An open rate is sent in full, over connections shared by those who are free."""
    peer = peers()
    executor = ConstantArrivalRate(200, 2_000_000, max_users=50)
    result = bench.run(Target(peer.url, http2=True), executor, ENDPOINT)
    bench.demand_consistency(result)
    assert sum(row.intended for row in result.rows) == 400
    assert bench.outcomes(result)["ok"] + sum(row.dropped for row in result.rows) == 400


def test_nobody_there_is_a_failure_to_connect(bench: Any) -> None:
    """Every request of a closed port is counted, and users pause between attempts."""
    target = Target("http://127.0.0.1:1", http2=True)
    result = bench.run(target, SharedIterations(3, 9, 20_000_000))
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"connect": 9}


def test_a_run_that_ends_leaves_no_connection(bench: Any, peers: Callable[..., Peer]) -> None:
    """Answers cut into frames of any size are judged whole while users run for a time."""

    def respond(served: Served, stream: int, _fields: dict[bytes, bytes], _body: bytes) -> None:
        served.h2.send_headers(stream, [(b":status", b"200")])
        for at in range(len(BODY)):
            served.h2.send_data(stream, BODY[at : at + 1])
        served.h2.send_headers(stream, [(b"x-trailer", b"1")], end_stream=True)

    peer = peers(respond=respond)
    result = bench.run(Target(peer.url, http2=True), ConstantVus(3, 1_000_000), ENDPOINT)
    bench.demand_consistency(result)
    assert set(bench.outcomes(result)) == {"ok"}


def test_fields_of_an_answer_are_read(peers: Callable[..., Peer]) -> None:
    """Over HTTP/2 the client returns the same headers as over HTTP/1.1, whatever their coding."""

    def respond(served: Served, stream: int, _fields: dict[bytes, bytes], _body: bytes) -> None:
        served.h2.send_headers(stream, [(b":status", b"103"), (b"link", b"</early>")])
        fields = [(b"x-a", b"1"), (b"x-a", b"\xe4"), (b"retry-after", b"7")]
        served.h2.send_headers(stream, [(b":status", b"429"), *fields])
        served.h2.send_data(stream, b"{}", end_stream=True)

    client = Client(Target(peers(respond=respond).url, http2=True))
    answer = client.get("/")
    assert (answer.status, answer.json()) == (429, {})
    assert answer.headers == {"x-a": "1, ä", "retry-after": "7"}


@pytest.mark.parametrize("announced", [len(BODY) - 1, len(BODY) + 1])
def test_a_body_that_is_not_as_long_as_announced_is_no_answer(
    bench: Any, peers: Callable[..., Peer], announced: int
) -> None:
    """Preflight and load both see the fault, and it costs its own stream only; HEAD has no body."""

    def respond(served: Served, stream: int, fields: dict[bytes, bytes], _body: bytes) -> None:
        length = len(BODY) if fields[b":path"] == b"/x" else announced
        head = [(b":status", b"200"), (b"content-length", b"%d" % length)]
        bodyless = fields[b":method"] == b"HEAD"
        served.h2.send_headers(stream, head, end_stream=bodyless)
        if not bodyless:
            served.h2.send_data(stream, BODY, end_stream=True)

    peer = peers(respond=respond)
    target = Target(peer.url, http2=True)
    with pytest.raises(RequestError) as caught:
        Client(target).get("/short")
    assert caught.value.outcome == "protocol"
    assert Client(target).request("HEAD", "/short").status == 200
    others = Request("/s", "GET", "/short"), Request("/h", "HEAD", "/short")
    result = bench.run(target, SharedIterations(3, 30, 20_000_000), ENDPOINT, *others)
    bench.demand_consistency(result)
    assert [bench.outcomes(result, at) for at in range(3)] == [
        {"ok": 10},
        {"protocol": 10},
        {"ok": 10},
    ]
    assert peer.connections == 3
