"""``stressproof check``: what would be sent, and all of it once, with questions and answers."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from shop_service import API_KEY, Shop
from stressproof.capture.once import Iteration, once
from stressproof.cli.main import command
from stressproof.cli.run import run
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.report.workload_text import iteration_lines, workload_lines
from stressproof.workload.auth import BasicAuth
from stressproof.workload.bodies import FormBody, JsonBody
from stressproof.workload.executors import ConstantArrivalRate, ConstantVus
from stressproof.workload.flows import Flow
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario, Span
from stressproof.workload.tables import Table
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

S = 1_000_000
FLOWS = """
import asyncio
async def checkout(user):
    shown = await user.get("/catalog", check="json:items")
    await user.think(0, 0)
    order = await user.post("/orders", json={"sku": user.data["skus"]["sku"]}, expect=201)
    user.check("it is open", order.json()["state"] == "open")
    await user.get("/orders/{id}", order.json()["id"], expect=[404])

async def fails(user):
    await user.get("/catalog")
    user.check("gold is paid", False)

async def login(user):
    user.headers["x-api-key"] = "flow-secret"
    await user.get("/catalog")

async def forgets(user):
    user.get("/catalog")
    await user.get("/catalog")

async def sleeps(user):
    await asyncio.sleep(1)

async def yields(user):
    await asyncio.sleep(0)
"""


def workload(shop: Shop, *items: Request | Flow, **settings: Any) -> Workload:
    """Return a workload of one scenario."""
    target = settings.pop("target", Target(shop.url, {"x-api-key": API_KEY}))
    tables = settings.pop("tables", ())
    folder = settings.pop("folder", "")
    executor = settings.pop("executor", ConstantVus(2, 30 * S))
    return Workload(
        target, (Scenario(executor, items, **settings),), tables, folder=str(folder), seed=1
    )


def sent(shop: Shop, *items: Request | Flow, **settings: Any) -> list[Iteration]:
    """Send a workload once."""
    return list(once(workload(shop, *items, **settings)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with flows."""
    (tmp_path / "flows.py").write_text(FLOWS)
    return tmp_path


SKUS = Table("skus", "skus.csv", b"sku,n\nred,1\nblue,2\n")


def test_each_request_is_sent_once_as_the_load_sends_it(shop: Shop) -> None:
    """Method, path, query, headers, body and rows are the load's own; weights do not matter."""
    found = sent(
        shop,
        Request("", "GET", "/catalog?page={{skus.n}}", weight=9, checks=("json:items",)),
        Request("", "POST", "/orders", body=JsonBody('{"sku": "{{skus.sku}}"}')),
        tables=(SKUS,),
    )
    assert [(one.name, one.fault) for one in found] == [("GET /catalog", ""), ("POST /orders", "")]
    assert shop.served == {"GET /catalog": 1, "POST /orders": 1}
    assert shop.bodies == [("application/json", b'{"sku": "blue"}')]
    (catalog,) = found[0].exchanges
    assert catalog.asked[0] == "GET /catalog?page=1 HTTP/1.1"
    assert catalog.answered[0] == "200"
    assert catalog.answered[-1] == '{"items": 2, "currency": "EUR"}'


def test_a_flow_is_run_once_with_all_that_it_asks(shop: Shop, folder: Path) -> None:
    """Its requests are shown one by one, its rows are its own, its setup comes first."""
    found = sent(
        shop, Flow("", "flows.py:checkout"), folder=folder, tables=(SKUS,), setup="flows.py:login",
        target=Target(shop.url),
    )  # fmt: skip
    setup, checkout = found
    assert (setup.name, setup.fault) == ("setup flows.py:login", "")
    assert [one.name for one in checkout.exchanges] == ["GET /catalog", "POST /orders"]
    assert checkout.fault == "flows.py:6: POST /orders: status_401"
    (checkout,) = sent(shop, Flow("", "flows.py:checkout"), folder=folder, tables=(SKUS,))
    assert checkout.fault == ""
    assert [one.name for one in checkout.exchanges] == [
        "GET /catalog",
        "POST /orders",
        "GET /orders/{id}",
    ]
    assert shop.bodies[-1][1] == b'{"sku":"red"}'


def test_a_flow_that_fails_names_its_line(shop: Shop, folder: Path) -> None:
    """A check, an exception and a forgotten await are told with where they are."""
    (found,) = sent(shop, Flow("", "flows.py:fails"), folder=folder)
    assert re.fullmatch(r"flows\.py:\d+: gold is paid", found.fault)
    (found,) = sent(shop, Flow("", "flows.py:forgets"), folder=folder)
    assert re.match(r"flows\.py:\d+: an await is missing: coroutine 'User.get'", found.fault)
    for flow in ("sleeps", "yields"):
        with pytest.raises(UsageError, match=r"^flows\.py:\d+: a flow awaits its user only"):
            sent(shop, Flow("", f"flows.py:{flow}"), folder=folder)


def test_redirects_are_followed_as_far_as_is_said(shop: Shop) -> None:
    """Each hop is shown; one that is not followed, or leads away, is a fault."""
    shop.redirects = {"/old": "/catalog", "/away": "http://other.invalid/"}
    (found,) = sent(shop, Request("", "GET", "/old", redirects=2))
    assert [one.status for one in found.exchanges] == [302, 200]
    assert (found.fault, found.exchanges[0].fault) == ("", "")
    (found,) = sent(shop, Request("", "GET", "/old"))
    assert found.fault == "status 302, expected 2xx"
    (found,) = sent(shop, Request("", "GET", "/away", redirects=2))
    assert "is not of" in found.fault


