"""Faults of HTTP through the proxy, between a real client and a real server."""

import http.client
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from http_upstream import BIG, Upstream, http_upstream
from stressproof.errors import RunError, UsageError
from stressproof.faults.proxy.addresses import parse_upstream
from stressproof.faults.proxy.http_toxics import (
    HttpAnswer,
    HttpDelay,
    HttpGarbage,
    HttpHang,
    HttpReset,
    HttpToxic,
    HttpTruncate,
)
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.proxy.toxics import (
    Bandwidth,
    CutAfterCommit,
    Latency,
    LoseAnswer,
    Slicer,
    Timeout,
    parse,
    plain,
)
from tls_authorities import Authority

HANG_S = 20.0
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(64)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Yield a server that speaks HTTP."""
    with http_upstream() as server:
        yield server


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[ProxyProcess]:
    """Yield a proxy that follows HTTP in front of it."""
    with ProxyProcess(upstream.address, protocol="http", seed=3) as running:
        yield running


@pytest.fixture
def client(proxy: ProxyProcess) -> Iterator[http.client.HTTPConnection]:
    """Yield a client of the proxy."""
    connection = http.client.HTTPConnection(proxy.host, proxy.port, timeout=HANG_S)
    yield connection
    connection.close()


def get(client: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask, and return status and body."""
    client.request(method, path)
    answer = client.getresponse()
    return answer.status, answer.read()


def raw(proxy: ProxyProcess) -> socket.socket:
    """Return a plain connection to the proxy."""
    return socket.create_connection((proxy.host, proxy.port), timeout=HANG_S)


def read_all(connection: socket.socket) -> bytes:
    """Return everything up to the end."""
    data = b""
    while piece := connection.recv(65_536):
        data += piece
    return data


