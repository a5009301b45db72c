"""``stressproof.testing``: what other people's tests use, on real servers."""

import inspect
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from disposable_postgres import PostgresServer
from documented_code import DOCS, sections_of
from http_upstream import Upstream, http_upstream
from stressproof.errors import RunError, UsageError
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.faults.proxy.kinds import PROXY_KINDS
from stressproof.testing import FaultDidNotBiteError, FaultProxy, fault_proxy

HANG_S = 20.0


@pytest.fixture
def proxy(echo: Any) -> Iterator[FaultProxy]:
    """Yield a proxy in front of the echo server."""
    with fault_proxy(f"{echo.address[0]}:{echo.address[1]}") as running:
        yield running


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Yield a server that speaks HTTP."""
    with http_upstream() as server:
        yield server


def connect(proxy: FaultProxy) -> socket.socket:
    """Return a connection that has been proven to work."""
    client = socket.create_connection((proxy.host, proxy.port), timeout=HANG_S)
    exchange(client)
    return client


def exchange(client: socket.socket) -> None:
    """Send a few bytes and get them back."""
    client.sendall(b"hello")
    assert b"".join(client.recv(1) for _ in range(5)) == b"hello"


def test_every_kind_has_a_method_with_its_parameters() -> None:
    """None is missing, none has another name, and none says a default of its own."""
    for kind in PROXY_KINDS:
        name, _, of_http = kind.partition("http_")
        method = inspect.signature(getattr(FaultProxy, "http" if of_http else name))
        taken = set(method.parameters) - {"self", "must_bite", "kind", "parameters"}
        wanted = {one.name for one in FAULT_KINDS[kind].parameters}
        assert taken <= wanted if of_http else taken == wanted, kind
        assert all(
            one.default in (None, inspect.Parameter.empty)
            for key, one in method.parameters.items()
            if key != "must_bite"
        )


@pytest.mark.parametrize("kind", [one for one in PROXY_KINDS if one != "down"])
def test_every_fault_that_hits_nothing_raises(kind: str, upstream: Upstream) -> None:
    """Without traffic: an assertion that names the witness; with must_bite=False nothing."""
    protocol: Any = {"cut_": "postgres", "http": "http"}.get(kind[:4], "tcp")
    with fault_proxy(f"127.0.0.1:{upstream.address[1]}", protocol=protocol) as proxy:
        name, _, of_http = kind.partition("http_")
        make: Any = getattr(proxy, "http" if of_http else name)
        kinds = [of_http] if of_http else []
        with pytest.raises(FaultDidNotBiteError) as raised, make(*kinds):
            pass
        assert f"{kind} hit nothing: 0 " in str(raised.value)
        assert set(raised.value.witness.values()) == {0}
        assert isinstance(raised.value, AssertionError)
        with make(*kinds, must_bite=False) as hits:
            pass
        assert hits.count == 0
        assert proxy.witness()["toxics"] == []


def test_faults_of_any_protocol_hit(proxy: FaultProxy) -> None:
    """Each is over with its block, and says what it hit, so far and in all."""
    with connect(proxy) as client:
        with proxy.latency("20ms", jitter="5ms", stream="upstream") as late:
            assert late.count == 0
            exchange(client)
            assert late.witness == {"chunks delayed upstream": 1}
        assert late.witness == {"chunks delayed upstream": 1}
        with proxy.bandwidth("100B/s", stream="downstream") as narrow:
            exchange(client)
        assert narrow.count > 0
        with proxy.trickle(1, pause="1ms") as sliced:
            exchange(client)
        assert sliced.witness["pieces sent upstream"] == 5
        with proxy.black_hole() as hole:
            client.sendall(b"held")
            while not hole.count:
                pass
        assert hole.witness == {"bytes held, none let through": 4}
        assert b"".join(client.recv(1) for _ in range(4)) == b"held"
        with proxy.lose_answer("x=1") as lost:
            client.sendall(b"x=1")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert [event["event"] for event in lost.events] == ["lose_answer"]
    with connect(proxy) as client:
        with proxy.reset(every="10m") as reset, pytest.raises(ConnectionResetError):
            client.recv(1)
        assert reset.count == 1
    with proxy.down() as down, pytest.raises(ConnectionRefusedError):
        connect(proxy)
    assert down.witness == {"connections refused": 1}
    connect(proxy).close()


def test_a_client_that_gave_up_was_still_hit(proxy: FaultProxy) -> None:
    """What a hole held of a connection that is gone counts: the client met the hole."""
    with proxy.black_hole(stream="downstream") as hole:
        with socket.create_connection((proxy.host, proxy.port), timeout=0.2) as client:
            client.sendall(b"hello")
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        while proxy.witness()["downstream"]["held"]:
            pass
    assert hole.count >= 5


def test_a_test_that_failed_keeps_its_own_error(proxy: FaultProxy) -> None:
    """That nothing was hit is not said in its place, and the fault is over."""
    with pytest.raises(ZeroDivisionError), proxy.latency():
        raise ZeroDivisionError
    assert proxy.witness()["toxics"] == []


def test_faults_add_up_and_each_counts_its_own(upstream: Upstream) -> None:
    """One that ends leaves the others as they are, and a spent one is not armed again."""
    with fault_proxy(f"127.0.0.1:{upstream.address[1]}", protocol="http") as proxy:

        def status() -> int:
            with socket.create_connection((proxy.host, proxy.port), timeout=HANG_S) as client:
                client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return int(client.recv(12)[9:])

        with proxy.http("answer", "/a", status=418, first=1) as spoilt:
            assert status() == 418
            with proxy.latency("1ms") as late:
                assert status() == 200
            assert status() == 200
        assert spoilt.count == 1
        assert late.count >= 2
        with proxy.http("answer", status=503, deliver=True, method="GET", every=1):
            assert status() == 503
        assert upstream.paths() == ["/a"] * 3


def test_what_it_cannot_do_is_an_error_with_words(proxy: FaultProxy) -> None:
    """Wrong values, another protocol, one fault twice, an upstream elsewhere, one not started."""
    with pytest.raises(UsageError, match="latency"), proxy.latency("soon"):
        pass
    with pytest.raises(UsageError, match="wait") as raised, proxy.http("delay", wait="1s"):
        pass
    assert "delay" in raised.value.hint
    with pytest.raises(RunError, match="follows HTTP"), proxy.http("hang"):
        pass
    twice = proxy.latency("2s", must_bite=False), proxy.latency("1s")
    with pytest.raises(RunError, match="same direction"), twice[0], twice[1]:
        pass
    assert proxy.witness()["toxics"] == []
    with pytest.raises(UsageError, match="loopback"):
        fault_proxy("10.0.0.1:5432")
    with pytest.raises(RunError, match="does not run"), fault_proxy("127.0.0.1:1").latency():
        pass
    assert fault_proxy("10.0.0.1:5432", allowed=["10.0.0.1"]).port == 0


def test_a_machine_that_refuses_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by tests."""
    monkeypatch.setenv("STRESSPROOF_REFUSE", "production")
    with pytest.raises(UsageError, match="STRESSPROOF_REFUSE"), fault_proxy("127.0.0.1:1"):
        pass


