"""Flows over TLS and HTTP/2, as whoever has a token, and each once with all that was said."""

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from http2_peer import Peer
from stressproof.capture.plan import PreflightPlan
from stressproof.capture.preflight import run_preflight
from stressproof.errors import TargetError
from stressproof.load.client import Client
from stressproof.load.run import run_round
from stressproof.workload.auth import BasicAuth, OAuth2Auth
from stressproof.workload.executors import ConstantVus, PerVuIterations, SharedIterations
from stressproof.workload.flows import Flow
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload
from tls_authorities import Authority

S = 1_000_000
FLOW = (Flow("", "flows.py:flow"),)


def answer(status: int, document: Any, *headers: str) -> bytes:
    """An answer with a JSON body."""
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def workload(folder: Path, target: Target, executor: Any, body: str, *items: Any) -> Workload:
    """A workload of one flow in a file of its own."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    text = f"from stressproof.flow import *\nasync def flow(user: User) -> None:\n{lines}"
    (folder / "flows.py").write_text(text)
    return Workload(target, (Scenario(executor, items or FLOW, cookies=True),), folder=str(folder))


def counted(result: Any, at: int = 0) -> dict[str, int]:
    """How the iterations of an item ended."""
    found: dict[str, int] = {}
    for row in result.rows:
        for outcome, count in row.outcomes.items() if row.endpoint == at else ():
            found[outcome] = found.get(outcome, 0) + count
    return found


BOTH = """
made = (await user.post("/p/{n}", user.iteration, json={"n": user.iteration})).json()
user.headers["x-seen"] = str(made["parity_ok"])
got = await user.get("/g", headers={"x-more": "1"})
user.check("json", got.headers["content-type"] == "application/json")
"""


def test_flows_travel_through_tls(
    bench: Any, authority: Authority, server_context: ssl.SSLContext, tmp_path: Path
) -> None:
    """A flow over HTTPS sends and is handed what it would be without."""
    ok = answer(200, {"parity_ok": True}, "Content-Type: application/json")
    service = bench.serve(ok, tls=server_context)
    target = Target(service.url, ca_file=str(authority.file))
    result = run_round(workload(tmp_path, target, SharedIterations(3, 30, 30 * S), BOTH), workers=2)
    assert counted(result) == {"ok": 30}
    assert service.connections == 3
    assert {a.headers.get("x-seen") for a in service.asked if a.method == "GET"} == {"True"}


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


def test_flows_are_streams_of_http2(peers: Callable[..., Peer], tmp_path: Path) -> None:
    """Users share a connection, and each is handed its own answers."""
    peer = peers()
    target = Target(f"{peer.url}/base", http2=True)
    body = BOTH.replace('got.headers["content-type"] == "application/json"', "got.json()")
    result = run_round(workload(tmp_path, target, SharedIterations(10, 100, 30 * S), body))
    assert counted(result) == {"ok": 100}
    assert peer.connections == 1
    paths = [fields[b":path"] for fields, _ in peer.asked]
    assert sorted(path for path in paths if b"/p/" in path) == sorted(
        b"/base/p/%d" % n for n in range(100)
    )
    gets = [fields for fields, _ in peer.asked if fields[b":method"] == b"GET"]
    assert all(one[b"x-seen"] == b"True" and one[b"x-more"] == b"1" for one in gets)


def issuing(life_s: float | None, issued: list[str], **wrong: Any) -> Any:
    """Return a service that issues tokens, and takes the last two of them."""

    async def respond(asked: Any, writer: Any) -> None:
        if asked.path == "/oauth/token":
            form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
            if asked.headers.get("authorization") != "Basic bG9hZDpzJTNBZWNyZXQ=" or wrong:
                writer.write(answer(401, {"error": "invalid_client"}))
                return
            assert form == {"grant_type": "client_credentials", "scope": "orders"}
            issued.append(f"token-{len(issued)}")
            life = {} if life_s is None else {"expires_in": life_s}
            writer.write(answer(200, {"access_token": issued[-1], "token_type": "Bearer", **life}))
            return
        good = asked.headers.get("authorization") in {f"Bearer {one}" for one in issued[-2:]}
        writer.write(answer(200 if good else 401, {"seen": asked.headers.get("authorization")}))

    return respond


def oauth2(url: str) -> OAuth2Auth:
    """Client credentials of the service above."""
    return OAuth2Auth(f"{url}/oauth/token", "load", "s:ecret", scope="orders")


@pytest.mark.parametrize("workers", [1, 2])
def test_one_token_serves_all_users(bench: Any, tmp_path: Path, workers: int) -> None:
    """A token is fetched once before the load, and sent with requests and flows alike."""
    issued: list[str] = []
    service = bench.serve(issuing(3600, issued))
    target = Target(service.url, auth=oauth2(service.url))
    items = (*FLOW, Request("", "GET", "/declared"))
    load = workload(
        tmp_path, target, SharedIterations(4, 40, 30 * S), 'await user.get("/")', *items
    )
    result = run_round(load, workers=workers)
    assert counted(result, 0) == counted(result, 1) == {"ok": 20}
    assert issued == ["token-0"]


def test_a_token_is_renewed_while_the_load_runs(bench: Any, tmp_path: Path) -> None:
    """At four fifths of its life another is fetched, outside of the rows, and used from then on."""
    issued: list[str] = []
    service = bench.serve(issuing(0.5, issued))
    target = Target(service.url, auth=oauth2(service.url))
    items = (*FLOW, Request("", "GET", "/declared"))
    load = workload(tmp_path, target, ConstantVus(2, 2 * S), 'await user.get("/")', *items)
    plain = Workload.of(target, (Request("", "GET", "/plain"),), ConstantVus(2, 2 * S))
    for one in (load, plain):
        issued.clear()
        result = run_round(one)
        assert set(counted(result)) == {"ok"}
        assert 3 <= len(issued) <= 20  # five, or more where they come late; never one a request
    assert not any("token" in row.outcomes for row in result.rows)


def test_no_token_means_no_load(bench: Any, tmp_path: Path) -> None:
    """Where none is issued the round does not begin, and no secret is in the message."""
    service = bench.serve(issuing(1, [], wrong=True))
    target = Target(service.url, auth=oauth2(service.url))
    with pytest.raises(TargetError, match="status 401, invalid_client") as caught:
        run_round(workload(tmp_path, target, ConstantVus(1, S), 'await user.get("/")'))
    assert "ecret" not in caught.value.message
    assert {a.path for a in service.asked} == {"/oauth/token"}


def test_basic_auth_goes_with_every_request(bench: Any, tmp_path: Path) -> None:
    """Name and password are sent with steps as with declared requests."""
    service = bench.serve()
    target = Target(service.url, auth=BasicAuth("u", "pw"))
    load = workload(
        tmp_path,
        target,
        SharedIterations(1, 4, 30 * S),
        'await user.get("/")',
        *FLOW,
        Request("", "GET", "/d"),
    )
    assert counted(run_round(load)) == {"ok": 2}
    assert {a.headers["authorization"] for a in service.asked} == {"Basic dTpwdw=="}


def test_a_long_flow_needs_no_depth(bench: Any, tmp_path: Path) -> None:
    """Hundreds of requests in one flow need no more stack than one."""
    target = Target(bench.serve().url)
    body = 'for n in range(700):\n    await user.get("/{n}", n)'
    result = run_round(workload(tmp_path, target, PerVuIterations(1, 1, 30 * S), body))
    assert counted(result) == {"ok": 1}


def test_the_preflight_runs_flows_as_a_whole(bench: Any, tmp_path: Path) -> None:
    """A flow's check tells how it ended, with its line; what its users are set up with is there."""

    async def respond(asked: Any, writer: Any) -> None:
        good = asked.path != "/flaky" or len(service.asked) > 3
        writer.write(answer(200 if good else 503, {"id": asked.headers.get("x-me")}))

    service = bench.serve(respond)
    load = workload(
        tmp_path,
        Target(service.url),
        ConstantVus(5, S),
        'assert (await user.get("/a")).json()["id"] == "u0"\nawait user.get("/flaky")',
        *FLOW,
        Request("", "GET", "/d"),
    )
    login = "async def login(user: User) -> None:\n    user.headers['x-me'] = f'u{user.number}'\n"
    with (tmp_path / "flows.py").open("a") as file:
        file.write(login)
    scenario = msgspec.structs.replace(load.scenarios[0], setup="flows.py:login")
    load = msgspec.structs.replace(load, scenarios=(scenario,))
    seen = run_preflight(Client(load.target), load, PreflightPlan(attempts=2))
    assert seen.passed
    assert [(one.endpoint, one.attempt, one.ok, one.status_code) for one in seen.checks] == [
        ("flow:flow", 1, False, 503),
        ("flow:flow", 2, True, 200),
        ("GET /d", 1, True, 200),
    ]
    assert seen.checks[0].error == "flows.py:4: GET /flaky: status_503"
