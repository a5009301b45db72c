"""``stressproof proxy``: toxiproxy's clients drive it unmodified, ours asks more, no page may."""

import contextlib
import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broken_bed import fault
from disposable_postgres import PostgresServer
from documented_code import sections_of
from documented_commands import ROOT, commands_of
from stressproof.errors import RunError, UsageError
from stressproof.failures.parameters import S
from stressproof.faults.active import ActiveFaults
from stressproof.faults.proxy.control import ProxyControl
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.proxy.toxics import Timeout

HANG_S = 30.0
SUPPORT = ROOT / "tests" / "support"


class Running:
    """A ``stressproof proxy`` that runs.

    Attributes:
        process: Itself.
        proxies: Where each listens, by its name.
        api: Where it is controlled.
    """

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stressproof", "proxy", "--api", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.proxies: dict[str, tuple[str, int]] = {}
        for line in self.process.stdout:
            name, _, rest = line.partition(": ")
            if name == "control":
                host, port = rest.strip().removeprefix("http://").split(":")
                self.api = host, int(port)
                return
            host, port = rest.split(" ", 1)[0].rsplit(":", 1)
            self.proxies[name] = host, int(port)
        raise AssertionError(self.process.communicate()[1])

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Ask the API, and return status and value."""
        connection = http.client.HTTPConnection(*self.api, timeout=HANG_S)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=data, headers=fields)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else None

    def stop(self, by: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Stop it, and return its exit code and what it said last."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        said = self.process.communicate(timeout=HANG_S)[1]
        return self.process.returncode, said


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Running]:
    """Yield a proxy, and stop it."""
    one = Running(*arguments)
    try:
        yield one
    finally:
        one.stop(signal.SIGKILL)


@pytest.fixture
def proxy(echo: Any) -> Iterator[Running]:
    """Yield a proxy called 0 in front of the echo server."""
    with running(f"0={echo.address[0]}:{echo.address[1]}") as one:
        yield one


def connect(address: tuple[str, int]) -> socket.socket:
    """Return a connection that has been proven to work."""
    client = socket.create_connection(address, timeout=HANG_S)
    client.sendall(b"hello")
    assert b"".join(client.recv(1) for _ in range(5)) == b"hello"
    return client


def wait(what: Any) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + HANG_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_python_client_drives_it_unmodified(proxy: Running, echo: Any) -> None:
    """toxiproxy-python from PyPI: proxies, toxics, down and up, reset, errors of its own."""
    from toxiproxy import Toxiproxy  # noqa: PLC0415  # what nobody else needs
    from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists  # noqa: PLC0415

    server = Toxiproxy()
    server.update_api_consumer(*proxy.api)
    assert json.loads(server.version())["version"].startswith("2.")
    upstream = f"localhost:{echo.address[1]}"
    made = server.create(upstream=upstream, name="py")
    address = ("127.0.0.1", int(made.listen.rpartition(":")[2]))
    assert set(server.proxies()) == {"0", "py"}
    with pytest.raises(ProxyExists):
        server.create(upstream=upstream, name="py")
    with connect(address) as client:
        made.add_toxic(type="latency", attributes={"latency": 300})
        assert made.get_toxic("latency_downstream").attributes == {"latency": 300, "jitter": 0}
        began = time.monotonic()
        client.sendall(b"late")
        assert client.recv(100) == b"late"
        assert time.monotonic() - began >= 0.3
        made.destroy_toxic("latency_downstream")
        assert made.toxics() == {}
        made.add_toxic(type="limit_data", attributes={"bytes": 2})
        made.add_toxic(type="slow_close", attributes={"delay": 10}, stream="upstream")
        client.sendall(b"1234")
        assert client.recv(100) == b"12"
        assert client.recv(100) == b""
    with made.down(), pytest.raises(ConnectionRefusedError):
        connect(address)
    server.reset()
    assert made.toxics() == {}
    connect(address).close()
    with pytest.raises(InvalidToxic, match="invalid toxic type"):
        made.add_toxic(type="packet_loss")
    with pytest.raises(InvalidToxic, match="chance cannot be witnessed"):
        made.add_toxic(type="latency", toxicity=0.5)
    with pytest.raises(NotFound):
        made.destroy_toxic("nothing")
    again = server.populate([{"name": "py", "upstream": upstream, "listen": made.listen}])
    assert again == []  # it is there already
    server.destroy_all()
    assert server.proxies() == {}
    with pytest.raises(ConnectionRefusedError):
        connect(address)


@pytest.mark.needs_node
def test_the_node_client_drives_it_unmodified() -> None:
    """toxiproxy-node-client from npm: each of its calls, and a cut through the generic one."""
    with running("--protocol", "postgres") as one:
        url = f"http://localhost:{one.api[1]}"
        ended = subprocess.run(
            ["node", str(SUPPORT / "toxiproxy_node.js"), url, "localhost:5432"],
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    listen = seen.pop("listen")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", listen)
    latency = {"latency": 300, "jitter": 0}
    assert seen == {
        "version": "2.12.0",
        "enabled": True,
        "toxic": {
            "name": "latency_downstream",
            "type": "latency",
            "stream": "downstream",
            "toxicity": 1,
            "attributes": latency,
        },
        "updated": latency | {"latency": 400},
        "fetched": latency | {"latency": 400},
        "duplicate": "Request failed with status code 409",
        "cut": {"count": 2, "statement": "INSERT"},
        "disabled": False,
        "reset": {"enabled": True, "listen": listen, "name": "node", "upstream": "localhost:5432"},
        "populated": ["node", "other"],
        "all": ["node", "other"],
        "left": ["node"],
        "gone": "Request failed with status code 404",
    }


def test_a_switch_ends_by_itself_and_says_what_it_did(proxy: Running) -> None:
    """All toxics at once, in force for existing connections too, and gone after their time."""
    with connect(proxy.proxies["0"]) as client:
        toxics = [
            {"type": "latency", "attributes": {"latency": 200}, "stream": "upstream"},
            {"type": "slicer", "stream": "downstream", "average_bytes": 1},  # plain
            {"type": "lose_answer", "attributes": {"contains": "lost"}},
        ]
        status, said = proxy.ask("POST", "/proxies/0/switch", {"toxics": toxics, "for": "700ms"})
        assert status == 200
        assert said["before"]["toxics"] == []
        assert [one["type"] for one in said["state"]["toxics"]] == [
            *("latency", "slicer", "lose_answer"),
        ]
        began = time.monotonic()
        client.sendall(b"ab")
        assert client.recv(1) + client.recv(1) == b"ab"
        assert time.monotonic() - began >= 0.2
        wait(lambda: proxy.ask("GET", "/proxies/0/toxics")[1] == [])
        began = time.monotonic()
        client.sendall(b"lost")
        assert client.recv(100) == b"lost"
        assert time.monotonic() - began < 0.2
    witness = proxy.ask("GET", "/proxies/0/witness")[1]
    counted = {one["name"]: one["during"] - one["before"] for one in witness["witnesses"]}
    assert counted == {
        "chunks delayed upstream": 1,
        "pieces sent downstream": 2,
        "pairs cut at an answer": 0,
    }
    assert not any(one["holds"] for one in witness["witnesses"])
    events = proxy.ask("GET", "/proxies/0/events")[1]
    assert [one["event"] for one in events] == ["open", "switch", "expired", "switch", "close"]
    assert proxy.ask("GET", "/proxies/0/events?after=3")[1] == events[3:]


def test_what_comes_after_a_switch_outlives_it(proxy: Running) -> None:
    """The end of a switch ends its own toxics, and a later switch has an end of its own."""
    switch = "/proxies/0/switch"
    proxy.ask("POST", switch, {"toxics": [{"type": "latency"}], "for": 0.3})
    proxy.ask("POST", "/proxies/0/toxics", {"type": "slow_close"})
    wait(lambda: len(proxy.ask("GET", "/proxies/0/toxics")[1]) == 1)
    assert proxy.ask("GET", "/proxies/0/toxics/slow_close_downstream")[0] == 200
    proxy.ask("POST", switch, {"toxics": [{"type": "latency"}], "for": 0.2})
    proxy.ask("POST", switch, {"toxics": [{"type": "timeout"}], "for": "10m"})
    time.sleep(0.4)
    assert [one["type"] for one in proxy.ask("GET", "/proxies/0/toxics")[1]] == ["timeout"]
    assert proxy.ask("POST", switch, {"toxics": []})[0] == 200
    assert proxy.ask("GET", "/proxies/0/toxics")[1] == []


def test_toxics_beside_a_cut_do_not_arm_it_again(postgres: PostgresServer) -> None:
    """A spent cut stays spent, whatever is added, changed or removed beside it."""
    with running(f"0={postgres.host}:{postgres.port}", "--protocol", "postgres") as one:
        host, port = one.proxies["0"]
        toxic = {"name": "cut", "type": "cut_after_commit", "attributes": {"statement": "effect"}}
        assert one.ask("POST", "/proxies/0/toxics", toxic)[0] == 200

        def insert() -> None:
            dsn = postgres.dsn(host=host, port=port)
            with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
                connection.execute("INSERT INTO effect VALUES (1, '')")

        with pytest.raises(psycopg.OperationalError):
            insert()
        one.ask("POST", "/proxies/0/toxics", {"type": "latency", "attributes": {"latency": 1}})
        insert()
        one.ask("PATCH", "/proxies/0/toxics/latency_downstream", {"attributes": {"latency": 2}})
        one.ask("DELETE", "/proxies/0/toxics/latency_downstream")
        insert()
        witness = one.ask("GET", "/proxies/0/witness")[1]["witnesses"]
        [cut] = [found for found in witness if found["toxic"] == "cut"]
        assert (cut["name"], cut["during"], cut["holds"]) == ("pairs cut at a commit", 1, True)
        one.ask("POST", "/proxies/0/toxics/cut", {"attributes": {"count": 5}})
        with pytest.raises(psycopg.OperationalError):
            insert()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/nothing", None, 404, "404 page not found"),
        ("GET", "/proxies/9", None, 404, "proxy not found"),
        ("PUT", "/proxies", None, 405, "GET, POST are"),
        ("POST", "/proxies", {"name": "x"}, 400, "missing required field: upstream"),
        ("POST", "/proxies", {"upstream": "127.0.0.1:1"}, 400, "missing required field: name"),
        ("POST", "/proxies", b"{", 400, "bad request body"),
        ("POST", "/proxies", b"[" * 100_000, 400, "bad request body"),
        ("POST", "/proxies", {"name": "0", "upstream": "127.0.0.1:1"}, 409, "already exists"),
        ("POST", "/proxies", {"name": "a/b", "upstream": "127.0.0.1:1"}, 400, "no name"),
        ("POST", "/proxies", {"name": "x", "upstream": "10.0.0.1:1"}, 400, "loopback only"),
        ("POST", "/proxies", {"name": "x", "upstream": "example.org:1"}, 400, "--allow-upstream"),
        ("POST", "/proxies", {"name": "x", "upstream": "127.0.0.1"}, 400, "no address"),
        ("POST", "/proxies", {"name": "x", "upstream": "127.0.0.1:0"}, 400, "names no server"),
        ("POST", "/proxies", {"name": "x", "upstream": "127.0.0.1:70000"}, 400, "no address"),
        (
            "POST",
            "/proxies",
            {"name": "x", "upstream": "127.0.0.1:1", "listen": "0.0.0.0:0"},
            400,
            "loopback only",
        ),
        (
            "POST",
            "/proxies",
            {"name": "x", "upstream": "127.0.0.1:1", "protocol": "mysql"},
            400,
            "Invalid enum value 'mysql'",
        ),
        ("POST", "/proxies/0/toxics", {"type": "latency", "stream": "up"}, 400, "stream was inv"),
        ("POST", "/proxies/0/toxics", {"type": "latency", "latency": 9}, 400, "unknown field"),
        (
            "POST",
            "/proxies/0/toxics",
            {"type": "latency", "attributes": {"delay": 9}},
            400,
            "It has latency, jitter",
        ),
        (
            "POST",
            "/proxies/0/toxics",
            {"type": "latency", "attributes": {"latency": "1s"}},
            400,
            "whole number",
        ),
        (
            "POST",
            "/proxies/0/toxics",
            {"type": "latency", "attributes": {"latency": 1e300}},
            400,
            "no toxics",
        ),
        ("POST", "/proxies/0/toxics", {"type": "bandwidth"}, 400, ">= 1"),
        ("POST", "/proxies/0/toxics", {"type": "cut_after_commit"}, 400, "follows the PostgreSQL"),
        (
            "POST",
            "/proxies/0/toxics",
            {"type": "trickle", "attributes": {"pause": 5}},
            400,
            "pause",
        ),
        ("POST", "/proxies/0/toxics", {"type": "latency", "toxicity": 0}, 400, "witnessed"),
        ("GET", "/proxies/0/toxics/x", None, 404, "toxic not found"),
        ("POST", "/proxies/0/switch", {"toxics": [{"type": "down"}]}, 400, "a switch has an end"),
        ("POST", "/proxies/0/switch", {"toxics": [{"type": "down"}], "for": "11m"}, 400, "bounds"),
        ("POST", "/proxies/0/switch", {"toxics": [{"type": "down"}], "for": -1}, 400, "an end"),
        ("POST", "/proxies/0/switch", {"toxics": [{"kind": "down"}], "for": 1}, 400, "no toxics"),
        ("POST", "/proxies/0/switch", {"toxics": [1], "for": 1}, 400, "bad request body"),
        (
            "POST",
            "/proxies/0/switch",
            {"toxics": [{"type": "down"}, {"type": "down"}], "for": 1},
            409,
            "two toxics of one name",
        ),
        ("GET", "/proxies/0/events?after=x", None, 400, "number of an event"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_and_changes_nothing(
    proxy: Running, method: str, path: str, body: Any, status: int, words: str
) -> None:
    """A status as toxiproxy has it, words with what was seen and what to do, and no toxic."""
    found, said = proxy.ask(method, path, body)
    assert (found, said["status"]) == (status, status)
    assert words in said["error"]
    state = proxy.ask("GET", "/proxies")[1]
    assert (list(state), state["0"]["toxics"], state["0"]["enabled"]) == (["0"], [], True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8474"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:8474"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "192.168.0.1:8474"}, 403),
        ({"host": ""}, 403),
        ({"user_agent": "Mozilla/5.0 (X11; Linux x86_64)"}, 403),
        ({"host": "localhost:8474"}, 200),
        ({"host": "[::1]:8474"}, 200),
        ({"user_agent": "node", "sec_fetch_mode": "cors"}, 200),
    ],
)
def test_no_page_in_a_browser_drives_it(
    proxy: Running, headers: dict[str, str], status: int
) -> None:
    """Neither another origin's, nor one whose name was made to lead here."""
    assert proxy.ask("GET", "/proxies", **headers)[0] == status
    body = {"toxics": [{"type": "down"}], "for": 60}
    assert proxy.ask("POST", "/proxies/0/switch", body, **headers)[0] == status


