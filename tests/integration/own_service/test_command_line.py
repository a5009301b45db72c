"""A service that is not ours, loaded with one line and no file."""

import json
from pathlib import Path
from typing import Any

import pytest

from own_folder import Stressproof, passed
from shop_service import API_KEY, Shop
from stressproof.cli.main import command
from stressproof.cli.run import run
from stressproof.exits import Exit

QUICK = ("--duration", "1s", "--ramp", "0")


def artifact(path: Path) -> dict[str, Any]:
    """Return an artifact's document."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_one_line_posts_json_with_a_key_at_a_rate(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """The service gets the body, its type and the key, as often as was asked; evidence says so."""
    ran = stressproof(
        *("capture", f"{shop.url}/orders", "--rate", "50/s", *QUICK, "-H", f"x-api-key: {API_KEY}"),
        *("-X", "POST", "--json", '{"sku": "a"}', "--expect", "201", "--out", "a.json"),
        *("--check", 'json:state="open"'),
    )
    assert passed(ran), ran.stdout
    found = artifact(tmp_path / "a.json")
    assert found["endpoints"] == ["POST /orders"]
    assert found["workload"]["scenarios"][0]["executor"] == "constant-arrival-rate"
    assert found["results"]["successful_requests"] == 50
    assert found["results"]["failed_requests"] == 0
    (asked,) = found["workload"]["endpoints"]
    assert (asked["method"], asked["path"]) == ("POST", "/orders")
    assert (asked["expected_statuses"], asked["checks"]) == ([201], ['json:state="open"'])
    assert shop.bodies[0] == ("application/json", b'{"sku": "a"}')
    assert shop.served["POST /orders"] == 51  # and the preflight's


def test_a_secret_header_is_kept_nowhere(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """A key that the service echoes in its errors is in no artifact and in no output."""
    (tmp_path / "key.txt").write_text("echoed-secret-key\n")
    ran = stressproof(
        *("capture", f"{shop.url}/orders", *QUICK, "--users", 1, "--json", "{}"),
        *("-H", "x-api-key: @key.txt", "--allow-preflight-failures", "--out", "a.json"),
    )
    written = (tmp_path / "a.json").read_text()
    assert "status_401" in written
    assert shop.headers["x-api-key"] == "echoed-secret-key"
    assert "echoed-secret-key" not in written + ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("{url}",), "GET /"),
        (("{url}/catalog?page=1",), "GET /catalog"),
        (("--url", "{url}", "--endpoint", "/catalog"), "GET /catalog"),
        (("--endpoint", "{url}/catalog"), "GET /catalog"),
        (("{url}", "--endpoint", "DELETE /carts"), "DELETE /carts"),
        (("{url}/carts", "-X", "delete"), "DELETE /carts"),
    ],
    ids=["root", "query", "base and path", "whole URL", "method and path", "curl's method"],
)
def test_a_request_is_named_as_fingers_name_it(
    shop: Shop, stressproof: Stressproof, arguments: tuple[str, ...], asked: str
) -> None:
    """Every usual way to name one request asks that request, and no other."""
    named = [argument.format(url=shop.url) for argument in arguments]
    ran = stressproof("capture", *named, *QUICK, "--users", 1, "--out", "a.json")
    assert passed(ran), ran.stdout
    assert set(shop.served) == {asked}


def test_a_form_is_sent_as_curl_sends_it(shop: Shop, stressproof: Stressproof) -> None:
    """``--data`` posts a form, or what a content type says that it is."""
    key = ("-H", f"x-api-key: {API_KEY}", *QUICK, "--users", 1, "--out", "a.json")
    ran = stressproof("capture", f"{shop.url}/orders", "-d", "sku=a&n=1", *key)
    assert passed(ran), ran.stdout
    assert shop.bodies[-1] == ("application/x-www-form-urlencoded", b"sku=a&n=1")
    xml = ("-H", "content-type: text/xml")
    stressproof("capture", f"{shop.url}/orders", "-d", "<order/>", *xml, *key)
    assert shop.bodies[-1] == ("text/xml", b"<order/>")


def test_an_opaque_token_is_sent_as_it_is(shop: Shop, stressproof: Stressproof) -> None:
    """A token is whatever the service takes for one."""
    ran = stressproof(
        *("capture", f"{shop.url}/me", *QUICK, "--users", 1, "--out", "a.json"),
        STRESSPROOF_TOKEN="opaque|token:1",
    )
    assert passed(ran), ran.stdout
    assert shop.headers["authorization"] == "Bearer opaque|token:1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("http://h:1", "--url", "http://h:2"), "named twice"),
        (("127.0.0.1:8080/orders",), "http://127.0.0.1:8080/orders"),
        (("http://h", "--endpoint", "catalog"), "Write it as /catalog"),
        (("http://h", "--endpoint", ""), "an endpoint is empty"),
        (("http://h", "--endpoint", "post /orders"), "POST /orders"),
        (("http://h", "--endpoint", "http://other/x"), "another service"),
        (("--expect", "201"), "needs a request to belong to"),
        (("http://h/x", "--expect", "abc"), "no final status"),
        (("http://h/x", "--json", "{sku}"), "--json is no JSON"),
        (("http://h/x", "--json", "@absent.json"), "absent.json"),
        (("http://h/x", "--json", "{}", "-d", "a"), "two bodies"),
        (("http://h/x", "--json", "{}", "-X", "GET"), "has no body"),
        (("http://h/x", "-H", "my-secret-value"), "no colon"),
        (("http://h/x", "-H", "a: 1", "-H", "A: 2"), "given twice"),
        (("http://h/x", "--stage", "5:1s", "--duration", "9s"), "whose stages say"),
        (("http://h/x", "--users", "30000"), "20000"),
        (("http://h/x", "--max-vus", "5"), "--max-vus means nothing"),
        (("http://h/x", "--iterations", "5", "--ramp", "1s"), "--ramp means nothing"),
        (("http://h/x", "--rate", "5", "--users", "1", "--max-vus", "2"), "how many users"),
        (("http://h/x", "--duration", "1500ms"), "whole seconds"),
        (("http://h/x", "--duration", "soon"), "Write it as 30s"),
        (("http://h/x", "--rate", "fast"), "Write it as 200"),
        (("http://h/x", "--max-error-rate", "nan"), "finite number"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    """Exit 2 before anything is sent, with the word that helps and without what may be secret."""
    assert run(command, "stressproof", ["capture", *arguments]) == Exit.USAGE
    told = capsys.readouterr().err
    assert said in told
    assert "my-secret-value" not in told
