"""Flows under load: what a coroutine asks is sent, handed back and counted."""

import asyncio
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stressproof.errors import TargetError, UsageError
from stressproof.load.result import RoundResult
from stressproof.load.run import run_round
from stressproof.workload.executors import (
    ConstantArrivalRate,
    ConstantVus,
    Executor,
    PerVuIterations,
    SharedIterations,
)
from stressproof.workload.flows import Flow
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario, Span
from stressproof.workload.tables import Table
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

S = 1_000_000


def answer(status: int, document: Any, *headers: str) -> bytes:
    """An answer with a JSON body."""
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
def flows(tmp_path: Path) -> Any:
    """What writes a file of flows and runs it against a server."""

    class Flows:
        folder = tmp_path

        @staticmethod
        def write(text: str, name: str = "flows.py") -> None:
            (tmp_path / name).write_text("from stressproof.flow import *\n" + text)

        @staticmethod
        def workload(
            service: Any, executor: Executor, *items: Flow | Request, **settings: Any
        ) -> Workload:
            outer = {
                name: settings.pop(name)
                for name in ("tables", "timeout_us", "target", "seed")
                if name in settings
            }
            target = outer.pop("target", None) or Target(service.url)
            scenario = Scenario(executor, items or (Flow("", "flows.py:flow"),), **settings)
            return Workload(target, (scenario,), folder=str(tmp_path), **outer)

        @classmethod
        def run(
            cls, service: Any, text: str, executor: Executor, *items: Any, **settings: Any
        ) -> Any:
            if text:
                cls.write(text)
            workers = settings.pop("workers", 1)
            return run_round(cls.workload(service, executor, *items, **settings), workers=workers)

    return Flows


def outcomes(result: RoundResult, name: str = "") -> dict[str, int]:
    """How the runs of the only flow ended, or the requests of a step."""
    at = 0
    if name:
        (at,) = (1 + n for n, step in enumerate(result.steps) if step.name == name)
    counted: Counter[str] = Counter()
    for row in result.rows:
        if row.endpoint == at:
            counted.update(row.outcomes)
    return dict(counted)


def demand_sums(result: RoundResult, items: int = 1) -> None:
    """Every request that a run of a flow sent is counted as a step."""
    everything = [*result.rows, *result.ramp, *result.tail]
    asked = sum(row.requests for row in everything if row.endpoint < items)
    sent = sum(sum(row.outcomes.values()) for row in everything if row.endpoint >= items)
    assert asked == sent > 0
    flow_us = sum(
        (row.uncorrected or row.corrected).sum_us for row in result.rows if row.endpoint < items
    )
    step_us = sum(
        (row.uncorrected or row.corrected).sum_us for row in result.rows if row.endpoint >= items
    )
    assert flow_us >= step_us


TWO_STEPS = """
async def flow(user: User) -> None:
    made = (await user.post("/carts", json={"n": user.iteration}, expect=201)).json()
    got = await user.get("/carts/{id}", made["id"], headers={"x-cart": made["id"]})
    user.check("its own", got.json()["id"] == made["id"])
"""


async def carts(asked: Any, writer: Any) -> None:
    """Make a cart, named after who asked, and give it back."""
    if asked.method == "POST":
        writer.write(answer(201, {"id": f"c{json.loads(asked.body)['n']}"}))
    else:
        name = asked.path.rpartition("/")[2]
        assert asked.headers["x-cart"] == name
        writer.write(answer(200, {"id": name}))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_flow_asks_is_sent_and_counted(bench: Any, flows: Any, workers: int) -> None:
    """Each run sends its two requests, the second made of the first one's answer."""
    service = bench.serve(carts)
    result = flows.run(service, TWO_STEPS, SharedIterations(4, 200, 30 * S), workers=workers)
    assert outcomes(result) == {"ok": 200}
    assert [(step.name, step.flow, step.scenario) for step in result.steps] == [
        ("GET /carts/{id}", "flow", "default"),
        ("POST /carts", "flow", "default"),
    ]
    assert outcomes(result, "POST /carts") == outcomes(result, "GET /carts/{id}") == {"ok": 200}
    assert len(service.asked) == 400
    assert {json.loads(a.body)["n"] for a in service.asked if a.method == "POST"} == set(range(200))
    demand_sums(result)
    assert [(file.path, file.role) for file in result.files] == [("flows.py", "flow")]