def test_the_api_speaks_http_with_bounds(proxy: Running) -> None:
    """Several requests in one packet, a body announced first, chunks, too much, and no HTTP."""
    request = b"%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    with socket.create_connection(proxy.api, timeout=HANG_S) as client:
        client.sendall(request % (b"GET /version", b"") * 3)
        client.sendall(request % (b"GET /version", b"Connection: close\r\n"))
        assert read_all(client).count(b'"version": "2.12.0"') == 4
    for head, status in [
        (request % (b"POST /reset", b"Transfer-Encoding: chunked\r\n"), b"411"),
        (request % (b"POST /reset", b"Content-Length: 1048577\r\n"), b"413"),
        (request % (b"GET /" + b"x" * 70_000, b""), b"400"),
        (b"\x16\x03\x01 nonsense\r\n", b"400"),
    ]:
        with socket.create_connection(proxy.api, timeout=HANG_S) as client:
            client.sendall(head)
            assert read_all(client).split(b" ", 2)[1] == status
    with socket.create_connection(proxy.api, timeout=HANG_S) as client:
        fields = b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n"
        client.sendall(request % (b"POST /reset", fields))
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"{}")
        assert read_all(client).startswith(b"HTTP/1.1 204 ")
    waiting = [socket.create_connection(proxy.api, timeout=HANG_S) for _ in range(80)]
    wait(lambda: sum(has_ended(one) for one in waiting) >= 16)
    for one in waiting:
        one.close()
    wait(lambda: answers(proxy))


