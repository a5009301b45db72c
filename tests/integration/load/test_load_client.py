"""The client beside the load: what it finds is what the load will find."""

import gzip
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from stressproof.capture.plan import PreflightPlan
from stressproof.capture.preflight import run_preflight
from stressproof.load.addresses import resolve
from stressproof.load.client import Client, RequestError
from stressproof.workload.bodies import JsonBody
from stressproof.workload.executors import SharedIterations
from stressproof.workload.requests import Request
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

ODD_PATHS = [
    "/a/../b",
    "/a/./b",
    "//x",
    "/{id}",
    '/"quoted"',
    "/a|b^c`d",
    "/%7euser/%2e%2e",
    "/x?a=[1]&b={2}",
    "/x?q=a+b%20c",
    "/x;v=1?",
    "/x?y=//z/../w",
    "/\\backslash",
    "/<tag>",
]


def workload(target: Target, *endpoints: Request) -> Workload:
    """Return ten requests through two users."""
    return Workload.of(target, endpoints, SharedIterations(2, 10, 20_000_000))


def preflight(target: Target, *endpoints: Request) -> Any:
    """Ask each endpoint once, as before a load."""
    plan = PreflightPlan(attempts=1)
    return run_preflight(Client(target), workload(target, *endpoints), plan)


def test_an_answer_is_returned_whole(bench: Any) -> None:
    """Status, headers and body are the server's, and the request is ours."""
    service = bench.serve(
        b"HTTP/1.1 404 Nope\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n'
    )
    client = Client(Target(service.url, {"Authorization": "Bearer t"}))
    answer = client.request("PUT", "/x?y", headers={"X-B": "c"}, body=b"[]")
    assert (answer.status, answer.headers["x-a"], answer.json()) == (404, "1, 2", {"a": 1})
    (asked,) = service.asked
    assert (asked.method, asked.path, asked.body) == ("PUT", "/x?y", b"[]")
    assert (asked.headers["x-b"], asked.headers["authorization"]) == ("c", "Bearer t")


def test_fields_are_read_as_the_load_reads_them(bench: Any) -> None:
    """Lines may end in a line feed alone, and a continuation is no field of its own."""
    service = bench.serve(b"HTTP/1.1 200 OK\nX-A: 1\n b: 2\nContent-Length: 0\n\n")
    headers = Client(Target(service.url)).get("/").headers
    assert headers == {"x-a": "1", "content-length": "0"}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"SSH-2.0-x\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234567", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n123", "reset"),
        (b"", "reset"),
    ],
)
def test_an_answer_that_is_none_is_told(bench: Any, answer: bytes, outcome: str) -> None:
    """What is not a whole answer is an error of the kind that the load would count."""

    async def respond(_: Any, writer: Any) -> None:
        writer.write(answer)
        writer.close()

    with pytest.raises(RequestError) as caught:
        Client(Target(bench.serve(respond).url)).get("/")
    assert caught.value.outcome == outcome


def test_time_is_limited_from_the_first_step_to_the_last(bench: Any) -> None:
    """A server that sends a byte now and then does not hold us up for ever."""

    async def trickle(_: Any, writer: Any) -> None:
        for byte in bench.OK:
            writer.write(bytes([byte]))
            await writer.drain()
            time.sleep(0.05)  # the server's own thread  # noqa: ASYNC251

    service = bench.serve(trickle)
    began = time.monotonic()
    with pytest.raises(RequestError) as caught:
        Client(Target(service.url), timeout_s=0.3).get("/")
    assert caught.value.outcome == "timeout"
    assert time.monotonic() - began < 2


def test_nobody_there_is_told(bench: Any) -> None:
    """A refused connection and an unknown name are failures to connect."""
    for url in ("http://127.0.0.1:1", "http://no-such-host.invalid"):
        with pytest.raises(RequestError) as caught:
            Client(Target(url)).get("/")
        assert caught.value.outcome == "connect"


def test_threads_share_a_client(bench: Any) -> None:
    """Requests of several threads do not meet."""
    service = bench.serve()
    client = Client(Target(service.url))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(client.get("/").status)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert statuses == [200] * 8