def test_commits_are_cut_from_two_threads_at_once(postgres: PostgresServer) -> None:
    """Each of a count of commits is lost once, whoever makes it."""
    with fault_proxy(f"{postgres.host}:{postgres.port}", protocol="postgres") as db:
        failed: list[BaseException] = []

        def insert() -> None:
            dsn = postgres.dsn(host=db.host, port=db.port)
            try:
                with psycopg.connect(dsn, connect_timeout=10) as connection:
                    connection.execute("INSERT INTO effect VALUES (7, 'two')")
            except psycopg.OperationalError as error:
                failed.append(error)

        with db.cut_after_commit("INSERT INTO effect", count=2) as hits:
            threads = [threading.Thread(target=insert) for _ in range(4)]
            for one in threads:
                one.start()
            for one in threads:
                one.join(HANG_S)
        assert (hits.count, len(failed)) == (2, 2)
        with db.cut_before_commit(count=1) as before:
            insert()
        assert (before.count, len(failed)) == (1, 3)
    with psycopg.connect(postgres.dsn()) as connection:
        query = "SELECT count(*) FROM effect WHERE note = 'two'"
        assert connection.execute(query).fetchone() == (4,)


def test_the_page_s_tests_pass_as_they_are_written(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """They are run by pytest, as somebody who copies them would."""
    [section] = [
        one for one in sections_of(DOCS / "fault-proxy.md") if one.heading.startswith("In tests")
    ]
    postgres.create_database("app")
    with psycopg.connect(postgres.dsn("app"), autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (key text PRIMARY KEY)")
    login = psycopg.conninfo.conninfo_to_dict(postgres.dsn())
    code = section.code("python").replace("postgresql://app@", f"postgresql://{login['user']}@")
    (tmp_path / "test_page.py").write_text(code)
    (tmp_path / "conftest.py").write_text(
        textwrap.dedent(f"""
            import pytest

            @pytest.fixture
            def database():
                return "{postgres.host}:{postgres.port}"
        """)
    )
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."],
        cwd=tmp_path,
        env={**os.environ, "PGPASSWORD": str(login["password"])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert re.search(r"^2 passed", ended.stdout, re.MULTILINE), ended.stdout


def test_the_page_tells_of_every_kind() -> None:
    """No method of the proxy is missing from the table."""
    text = (DOCS / "fault-proxy.md").read_text()
    for kind in PROXY_KINDS:
        name, _, of_http = kind.partition("http_")
        assert f'`http("{of_http}"' in text if of_http else f"`{name}(" in text, kind