def answers(proxy: Running) -> bool:
    """Return whether the API does."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return proxy.ask("GET", "/version")[0] == 200
    return False


def has_ended(client: socket.socket) -> bool:
    """Return whether the other side has closed a connection that says nothing."""
    client.settimeout(0)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def read_all(client: socket.socket) -> bytes:
    """Return everything up to the end."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65_536):
            data += piece
    return data


def test_a_proxy_moves_and_keeps_its_toxics(proxy: Running, echo: Any) -> None:
    """Another upstream on the same port, then another port: toxics and state go along."""
    address = proxy.proxies["0"]
    proxy.ask("POST", "/proxies/0/toxics", {"type": "slicer", "attributes": {"average_size": 1}})
    with socket.create_server(("127.0.0.1", 0)) as other:
        upstream = f"127.0.0.1:{other.getsockname()[1]}"
        status, moved = proxy.ask("POST", "/proxies/0", {"upstream": upstream})
        assert (status, moved["upstream"], moved["listen"]) == (
            *(200, upstream, f"127.0.0.1:{address[1]}"),
        )
        with socket.create_connection(address, timeout=HANG_S):
            other.settimeout(HANG_S)
            other.accept()[0].close()
    upstream = f"127.0.0.1:{echo.address[1]}"
    change = {"upstream": upstream, "listen": "127.0.0.1:0", "enabled": False}
    assert proxy.ask("PATCH", "/proxies/0", change)[1]["enabled"] is False
    assert proxy.ask("PATCH", "/proxies/0", {"enabled": True})[0] == 200
    connect(address).close()
    toxics = proxy.ask("GET", "/proxies/0")[1]["toxics"]
    assert [one["name"] for one in toxics] == ["slicer_downstream"]