def test_paths_reach_the_server_as_they_are_given(bench: Any) -> None:
    """Preflight and load send the same bytes, and nothing of a path is tidied."""
    service = bench.serve()
    target = Target(f"{service.url}/base")
    endpoints = [Request(path, "GET", path) for path in ODD_PATHS]
    assert preflight(target, *endpoints).passed
    assert [asked.path for asked in service.asked] == [f"/base{path}" for path in ODD_PATHS]
    service.asked.clear()
    many = SharedIterations(1, len(ODD_PATHS), 20_000_000)
    assert bench.outcomes(bench.run(target, many, *endpoints)) == {"ok": len(ODD_PATHS)}
    assert {asked.path for asked in service.asked} == {f"/base{path}" for path in ODD_PATHS}


def test_preflight_and_load_send_the_same_bytes(bench: Any) -> None:
    """Headers of target and endpoint, rotation, placeholders and body are one for both."""
    service = bench.serve()
    target = Target(service.url, {"Accept": "application/json", "X-Key": "secret-key-1"})
    endpoint = Request(
        "/x",
        "POST",
        "/x/{{seq}}",
        headers={"accept": "text/html", "X-Id": "{{uuid}}"},
        body=JsonBody('{"n": "{{seq}}"}'),
        rotate=({"X-Tenant": "a"},),
    )
    assert preflight(target, endpoint).passed
    bench.run(target, SharedIterations(1, 1, 20_000_000), endpoint)
    first, second = service.asked
    for asked in (first, second):
        assert len(asked.headers.pop("x-id")) == 36
    assert (first.path, first.headers, first.body) == (second.path, second.headers, second.body)


@pytest.mark.parametrize("check", ["json:parity_ok=true", "text:parity_ok", "json"])
def test_an_answer_compressed_unasked_is_one_thing_to_both(bench: Any, check: str) -> None:
    """A server that compresses although nobody asked is judged by what it compressed."""
    body = gzip.compress(b'{"parity_ok": true}')
    service = bench.serve(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
    )
    endpoint = Request("/", "GET", "/", checks=(check,))
    assert preflight(Target(service.url), endpoint).passed
    assert bench.outcomes(bench.once(service, endpoint)) == {"ok": 20}


def test_what_fails_in_preflight_shows_no_secret(bench: Any) -> None:
    """A server that echoes a credential does not bring it into evidence."""
    service = bench.serve(b"HTTP/1.1 500 X\r\nContent-Length: 12\r\n\r\nsecret-key-1")
    target = Target(service.url, {"X-Api-Key": "secret-key-1"})
    (failure,) = preflight(target, Request("/", "GET", "/")).failures
    assert "status 500" in failure.error
    assert "secret-key-1" not in failure.error


def test_the_systems_authorities_count_for_both(
    bench: Any,
    authority: Any,
    server_context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SSL_CERT_FILE is the system's file of authorities to preflight and load alike."""
    service = bench.serve(tls=server_context)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    endpoint = Request("/", "GET", "/")
    assert preflight(Target(service.url), endpoint).passed
    assert bench.outcomes(bench.once(service)) == {"ok": 20}


def test_an_authority_of_ones_own_is_trusted_beside_the_systems(
    bench: Any,
    authority: Any,
    server_context: ssl.SSLContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Naming a file of authorities takes none of the others away."""
    from tls_authorities import Authority  # noqa: PLC0415  # beside its use

    other = Authority.make(tmp_path, "other")
    service = bench.serve(tls=server_context)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    target = Target(service.url, ca_file=str(other.file))
    assert preflight(target, Request("/", "GET", "/")).passed
    assert bench.outcomes(bench.once(target)) == {"ok": 20}


@pytest.mark.parametrize("zone", ["%lo", "%25lo"])
def test_a_link_local_address_keeps_its_scope(zone: str) -> None:
    """The zone of an address decides over which interface it is reached, however it is written."""
    target = Target(f"http://[fe80::1{zone}]:8080")
    (address,) = resolve(target)
    assert address.host == "fe80::1"
    assert address.scope == 1  # the loopback interface is the first
    assert address.place() == ("fe80::1", 8080, 0, 1)