def one_flow(body: str) -> str:
    """A file with one flow."""
    return "async def flow(user: User) -> None:\n" + "".join(
        f"    {line}\n" for line in body.splitlines()
    )


@pytest.mark.parametrize(
    ("body", "outcome", "detail"),
    [
        ('await user.get("/missing")', "request", "flows.py:3: GET /missing: status_404"),
        ('await user.get("/", check="text:nowhere")', "request", "flows.py:3: GET /: body_check"),
        (
            'user.check("adds up", (await user.get("/")).status == 7)',
            "check",
            "flows.py:3: adds up",
        ),
        (
            '(await user.get("/")).find("no(thing)here")',
            "check",
            "flows.py:3: nothing in the answer",
        ),
        ('(await user.get("/")).json()["absent"]', "exception", "flows.py:3: KeyError: 'absent'"),
        (
            'await user.get("/{a}/{b}", 1)',
            "exception",
            "flows.py:3: ValueError: '/{a}/{b}' has 2 braces",
        ),
        (
            'await user.get("/", headers={"a": "b\\nc: d"})',
            "exception",
            "flows.py:3: ValueError: the value of the header a",
        ),
        (
            'await user.post("/", json=1, form={})',
            "exception",
            "flows.py:3: TypeError: a request carries one",
        ),
        (
            'await user.get("/", jsn=1)',
            "exception",
            "flows.py:3: TypeError: Unexpected keyword argument 'jsn'",
        ),
        ("raise SystemExit(3)", "exception", "flows.py:3: SystemExit: 3"),
        ("await user.think(3, 1)", "exception", "flows.py:3: ValueError: think(3, 1) is no time"),
        (
            'try:\n    user.check("held", False)\nexcept Exception:\n    await user.get("/")',
            "check",
            "held",
        ),
        ('await user.get("/slow", timeout=0.05)', "request", "flows.py:3: GET /slow: timeout"),
    ],
)
def test_a_failure_ends_the_iteration_with_its_line(
    bench: Any, flows: Any, body: str, outcome: str, detail: str
) -> None:
    """Whatever goes wrong in a flow fails that iteration; the next one begins all the same."""

    async def respond(asked: Any, writer: Any) -> None:
        if asked.path == "/slow":
            return
        writer.write(answer(404 if asked.path == "/missing" else 200, {"a": 1}))

    result = flows.run(bench.serve(respond), one_flow(body), PerVuIterations(2, 2, 30 * S))
    assert outcomes(result) == {outcome: 4}
    samples = [str(sample) for sample in result.errors_sample if sample.endpoint == "flow:flow"]
    assert samples
    assert detail in samples[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import asyncio\nawait asyncio.sleep(1)", "flows.py:4: a flow awaits its user only"),
        ("import asyncio\nawait asyncio.sleep(0)", "flows.py:4: a flow awaits its user only"),
        ('await user.get("/orders/7")', "flows.py:3: GET /orders/7 has the value '7' in its path"),
        ('await user.get("/o/0b2f9c1e-5b1a-4c7e-9f0e-1a2b3c4d5e6f/x")', "has the value"),
        ('await user.get("/o/deadbeefdeadbeefdeadbeef")', "has the value"),
        ('await user.get("no/slash")', "flows.py:3: the path is 'no/slash'"),
        ('await user.get("/a b")', "the path is '/a b'"),
        ('await user.get("/", expect="anything")', "expect is 'anything'"),
        ('await user.get("/", expect=700)', "expected statuses"),
        ('await user.get("/", check="nonsense")', "the response check 'nonsense' cannot be read"),
        ('await user.get("/", timeout=-1)', "the timeout is"),
        ('await user.get("/", redirects=99)', "redirects is 99"),
        (
            'for n in range(300):\n    await user.get("/", name=f"n{n}")',
            "more than 256 different names",
        ),
    ],
)
def test_what_could_never_be_done_is_refused(bench: Any, flows: Any, body: str, said: str) -> None:
    """A flow that no run could do anything about ends the round at once, with line and remedy."""
    with pytest.raises(UsageError) as caught:
        flows.run(bench.serve(), one_flow(body), PerVuIterations(1, 1, 30 * S))
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def flow(user): pass", "flows.py:flow is no coroutine function"),
        ("async def flow(): pass", "cannot be called with its user alone"),
        ("async def flaw(user): pass", "flows.py has no flow"),
        ("async def flow(user)\n    pass", "flows.py:2: SyntaxError"),
        ("import nothing_of_that_name", "flows.py:2: ModuleNotFoundError"),
        ("raise SystemExit", "flows.py:2: SystemExit"),
        ('read("absent.pdf")', "the file 'absent.pdf' that a flow reads cannot be read"),
    ],
)
def test_a_file_without_a_flow_is_refused(bench: Any, flows: Any, text: str, said: str) -> None:
    """What is wrong with the file is said with its line, before any load."""
    service = bench.serve()
    with pytest.raises(UsageError) as caught:
        flows.run(service, text, PerVuIterations(1, 1, 30 * S))
    assert said in caught.value.message
    assert not service.asked