def wait(what: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + HANG_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_framing_passes_unchanged(
    proxy: ProxyProcess, client: http.client.HTTPConnection, upstream: Upstream
) -> None:
    """Bodies by length, by chunks, until the end, none at all, and of HEAD; one connection."""
    assert get(client, "/a?b=c") == (200, b"GET /a?b=c")
    assert get(client, "/chunked") == (200, b"hello world")
    assert get(client, "/a", "HEAD") == (200, b"")
    assert get(client, "/empty") == (204, b"")
    assert get(client, "/big") == (200, BIG)
    client.request("POST", "/echo", body=BIG)
    assert client.getresponse().read() == BIG
    client.request("POST", "/echo", body=iter([b"one,", b"two"]), encode_chunked=True,
                   headers={"transfer-encoding": "chunked"})  # fmt: skip
    assert client.getresponse().read() == b"one,two"
    assert proxy.state()["counters"]["links_opened"] == 1
    assert get(client, "/until-close") == (200, b"hello world")
    counters = proxy.state()["counters"]
    assert (counters["requests_seen"], counters["opaque_links"]) == (8, 0)
    assert len(upstream.seen) == 8


def test_pipelined_requests_are_each_answered_in_order(
    proxy: ProxyProcess, upstream: Upstream
) -> None:
    """Of three in one packet the middle one is spoilt, and no other is touched."""
    proxy.switch(HttpAnswer(path="/two", status=503, headers={"retry-after": "1"}, body="no"))
    with raw(proxy) as client:
        request = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
        client.sendall(request % b"one" + request % b"two" + request % b"three")
        client.shutdown(socket.SHUT_WR)
        answers = read_all(client)
    assert answers.index(b"GET /one") < answers.index(b"503 Service Unavailable\r\nretry-after: 1")
    assert answers.index(b"\r\n\r\nno") < answers.index(b"GET /three")
    assert upstream.paths() == ["/one", "/three"]


def test_more_pipelined_requests_than_are_held_all_get_there(proxy: ProxyProcess) -> None:
    """A client that sends without reading is stopped by backpressure, and loses nothing."""
    count = 1000
    request = b"GET /a HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"f" * 2000 + b"\r\n\r\n"
    with raw(proxy) as client:

        def send() -> None:
            client.sendall(request * count)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        assert read_all(client).count(b"GET /a") == count
        sender.join()
    assert proxy.state()["counters"]["requests_seen"] == count


@pytest.mark.parametrize("deliver", [False, True])
def test_the_proxy_answers_and_the_server_hears_of_it_only_where_told(
    proxy: ProxyProcess, client: http.client.HTTPConnection, upstream: Upstream, *, deliver: bool
) -> None:
    """The caller sees the same; with `deliver` the server did it. Its connection lives on."""
    proxy.switch(HttpAnswer(status=502, body="é", deliver=deliver))
    client.request("POST", "/charges", body=b"x" * 100_000)
    answer = client.getresponse()
    assert (answer.status, answer.read().decode()) == (502, "é")
    assert upstream.seen == [("POST", "/charges", b"x" * 100_000)] * deliver
    proxy.switch()
    assert get(client, "/after") == (200, b"GET /after")
    assert proxy.state()["hits"] == {"http_answer": 1}
    assert proxy.state()["counters"]["links_opened"] == 1


@pytest.mark.parametrize("deliver", [False, True])
def test_a_reset_takes_the_place_of_the_answer(
    proxy: ProxyProcess, client: http.client.HTTPConnection, upstream: Upstream, *, deliver: bool
) -> None:
    """RST, whether or not the server did what was asked."""
    proxy.switch(HttpReset(deliver=deliver))
    with pytest.raises(ConnectionResetError):
        get(client, "/charges", "POST")
    assert upstream.paths() == ["/charges"] * deliver


@pytest.mark.parametrize("deliver", [False, True])
def test_garbage_is_no_http(
    proxy: ProxyProcess, client: http.client.HTTPConnection, upstream: Upstream, *, deliver: bool
) -> None:
    """The client cannot read it, and the connection is over."""
    proxy.switch(HttpGarbage(deliver=deliver))
    with pytest.raises(http.client.BadStatusLine):
        get(client, "/charges", "POST")
    assert upstream.paths() == ["/charges"] * deliver


@pytest.mark.parametrize("deliver", [False, True])
def test_what_hangs_is_silent_until_healed_and_then_reset(
    proxy: ProxyProcess, upstream: Upstream, *, deliver: bool
) -> None:
    """No byte and no end comes, though the server closes the connection; then RST."""
    proxy.switch(HttpHang(path="/hangs", deliver=deliver))
    with raw(proxy) as client:
        client.sendall(b"GET /hangs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait(lambda: proxy.state()["hits"] == {"http_hang": 1})
        assert not select.select([client], [], [], 0.3)[0]
        with raw(proxy) as other:
            other.sendall(b"GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"200" in read_all(other)
        # Another toxic beside it heals nothing.
        proxy.switch(HttpHang(path="/hangs", deliver=deliver), Latency("upstream", latency_us=1))
        assert not select.select([client], [], [], 0.1)[0]
        proxy.switch()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert upstream.paths() == ["/hangs"] * deliver + ["/other"]
    wait(lambda: proxy.state()["counters"]["links_live"] == 0)


def test_a_client_that_gives_up_on_what_hangs_leaves_nothing(proxy: ProxyProcess) -> None:
    """Both sockets of the link end with it."""
    proxy.switch(HttpHang())
    with raw(proxy) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait(lambda: proxy.state()["hits"] == {"http_hang": 1})
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait(lambda: proxy.state()["counters"]["links_live"] == 0)


def test_a_delay_holds_the_answer_and_nothing_else(
    proxy: ProxyProcess, client: http.client.HTTPConnection, upstream: Upstream
) -> None:
    """The server did it at once; the answer is late, whole, and larger than any buffer."""
    proxy.switch(HttpDelay(path="/big", delay_us=400_000))
    began = time.monotonic()
    assert get(client, "/fast")[0] == 200
    assert get(client, "/big") == (200, BIG)
    assert time.monotonic() - began >= 0.4
    assert upstream.paths() == ["/fast", "/big"]
    assert proxy.state()["hits"] == {"http_delay": 1}


def test_healing_a_delay_delivers_at_once(proxy: ProxyProcess) -> None:
    """What waits for minutes leaves when the toxic does."""
    proxy.switch(HttpDelay(delay_us=600_000_000))
    with raw(proxy) as client:
        client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait(lambda: proxy.state()["hits"] == {"http_delay": 1})
        assert not select.select([client], [], [], 0.2)[0]
        proxy.switch()
        assert b"GET /a" in read_all(client)


@pytest.mark.parametrize(
    ("path", "error"),
    [("/a", http.client.IncompleteRead), ("/chunked", http.client.IncompleteRead)],
)
def test_a_truncated_body_ends_before_its_end(
    proxy: ProxyProcess,
    client: http.client.HTTPConnection,
    upstream: Upstream,
    path: str,
    error: type[Exception],
) -> None:
    """The whole head, a part of the body, and the connection's end."""
    proxy.switch(HttpTruncate(keep_ppm=500_000))
    client.request("GET", path)
    answer = client.getresponse()
    assert answer.status == 200
    with pytest.raises(error) as caught:
        answer.read()
    assert 0 < len(caught.value.partial) < 11  # type: ignore[attr-defined]
    assert upstream.paths() == [path]
    assert proxy.state()["hits"] == {"http_truncate": 1}


@pytest.mark.parametrize("keep_ppm", [0, 250_000, 1_000_000])
def test_a_large_body_is_cut_at_its_share(proxy: ProxyProcess, keep_ppm: int) -> None:
    """Never all of it, whatever is to be kept."""
    proxy.switch(HttpTruncate(keep_ppm=keep_ppm))
    with raw(proxy) as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        body = read_all(client).split(b"\r\n\r\n", 1)[1]
    assert body == BIG[: min(len(BIG) * keep_ppm // 1_000_000, len(BIG) - 1)]


def test_what_has_no_body_is_not_truncated_and_not_counted(
    proxy: ProxyProcess, client: http.client.HTTPConnection
) -> None:
    """`first` is for answers that were spoilt, so it is still there for the next."""
    proxy.switch(HttpTruncate(first=1))
    assert get(client, "/empty") == (204, b"")
    assert get(client, "/a", "HEAD") == (200, b"")
    assert proxy.state()["hits"] == {}
    with pytest.raises(http.client.IncompleteRead):
        get(client, "/a")
    client.close()
    assert get(client, "/a") == (200, b"GET /a")


def test_first_and_every_count_what_matches(
    proxy: ProxyProcess, client: http.client.HTTPConnection
) -> None:
    """Each third of those that match; then only the first two of those."""
    proxy.switch(HttpAnswer(path="/pay", every=3))
    statuses = [get(client, path)[0] for path in ["/pay", "/other"] * 7]
    assert statuses[::2] == [200, 200, 500, 200, 200, 500, 200]
    assert set(statuses[1::2]) == {200}
    proxy.switch(HttpAnswer(path="/pay", first=2))
    assert [get(client, "/pay")[0] for _ in range(4)] == [500, 500, 200, 200]


def test_what_stays_in_force_goes_on_counting_where_told(
    proxy: ProxyProcess, client: http.client.HTTPConnection
) -> None:
    """Toxics set beside it do not begin it anew; set again by itself it begins anew."""
    spoil = HttpAnswer(first=1)
    proxy.switch(spoil)
    assert get(client, "/")[0] == 500
    proxy.switch(spoil, Latency("upstream", latency_us=1), keep=True)
    assert get(client, "/")[0] == 200
    proxy.switch(spoil)
    assert get(client, "/")[0] == 500


@pytest.mark.parametrize(
    ("pattern", "path", "hit"),
    [
        ("/**", "/", True),
        ("/**", "/a/b?c=/d", True),
        ("/rates/*", "/rates/EUR", True),
        ("/rates/*", "/rates/EUR/now", False),
        ("/rates/**", "/rates/EUR/now", True),
        ("/rates/*/now", "/rates/EUR/now?x", True),
        ("/a.b", "/aXb", False),
        ("/charges", "/charges?x=1", True),
        ("/charges", "/charges/1", False),
        ("/charges", "http://bank/charges", True),
    ],
)
def test_a_path_is_a_glob(proxy: ProxyProcess, pattern: str, path: str, *, hit: bool) -> None:
    """A star stays within a segment, two do not, and a query or an origin says nothing."""
    proxy.switch(HttpAnswer(path=pattern, status=418))
    with raw(proxy) as client:
        target = path.encode()
        client.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (b" 418 " in read_all(client)) is hit


def test_a_method_is_matched_exactly(
    proxy: ProxyProcess, client: http.client.HTTPConnection
) -> None:
    """Only POST is spoilt."""
    proxy.switch(HttpAnswer(method="POST"))
    assert get(client, "/a")[0] == 200
    assert get(client, "/a", "POST")[0] == 500


def test_an_answer_to_head_has_no_body(
    proxy: ProxyProcess, client: http.client.HTTPConnection
) -> None:
    """Its length is told, and the next answer is not mistaken for it."""
    proxy.switch(HttpAnswer(body="text", method="HEAD"))
    client.request("HEAD", "/a")
    answer = client.getresponse()
    assert (answer.status, answer.getheader("content-length"), answer.read()) == (500, "4", b"")
    assert get(client, "/a") == (200, b"GET /a")


@pytest.mark.parametrize("deliver", [False, True])
def test_who_waits_for_a_go_ahead_is_not_left_waiting(
    proxy: ProxyProcess, upstream: Upstream, *, deliver: bool
) -> None:
    """With `deliver` the server says to continue; without, the answer itself is the word."""
    proxy.switch(HttpAnswer(status=500, deliver=deliver))
    with raw(proxy) as client:
        head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        client.sendall(head)
        first = client.recv(65_536)
        if deliver:
            assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"body")
            assert b" 500 " in client.recv(65_536)
            assert upstream.seen == [("POST", "/a", b"body")]
        else:
            assert b" 500 " in first
            assert b"connection: close" in first
            assert upstream.seen == []


def test_toxics_of_bytes_and_of_http_add_up(
    proxy: ProxyProcess, client: http.client.HTTPConnection
) -> None:
    """An answer of the proxy's own is late and in pieces like any other."""
    proxy.switch(
        HttpAnswer(status=503, body="x" * 100),
        Latency("downstream", latency_us=200_000),
        Slicer("downstream", average_bytes=10),
    )
    began = time.monotonic()
    assert get(client, "/") == (503, b"x" * 100)
    assert time.monotonic() - began >= 0.2
    assert proxy.state()["downstream"]["pieces"] > 10


@pytest.mark.parametrize(
    "first",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"PING\r\n",
        b"\0\1\2",
        CLIENT_HELLO,
    ],
)
def test_other_protocols_pass_and_are_never_spoilt(echo: object, first: bytes) -> None:
    """They cannot be followed, so they are let through and counted."""
    address: tuple[str, int] = echo.address  # type: ignore[attr-defined]
    with ProxyProcess(address, protocol="http") as proxy, raw(proxy) as client:
        proxy.switch(HttpAnswer(), HttpReset(path="/x"))
        client.sendall(first)
        assert client.recv(65_536) == first
        state = proxy.state()
        assert (state["counters"]["opaque_links"], state["hits"]) == (1, {})
        assert state["counters"]["encrypted_links"] == (first == CLIENT_HELLO)


@pytest.mark.parametrize("toxic", [HttpAnswer(), LoseAnswer()])
def test_faults_of_an_encrypted_conversation_are_refused(
    echo: object, toxic: HttpToxic | LoseAnswer
) -> None:
    """What is said under TLS cannot be read, and it is said so."""
    address: tuple[str, int] = echo.address  # type: ignore[attr-defined]
    with ProxyProcess(address, protocol="http") as proxy, raw(proxy) as client:
        client.sendall(CLIENT_HELLO)
        client.recv(65_536)
        with pytest.raises(RunError, match=r"1 of 1 connections .* encrypted") as refused:
            proxy.switch(toxic)
        assert "sslmode=disable" in refused.value.hint
        assert proxy.state()["toxics"] == []


def test_toxics_of_a_protocol_need_a_proxy_that_follows_it(
    proxy: ProxyProcess, upstream: Upstream
) -> None:
    """A cut at COMMIT is nothing for HTTP, and plain TCP has no answers."""
    with pytest.raises(
        RunError, match="follows the PostgreSQL protocol, and this one follows HTTP"
    ):
        proxy.switch(CutAfterCommit())
    with (
        ProxyProcess(upstream.address) as plain_proxy,
        pytest.raises(RunError, match="http_hang needs a proxy that follows HTTP"),
    ):
        plain_proxy.switch(HttpHang())


@pytest.mark.parametrize(
    "toxic",
    [
        {"type": "http_answer", "status": 199},
        {"type": "http_answer", "headers": {"Content-Length": "3"}},
        {"type": "http_answer", "headers": {"x": "a\r\nb: c"}},
        {"type": "http_answer", "headers": {"a b": "c"}},
        {"type": "http_answer", "status": 204, "body": "x"},
        {"type": "http_answer", "path": "no-slash"},
        {"type": "http_answer", "every": 0},
        {"type": "http_delay", "delay_us": 600_000_001},
        {"type": "http_delay", "deliver": True},
        {"type": "http_truncate", "keep_ppm": 1_000_001},
    ],
)
def test_nonsense_of_http_is_refused(toxic: dict[str, object]) -> None:
    """Nothing is switched on that would break the proxy's own answers, or never hit."""
    with pytest.raises(UsageError):
        parse([toxic])


def test_toxics_of_one_kind_for_other_requests_are_no_contradiction() -> None:
    """They say different things of different paths; twice of one path is a contradiction."""
    one, other = HttpAnswer(path="/a"), HttpAnswer(path="/b", status=404)
    assert parse(plain([one, other])) == [one, other]
    with pytest.raises(UsageError, match="two toxics of kind http_answer"):
        parse(plain([one, HttpAnswer(path="/a", status=404)]))


def test_an_upgraded_connection_is_a_tunnel() -> None:
    """After 101 the bytes are another protocol's, and pass."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ProxyProcess(listener.getsockname(), protocol="http") as proxy,
        raw(proxy) as client,
    ):
        client.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: ws\r\n\r\n")
        server, _ = listener.accept()
        with server:
            assert server.recv(65_536).startswith(b"GET /ws")
            server.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: ws\r\n\r\n\x81\x02hi")
            received = b""
            while not received.endswith(b"hi"):
                received += client.recv(65_536)
            client.sendall(b"GET / HTTP/1.1\r\n")  # no request any more
            assert server.recv(65_536) == b"GET / HTTP/1.1\r\n"
        assert proxy.state()["counters"]["opaque_links"] == 0


def test_a_server_that_leaves_without_a_word_ends_its_own_link_alone() -> None:
    """No bytes are no chunk: one that waited to be written would keep the whole proxy for ever."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ProxyProcess(listener.getsockname(), protocol="http") as proxy,
        raw(proxy) as client,
    ):
        listener.accept()[0].close()
        assert client.recv(1) == b""
        assert proxy.state()["counters"]["links_opened"] == 1


def test_a_hole_under_http_heals_without_a_hole(proxy: ProxyProcess) -> None:
    """Bytes that a toxic of bytes holds leave once it is gone, in order."""
    proxy.switch(Timeout("downstream"), Bandwidth("upstream", bytes_per_second=10**6))
    with raw(proxy) as client:
        client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert not select.select([client], [], [], 0.2)[0]
        proxy.switch()
        assert b"GET /a" in read_all(client)


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """Yield a server that speaks HTTPS, vouched for by somebody whom the proxy trusts."""
    authority = Authority.make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with http_upstream(authority.server_context(tmp_path)) as server:
        yield server


def test_plain_http_goes_in_and_https_out(secure: Upstream) -> None:
    """The server is asked by its own name; answers can be spoilt, and its end is none of ours."""
    upstream = parse_upstream(f"https://127.0.0.1:{secure.address[1]}", protocol="http")
    with ProxyProcess(upstream, protocol="http") as proxy:
        client = http.client.HTTPConnection(proxy.host, proxy.port, timeout=HANG_S)
        assert get(client, "/host") == (200, f"127.0.0.1:{secure.address[1]}".encode())
        assert get(client, "/big") == (200, BIG)
        client.request("POST", "/echo", body=BIG, headers={"HOST": "other"})
        assert client.getresponse().read() == BIG
        proxy.switch(HttpAnswer(status=503, deliver=True))
        assert get(client, "/pay")[0] == 503
        assert secure.paths()[-1] == "/pay"
        proxy.switch()
        assert get(client, "/until-close") == (200, b"hello world")
        client.close()
        proxy.switch(HttpReset(deliver=True))
        with pytest.raises(ConnectionResetError):
            get(client, "/pay")
        proxy.switch(HttpTruncate())
        with pytest.raises(http.client.IncompleteRead):
            get(client, "/big")
        client.close()
        with raw(proxy) as half:
            half.shutdown(socket.SHUT_WR)
            assert read_all(half) == b""
        wait(lambda: proxy.state()["counters"]["links_live"] == 0)
        assert proxy.state()["counters"]["encrypted_links"] == 0


def test_a_server_that_nobody_vouches_for_is_not_trusted(
    secure: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its certificate is looked at as a client would, and what is wrong with it is told."""
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority.make(other).file))
    upstream = parse_upstream(f"https://127.0.0.1:{secure.address[1]}", protocol="http")
    with ProxyProcess(upstream, protocol="http") as proxy:
        client = http.client.HTTPConnection(proxy.host, proxy.port, timeout=HANG_S)
        with pytest.raises(ConnectionResetError):
            get(client, "/a")
        [refused] = [one for one in proxy.events() if one["event"] == "upstream_refused"]
        assert "CERTIFICATE_VERIFY_FAILED" in refused["error"]
    assert secure.seen == []


@pytest.mark.parametrize(
    ("text", "protocol", "words"),
    [
        ("https://127.0.0.1:1", "tcp", "the proxy's protocol is tcp"),
        ("https://127.0.0.1:1/path", "http", "has a path"),
        ("https://bank.example", "http", "loopback only"),
        ("ftp://127.0.0.1:1", "http", "http or https"),
        ("https://user:secret@127.0.0.1:1", "http", "credentials"),
    ],
)
def test_an_upstream_is_an_origin_or_an_address(text: str, protocol: Any, words: str) -> None:
    """With TLS for HTTP alone, and elsewhere than loopback only where an operator says so."""
    with pytest.raises(UsageError, match=words) as refused:
        parse_upstream(text, protocol=protocol)
    assert "secret" not in str(refused.value)


def test_an_upstream_is_shown_as_it_is_written() -> None:
    """So that whoever reads it back has the same one."""
    for text in ("https://bank.example", "http://bank.example:81", "bank.example:82", "[::1]:83"):
        found = parse_upstream(text, protocol="http", allowed=["bank.example"])
        assert str(found) == text
        assert parse_upstream(str(found), protocol="http", allowed=["bank.example"]) == found