def test_no_secret_is_shown(shop: Shop) -> None:
    """Neither what headers and credentials carry, nor what is named like a secret."""
    asked = workload(
        shop,
        Request("", "GET", "/me?api_key=query-secret", headers={"Cookie": "sid=cookie-secret"}),
        Request("", "POST", "/orders", body=JsonBody('{"password": "body-secret", "a": 1}')),
        Request("", "POST", "/carts", body=FormBody((("client_secret", "form-secret"),))),
        target=Target(
            shop.url, {"x-api-key": "header-secret"}, auth=BasicAuth("ada", "basic-secret")
        ),
    )
    lines = list(workload_lines(asked))
    for iteration in once(asked):
        lines += iteration_lines(iteration)
    text = "\n".join(lines)
    assert "-secret" not in text
    assert "YWRhOmJhc2ljLXNlY3JldA" not in text
    assert '"got": "***"' in text or '"got": ***' in text, "the service echoes the key"
    assert shop.headers["x-api-key"] == "header-secret"


def test_what_would_be_sent_is_told_in_words(shop: Shop) -> None:
    """Shares, load, expectations, data and manners, each once."""
    asked = workload(
        shop,
        Request("", "GET", "/p/{{skus.sku}}", weight=3, redirects=2),
        Flow("buy", "flows.py:checkout"),
        tables=(SKUS,),
        think=Span(S, 3 * S),
        setup="flows.py:login",
    )
    assert list(workload_lines(asked)) == [
        f"target {shop.url}",
        "  x-api-key: ***",
        "default: constant-vus, 2 users, for 30s, thinks 1s to 3s, set up by flows.py:login",
        "   75.0 %  GET /p/{sku}: GET /p/{{skus.sku}}; up to 2 redirects; 2xx and within 30s",
        "   25.0 %  flow buy: flows.py:checkout, as many requests as it makes",
        "data skus: 2 rows of skus.csv, sequential, one an iteration",
    ]
    (rate,) = (
        line
        for line in workload_lines(
            workload(
                shop,
                Request("", "GET", "/"),
                executor=ConstantArrivalRate(5, 30 * S, max_users=9, ramp_us=S),
            )
        )
        if line.startswith("default")
    )
    assert (
        rate == "default: constant-arrival-rate, 5/s by at most 9 users, for 30s, after 1s of ramp"
    )


def checked(*arguments: str) -> int:
    """Run the command in this process."""
    return run(command, "stressproof", ["check", *arguments])


def test_once_ends_with_what_came_of_it(
    shop: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 where all is well, 99 where an answer is not, 4 where there is none; the last line says."""
    monkeypatch.chdir(tmp_path)
    asked = ("--profile", "health", "--once", "--url")
    shop.pages["GET /health/live"] = (200, "application/json", b'{"status": "up"}')
    assert checked(*asked, shop.url) == Exit.PASS
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "ok  /health/live"
    assert told[-1] == (
        "PASS (exit 0): 1 iteration with 1 request, all as expected. Next: stressproof capture"
    )
    del shop.pages["GET /health/live"]
    assert checked(*asked, shop.url) == Exit.OBJECTIVES
    assert capsys.readouterr().out.splitlines()[-1] == (
        "FAIL (exit 99): of 1 iteration with 1 request 1 failed. Correct the request, or say what "
        "is right with expect and check."
    )
    assert checked(*asked, "http://127.0.0.1:1") == Exit.TARGET
    assert capsys.readouterr().out.splitlines()[-1] == (
        "FAIL (exit 4): of 1 iteration with 1 request 1 failed, 1 without an answer. "
        "Is the service running at http://127.0.0.1:1?"
    )


def test_once_tells_ci_of_each_iteration(
    shop: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test for each, an annotation for what failed, and no word of evidence: there is none."""
    monkeypatch.chdir(tmp_path)
    asked = ("--profile", "health", "--once", "--junit", "r.xml", "--github", "--url", shop.url)
    assert checked(*asked) == Exit.OBJECTIVES
    (suite,) = ET.parse("r.xml").getroot()  # noqa: S314  # our own
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("1", "1")
    (error,) = [line for line in capsys.readouterr().err.splitlines() if "::error" in line]
    assert "default%3A /health/live" in error
    assert "404" in error
    shop.pages["GET /health/live"] = (200, "application/json", b'{"status": "up"}')
    assert checked(*asked) == Exit.PASS
    (suite,) = ET.parse("r.xml").getroot()  # noqa: S314  # likewise
    assert [case.attrib["name"] for case in suite.iter("testcase")] == ["default: /health/live"]
    assert suite.attrib["failures"] == "0"
    served = shop.served.total()
    assert checked(*asked, "--junit", "r.xml/r.xml") == Exit.OUTPUT
    assert shop.served.total() == served


def test_nothing_is_sent_without_once(
    shop: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check shows and asks nobody; with evidence it judges, and sends nothing either."""
    monkeypatch.chdir(tmp_path)
    Path("stressproof.toml").write_text(f"[target]\nurl = '{shop.url}'\n")
    assert checked("--profile", "health") == Exit.PASS
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"target {shop.url}"
    assert shown[-1] == "valid: asks nothing"
    assert shop.served == {}
    assert checked("--once", "--evidence", "x.json") == Exit.USAGE
    assert "--once sends requests" in capsys.readouterr().err