def test_a_flow_names_its_path_by_its_template(bench: Any, flows: Any) -> None:
    """Values are percent-encoded for where they stand, and names hold none of them."""

    async def respond(asked: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    service = bench.serve(respond)
    body = """
await user.get("/a/{x}/b", "ü/?#", query={"q": "a b&c", "n": True})
await user.get("/v1?fixed=1", query={"more": 2})
await user.delete("/a/{x}", 7.5, expect="any", name="gone")
await user.head("/h")
await user.options("/o")
"""
    result = flows.run(service, one_flow(body), SharedIterations(1, 1, 30 * S))
    assert outcomes(result) == {"ok": 1}
    assert [f"{a.method} {a.path}" for a in service.asked] == [
        "GET /a/%C3%BC%2F%3F%23/b?q=a+b%26c&n=true",
        "GET /v1?fixed=1&more=2",
        "DELETE /a/7.5",
        "HEAD /h",
        "OPTIONS /o",
    ]
    assert [step.name for step in result.steps] == [
        "GET /a/{x}/b",
        "GET /v1",
        "HEAD /h",
        "OPTIONS /o",
        "gone",
    ]


def test_bodies_of_every_kind(bench: Any, flows: Any) -> None:
    """JSON, forms, files and plain bodies arrive as they were given, and say what they are."""
    service = bench.serve()
    (flows.folder / "a.bin").write_bytes(b"\x00--{{uuid}}\r\n")
    body = """
await user.post("/", json={"a": ["{{uuid}}", None]})
await user.put("/", form={"a b": "c&d", "n": 1})
await user.patch("/", body="päth", headers={"content-type": "text/plain"})
await user.post("/", body=b"raw")
await user.post("/")
await user.post("/", json=None)
await user.post("/", multipart={"kind": "x", "file": Part(FILE, 'na"me', "text/x")})
"""
    text = 'FILE = read("a.bin")\n'.replace("\\n", "\n") + one_flow(body)
    result = flows.run(service, text, SharedIterations(1, 1, 30 * S))
    assert outcomes(result) == {"ok": 1}
    sent = [(a.headers.get("content-type"), a.body) for a in service.asked]
    assert sent[:6] == [
        ("application/json", b'{"a":["{{uuid}}",null]}'),
        ("application/x-www-form-urlencoded", b"a+b=c%26d&n=1"),
        ("text/plain", "päth".encode()),
        (None, b"raw"),
        (None, b""),
        ("application/json", b"null"),
    ]
    kind, whole = sent[6]
    boundary = kind.partition("boundary=")[2].encode()
    assert whole == (
        b'--%b\r\nContent-Disposition: form-data; name="kind"\r\n\r\nx\r\n--%b\r\n'
        b'Content-Disposition: form-data; name="file"; filename="na%%22me"\r\n'
        b"Content-Type: text/x\r\n\r\n\x00--{{uuid}}\r\n\r\n--%b--\r\n" % ((boundary,) * 3)
    )
    assert [(file.path, file.role) for file in result.files] == [
        ("a.bin", "read"),
        ("flows.py", "flow"),
    ]


def test_users_have_headers_cookies_and_state_of_their_own(bench: Any, flows: Any) -> None:
    """What one user was given is sent by that user, through all its iterations, and by no other."""

    async def respond(asked: Any, writer: Any) -> None:
        if asked.path == "/login":
            name = asked.headers["x-user"]
            writer.write(
                answer(200, {}, f"Set-Cookie: sid={name}; Path=/", "set-cookie: b=2; HttpOnly")
            )
        elif asked.path == "/logout":
            writer.write(answer(200, {}, "Set-Cookie: sid=; Max-Age=0", "Set-Cookie: c=3"))
        else:
            writer.write(answer(200, {}))

    body = """
if "seen" not in user.state:
    user.headers["x-user"] = f"u{user.number}"
    await user.get("/login")
user.state["seen"] = user.state.get("seen", 0) + 1
await user.get("/page", headers={"X-User": "once"})
if user.state["seen"] == 3:
    await user.get("/logout")
    await user.get("/after")
"""
    service = bench.serve(respond)
    result = flows.run(service, one_flow(body), PerVuIterations(3, 3, 30 * S), cookies=True)
    assert outcomes(result) == {"ok": 9}
    by_user: dict[int, list[tuple[str, str, str | None]]] = {}
    for a in service.asked:
        seen = (a.path, a.headers["x-user"], a.headers.get("cookie"))
        by_user.setdefault(a.connection, []).append(seen)
    for asked in by_user.values():
        name = asked[0][1]
        sid = f"sid={name}; b=2"
        assert asked == [
            ("/login", name, None),
            *[("/page", "once", sid)] * 3,
            ("/logout", name, sid),
            ("/after", name, "b=2; c=3"),
        ]
    assert {asked[0][1] for asked in by_user.values()} == {"u0", "u1", "u2"}


def test_fresh_users_forget(bench: Any, flows: Any) -> None:
    """Each iteration of a fresh user begins without cookies, headers and state."""
    service = bench.serve(answer(200, {}, "Set-Cookie: a=1"))
    body = """
assert not user.state and not user.headers and not user.cookies
user.state["x"], user.headers["x-a"] = 1, "1"
await user.get("/")
await user.get("/again")
"""
    result = flows.run(
        service, one_flow(body), PerVuIterations(1, 3, 30 * S), cookies=True, fresh=True
    )
    assert outcomes(result) == {"ok": 3}
    assert [a.headers.get("cookie") for a in service.asked] == [None, "a=1"] * 3


def test_redirects_are_followed_within_the_target(bench: Any, flows: Any) -> None:
    """A hop is one more row; another origin, a chain too long and no Location fail."""

    async def respond(asked: Any, writer: Any) -> None:
        places = {
            "/a": (302, "/b?x=1"),
            "/b?x=1": (307, f"{service.url}/c#part"),
            "/dir/here": (303, "there"),
            "/away": (302, "http://127.0.0.1:1/"),
            "/loop": (301, "/loop"),
            "/form": (303, "/c"),
            "/again": (307, "/c"),
        }
        if asked.path in places:
            status, place = places[asked.path]
            writer.write(answer(status, {}, f"Location: {place}", "Set-Cookie: hop=1"))
        elif asked.path == "/nowhere":
            writer.write(answer(302, {}))
        else:
            writer.write(answer(200, {"at": asked.path}))

    service = bench.serve(respond)
    body = """
user.check("end", (await user.get("/a", check="json:at", redirects=5)).json()["at"] == "/c")
await user.get("/dir/here", redirects=1)
await user.post("/form", json={"a": 1}, redirects=1)
await user.post("/again", json={"a": 2}, redirects=1)
for path in ("/away", "/loop", "/nowhere"):
    try:
        await user.get(path, redirects=2)
    except RequestFailed as error:
        user.state[path] = error.outcome
await user.get("/a", redirects=0, expect=302)
user.check("outcomes", user.state == {p: "redirect" for p in ("/away", "/loop", "/nowhere")})
"""
    result = flows.run(service, one_flow(body), SharedIterations(1, 1, 30 * S), cookies=True)
    assert outcomes(result) == {"ok": 1}
    assert [(a.method, a.path, a.body) for a in service.asked] == [
        ("GET", "/a", b""),
        ("GET", "/b?x=1", b""),
        ("GET", "/c", b""),
        ("GET", "/dir/here", b""),
        ("GET", "/dir/there", b""),
        ("POST", "/form", b'{"a":1}'),
        ("GET", "/c", b""),
        ("POST", "/again", b'{"a":2}'),
        ("POST", "/c", b'{"a":2}'),
        ("GET", "/away", b""),
        *[("GET", "/loop", b"")] * 3,
        ("GET", "/nowhere", b""),
        ("GET", "/a", b""),
    ]
    assert service.asked[1].headers["cookie"] == "hop=1"
    assert outcomes(result, "GET /a") == {"ok": 2}
    assert outcomes(result, "GET /a +redirect") == {"ok": 2}
    assert outcomes(result, "GET /loop +redirect") == {"ok": 1, "redirect": 1}
    assert outcomes(result, "GET /away") == {"redirect": 1}
    assert any("only redirects within the target" in str(one) for one in result.errors_sample)
    demand_sums(result)


def test_declared_requests_follow_redirects_too(bench: Any, flows: Any) -> None:
    """A request that is an iteration has its hops in a row of their own, behind all items."""

    async def respond(asked: Any, writer: Any) -> None:
        to = ("Location: /new",) if asked.path.startswith("/old") else ()
        writer.write(answer(301 if to else 200, {}, *to))

    service = bench.serve(respond)
    request = Request("", "GET", "/old", redirects=1)
    result = flows.run(service, "", SharedIterations(2, 10, 30 * S), request)
    assert outcomes(result) == {"ok": 10}
    assert [(step.flow, step.name) for step in result.steps] == [("GET /old", "GET /old +redirect")]
    assert outcomes(result, "GET /old +redirect") == {"ok": 10}
    assert Counter(a.path for a in service.asked) == {"/old": 10, "/new": 10}


def table(name: str, rows: list[str], **settings: Any) -> Table:
    """A CSV table of one column."""
    return Table(name, f"{name}.csv", "\n".join(["v", *rows]).encode(), **settings)


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_follow_the_iteration_and_the_user(bench: Any, flows: Any, workers: int) -> None:
    """An iteration has one row of each table throughout, a user the same one always."""
    service = bench.serve()
    tables = (
        table("its", [f"i{n}" for n in range(40)], pick="unique"),
        table("own", [f"o{n}" for n in range(4)], pick="unique", per="user"),
    )
    body = """
await user.get("/{a}/{b}", user.data["its"]["v"], user.data["own"]["v"])
await user.get("/again/{a}/{b}", user.data["its"]["v"], user.data["own"]["v"])
assert user.data["own"]["v"] == f"o{user.number}"
assert user.data["its"]["v"] == f"i{user.iteration}"
"""
    request = Request("", "POST", "/{{its.v}}/{{own.v}}", headers={"x-i": "{{its.v}}"})
    result = flows.run(
        service,
        one_flow(body),
        SharedIterations(4, 40, 30 * S),
        Flow("", "flows.py:flow"),
        request,
        tables=tables,
        workers=workers,
    )
    assert outcomes(result) == {"ok": 20}
    had = [tuple(a.path.removeprefix("/again").split("/")[1:]) for a in service.asked]
    assert sorted({own for _, own in had}) <= ["o0", "o1", "o2", "o3"]
    assert sorted({its for its, _ in had}) == sorted(f"i{n}" for n in range(40))
    assert sorted(Counter(its for its, _ in had).values()) == [1] * 20 + [2] * 20
    for a in service.asked:
        if a.method == "POST":
            assert a.headers["x-i"] == a.path.split("/")[1]


def test_setup_runs_before_the_load_sixteen_at_a_time(bench: Any, flows: Any) -> None:
    """Every user is set up once, counted apart, and keeps what it was given."""
    under_way = most = 0

    async def respond(asked: Any, writer: Any) -> None:
        nonlocal under_way, most
        if asked.path == "/login":
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.05)
            under_way -= 1
        writer.write(answer(200, {"token": asked.headers.get("x-me", "")}))

    service = bench.serve(respond)
    text = """
async def login(user: User) -> None:
    got = await user.get("/login", headers={"x-me": f"u{user.number}"})
    user.headers["authorization"] = "Bearer " + got.json()["token"]
"""
    request = Request("", "GET", "/page")
    result = flows.run(
        service, text, SharedIterations(40, 80, 30 * S), request, setup="flows.py:login"
    )
    assert outcomes(result) == {"ok": 80}
    logins = [a for a in service.asked if a.path == "/login"]
    assert service.asked[:40] == logins
    assert most == 16
    assert {a.headers["authorization"] for a in service.asked[40:]} <= {
        f"Bearer u{n}" for n in range(40)
    }
    (step,) = result.steps
    assert (step.flow, step.name) == ("login", "GET /login")
    assert [row.started for row in result.setup] == [0, 40]
    assert result.setup[1].outcomes == {"ok": 40}
    assert sum(row.started for row in result.rows if row.endpoint == 1) == 0