def test_the_api_answers_while_a_megabyte_is_sliced(proxy: Running) -> None:
    """In pieces of one byte, both ways: every question is answered before the data is through."""
    for stream in ("upstream", "downstream"):
        toxic = {"type": "slicer", "stream": stream, "attributes": {"average_size": 1}}
        assert proxy.ask("POST", "/proxies/0/toxics", toxic)[0] == 200
    with socket.create_connection(proxy.proxies["0"], timeout=HANG_S) as client:
        client.settimeout(0)
        left, received, asked = bytes(1_000_000), 0, 0
        while received < 20_000 or asked < 20:
            with contextlib.suppress(BlockingIOError):
                left = left[client.send(left[:65_536]) :]
            with contextlib.suppress(BlockingIOError):
                received += len(client.recv(65_536))
            assert proxy.ask("GET", "/proxies/0/witness")[0] == 200
            asked += 1
        assert received < 1_000_000
    assert proxy.ask("DELETE", "/proxies/0")[0] == 204


@pytest.mark.parametrize(
    ("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_it_stops_cleanly(echo: Any, by: signal.Signals, code: int) -> None:
    """Every connection ends, nothing is held any more, the port is free, and the code says why."""
    with running(f"0=127.0.0.1:{echo.address[1]}") as one:
        address = one.proxies["0"]
        with connect(address) as client:
            body = {"toxics": [{"type": "black_hole", "stream": "both"}], "for": "10m"}
            assert one.ask("POST", "/proxies/0/switch", body)[0] == 200
            client.sendall(b"held")
            assert one.stop(by) == (code, "0: 1 connections, no connection hit\n")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert echo.wait_endings(1) == ["ConnectionResetError"]
        socket.create_server(address).close()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["5433"], 2, "no PORT=HOST:PORT"),
        (["5433="], 2, "no PORT=HOST:PORT"),
        (["=5433=127.0.0.1:1"], 2, "no PORT=HOST:PORT"),
        (["a=b=0=127.0.0.1:1"], 2, "no PORT=HOST:PORT"),
        (["0=127.0.0.1"], 2, "no address"),
        (["0=10.0.0.1:5432"], 2, "--allow-upstream HOST"),
        (["0=127.0.0.1:1", "0=127.0.0.1:2"], 2, "already exists"),
        (["0.0.0.0:0=127.0.0.1:1"], 2, "loopback only"),
        (["--api", "0.0.0.0:0"], 2, "loopback only"),
        (["--protocol", "mysql"], 2, "tcp, postgres, http"),
        (["TAKEN=127.0.0.1:1"], 5, "in use"),
        (["--api", "127.0.0.1:TAKEN"], 5, "in use"),
    ],
)
def test_what_it_cannot_do_ends_it_with_a_code(arguments: list[str], code: int, words: str) -> None:
    """Nothing listens then, and no traceback is shown."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = [argument.replace("TAKEN", port) for argument in arguments]
        api = [] if "--api" in arguments else ["--api", "127.0.0.1:0"]
        ended = subprocess.run(
            [sys.executable, "-m", "stressproof", "proxy", *api, *given],
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_operator_allows_an_upstream_beyond_loopback() -> None:
    """Exactly the host that was named, for the API too; others stay refused."""
    with running("0=192.0.2.7:80", "--allow-upstream", "192.0.2.7") as one:
        assert one.ask("GET", "/proxies/0")[1]["upstream"] == "192.0.2.7:80"
        other = {"name": "x", "upstream": "192.0.2.8:80"}
        assert one.ask("POST", "/proxies", other)[0] == 400
        other["upstream"] = "192.0.2.7:81"
        assert one.ask("POST", "/proxies", other)[0] == 201


def test_a_machine_that_refuses_is_not_broken() -> None:
    """STRESSPROOF_REFUSE forbids the proxy as it forbids every other fault."""
    ended = subprocess.run(
        [sys.executable, "-m", "stressproof", "proxy", "--api", "127.0.0.1:0"],
        env={**os.environ, "STRESSPROOF_REFUSE": "production"},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert ended.returncode == 2
    assert "STRESSPROOF_REFUSE" in ended.stderr


def test_every_command_of_the_page_does_what_it_says(postgres: PostgresServer) -> None:
    """The proxy of the page, on other ports; what it asks of the API; its examples of toxics."""
    page = ROOT / "docs" / "fault-proxy.md"
    started, *asked = [shlex.split(one.text) for one in commands_of(page)]
    assert started[:2] == ["stressproof", "proxy"]
    mapping, *options = started[2:]
    assert mapping == "5433=127.0.0.1:5432"
    with running(f"0={postgres.host}:{postgres.port}", *options) as one:
        [shown] = one.ask("GET", "/proxies")[1].values()
        assert shown["protocol"] == "postgres"
        for curl, *words in asked:
            assert curl == "curl"
            [url] = [word for word in words if word.startswith("http")]
            path = url.removeprefix("http://127.0.0.1:8474").replace("5433", "0", 1)
            body = words[words.index("-d") + 1].encode() if "-d" in words else None
            status, said = one.ask("POST" if "POST" in words else "GET", path, body)
            assert status == 200, said
        assert [found["type"] for found in one.ask("GET", "/proxies/0/toxics")[1]] == [
            "cut_after_commit"
        ]
        [example] = [block for part in sections_of(page) for block in part.blocks
                     if block.info == ("json",)]  # fmt: skip
        assert one.ask("POST", "/proxies/0/switch", example.code.encode())[0] == 200
        assert one.ask("POST", "/proxies/0/switch", {"toxics": []})[0] == 200


def test_a_scenario_switches_a_proxy_that_runs_already(echo: Any, active: ActiveFaults) -> None:
    """Like one of its own: witnessed, undone, refused for a reason; and never without an end."""
    with running(f"redis=0=127.0.0.1:{echo.address[1]}") as one:
        control = f"{one.api[0]}:{one.api[1]}"
        proxy = ProxyControl(control, "redis")
        assert (proxy.host, proxy.port) == one.proxies["redis"]
        made = ProxyFault(fault("lose_answer", "proxy", contains="x", lasts_us=S), proxy)
        made.inject(active)
        with connect((proxy.host, proxy.port)) as client:
            assert not made.is_finished()
            client.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert made.is_finished()
        made.remove()
        [cut] = made.witnesses()
        assert (cut.before, cut.during, len(cut.detail)) == (0, 1, 1)
        down = ProxyFault(fault("down", "proxy"), proxy)
        down.inject(active)
        down.observe()
        down.remove()
        assert down.witnesses()[0].during == 1
        with pytest.raises(RunError, match=r"refuses: .*cut_after_commit needs"):
            ProxyFault(fault("cut_after_commit", "proxy"), proxy).inject(active)
        proxy.switch(Timeout("upstream"), lasts_us=300_000)
        assert one.ask("GET", "/proxies/redis/toxics")[1] != []
        wait(lambda: one.ask("GET", "/proxies/redis/toxics")[1] == [])
        with pytest.raises(UsageError, match="has no proxy bank"):
            ProxyControl(control, "bank")
        one.stop()
        with pytest.raises(RunError, match="does not answer"):
            ProxyControl(control, "redis")
    with pytest.raises(UsageError, match="loopback"):
        ProxyControl("10.0.0.1:8474", "redis")