def test_a_setup_that_fails_ends_the_round(bench: Any, flows: Any) -> None:
    """No load is sent where one user cannot be set up, and it is said which and why."""

    async def respond(asked: Any, writer: Any) -> None:
        writer.write(answer(401 if asked.path == "/login/3" else 200, {}))

    service = bench.serve(respond)
    text = """
async def login(user: User) -> None:
    await user.get("/login/{n}", user.number)
"""
    with pytest.raises(TargetError) as caught:
        flows.run(
            service,
            text,
            SharedIterations(8, 80, 30 * S),
            Request("", "GET", "/page"),
            setup="flows.py:login",
        )
    assert (
        "user 3 could not be set up by login (request): flows.py:4: GET /login/{n}: status_401"
        in (caught.value.message)
    )
    assert {a.path for a in service.asked} <= {f"/login/{n}" for n in range(8)}


def test_a_flow_that_asks_nothing_does_not_spin(bench: Any, flows: Any) -> None:
    """Iterations that end within the moment they begin are begun a thousand times a second."""
    result = flows.run(bench.serve(), one_flow("return"), ConstantVus(1, S))
    assert 1 <= outcomes(result)["ok"] <= 1000


def test_flows_end_with_the_round(bench: Any, flows: Any) -> None:
    """Those under way get their time, then their ``finally`` runs and they are interrupted."""
    service = bench.serve()
    body = """
try:
    await user.get("/begun")
    await user.think(user.number * 100)
    await user.get("/late")
except Exception:
    await user.get("/swallowed")
finally:
    (FOLDER / f"finally{user.number}").touch()
    if user.number:
        await user.get("/forbidden")
"""
    text = f"from pathlib import Path\nFOLDER = Path({str(flows.folder)!r})\n" + one_flow(body)
    result = flows.run(service, text, ConstantVus(2, S), graceful_stop_us=S // 2)
    assert outcomes(result)["interrupted"] == 1
    assert (flows.folder / "finally1").exists()
    assert {a.path for a in service.asked} == {"/begun", "/late"}
    flow_rows = [row for row in result.rows if row.endpoint == 0]
    assert sum(row.think_us for row in flow_rows) > S  # into the time that it was given


def test_what_is_sent_after_the_window_is_in_the_tail(bench: Any, flows: Any) -> None:
    """An iteration that began in time is finished, and what it sends then is in no second."""
    service = bench.serve()
    body = 'await user.get("/first")\nawait user.think(1.2)\nawait user.get("/second")'
    result = flows.run(service, one_flow(body), ConstantVus(2, S), graceful_stop_us=5 * S)
    assert outcomes(result) == {"ok": 2}
    assert outcomes(result, "GET /second") == {}
    assert [row.started for row in result.tail] == [0, 0, 2]
    assert [(row.second, row.endpoint) for row in result.rows] == [(0, 0), (0, 1), (0, 2)]
    assert len(service.asked) == 4
    demand_sums(result)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_arrival_is_an_iteration(bench: Any, flows: Any, workers: int) -> None:
    """An open loop begins flows when they are due, and their first request from then on."""
    service = bench.serve(carts)
    result = flows.run(
        service,
        TWO_STEPS,
        ConstantArrivalRate(100, 2 * S, max_users=50, ramp_us=S // 2),
        workers=workers,
    )
    intended = [row.intended for row in result.rows if row.endpoint == 0]
    assert intended == [100, 100]
    assert outcomes(result) == {"ok": sum(row.started for row in result.rows if row.endpoint == 0)}
    # The first request belongs to the second in which its iteration was due.
    first = next(1 + n for n, step in enumerate(result.steps) if step.name == "POST /carts")
    for second in (0, 1):
        rows = {row.endpoint: row for row in result.rows if row.second == second}
        assert rows[first].started == rows[0].started
        assert rows[first].uncorrected is not None
    demand_sums(result)
    assert len(service.asked) == sum(
        sum(row.outcomes.values())
        for row in (*result.rows, *result.ramp, *result.tail)
        if row.endpoint > 0
    )


def test_no_free_user_drops_the_iteration(bench: Any, flows: Any) -> None:
    """Arrivals beyond the users there are count as dropped runs, and send nothing."""
    service = bench.serve()
    result = flows.run(
        service,
        one_flow('await user.get("/")\nawait user.think(9)'),
        ConstantArrivalRate(20, S, max_users=3),
        graceful_stop_us=0,
    )
    assert sum(row.dropped for row in result.rows if row.endpoint == 0) == 17
    assert outcomes(result) == {"interrupted": 3}
    assert len(service.asked) == 3
    assert result.health.dropped_iterations == 17


def test_users_think_and_keep_pace_between_iterations(bench: Any, flows: Any) -> None:
    """Closed users pause after each iteration; what they paused is counted."""
    service = bench.serve()
    result = flows.run(
        service,
        "",
        PerVuIterations(2, 3, 30 * S),
        Request("", "GET", "/"),
        think=Span(200_000, 300_000),
    )
    assert outcomes(result) == {"ok": 6}
    for connection in (0, 1):
        at = [a.at_ns for a in service.asked if a.connection == connection]
        assert all(b - a >= 190_000_000 for a, b in pairwise(at))
    paused_us = sum(row.pause_us for row in result.rows)
    assert 6 * 200_000 <= paused_us <= 6 * 300_000
    paced = flows.run(
        bench.serve(),
        "",
        PerVuIterations(1, 4, 30 * S),
        Request("", "GET", "/"),
        pace=Span(100_000, 100_000),
    )
    # Three paces lie between the first begin and the last.
    assert paced.elapsed_us >= 300_000


def test_a_pause_does_not_hold_up_the_end(bench: Any, flows: Any) -> None:
    """The round ends with its window although users think for an hour; none of them wakes early."""
    users = 100
    result = flows.run(
        bench.serve(),
        "",
        ConstantVus(users, S),
        Request("", "GET", "/"),
        think=Span(3600 * S, 3600 * S),
    )
    assert outcomes(result) == {"ok": users}
    assert sum(row.pause_us for row in result.rows) <= users * S


def test_scenarios_run_side_by_side(bench: Any, flows: Any) -> None:
    """Each has its own users, times and rows; one that starts later is measured from then on."""
    service = bench.serve(carts)
    flows.write(TWO_STEPS)
    workload = Workload(
        Target(service.url),
        (
            Scenario(ConstantVus(2, S), (Flow("", "flows.py:flow"),), "closed"),
            Scenario(
                ConstantArrivalRate(20, S, max_users=20, ramp_us=S // 2),
                (Flow("later", "flows.py:flow"),),
                "open",
                start_us=S,
            ),
        ),
        folder=str(flows.folder),
    )
    result = run_round(workload)
    assert [(step.scenario, step.flow, step.name) for step in result.steps] == [
        ("closed", "flow", "GET /carts/{id}"),
        ("closed", "flow", "POST /carts"),
        ("open", "later", "GET /carts/{id}"),
        ("open", "later", "POST /carts"),
    ]
    started = {(row.second, row.endpoint): row.started for row in result.rows}
    assert started[0, 0] > 0
    assert started[1, 0] == started[0, 1] == 0
    assert {row.second: row.intended for row in result.rows if row.endpoint == 1} == {0: 0, 1: 20}
    assert result.ramp[1].started == 5
    assert all(row.uncorrected is None for row in result.rows if row.endpoint in {0, 2, 3})
    assert all(row.uncorrected is not None for row in result.rows if row.endpoint in {1, 4, 5})
    demand_sums(result, items=2)
