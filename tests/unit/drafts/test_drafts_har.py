"""What a browser recorded, as the file says it."""

import json
import tomllib
from typing import Any

import pytest

from stressproof.drafts.har import draft_of_har
from stressproof.drafts.writing import written
from stressproof.errors import UsageError

pytestmark = pytest.mark.gate

COOKIE = ("Cookie", "sid=cookie-secret")


def entry(
    method: str, url: str, status: int = 200, kind: str | None = "application/json", **more: Any
) -> dict[str, Any]:
    """Return one entry as a browser writes it."""
    headers = [{"name": name, "value": value} for name, value in more.get("headers", [])]
    request: dict[str, Any] = {"method": method, "url": url, "headers": headers}
    if "posted" in more:
        request["postData"] = more["posted"]
    return {
        "startedDateTime": "2026-01-01T00:00:00Z",
        "_resourceType": more.get("resource"),
        "request": request,
        "response": {"status": status, "content": {"mimeType": kind, "size": 1}},
    }


def recorded(*entries: dict[str, Any]) -> bytes:
    """Return a recording."""
    return json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()


def requests(data: bytes, url: str = "", *, everything: bool = True) -> list[dict[str, Any]]:
    """Return the requests of the file that is drafted."""
    text = written(draft_of_har(data, "visit.har", url), everything=everything).text
    found: list[dict[str, Any]] = tomllib.loads(text)["profile"]["main"].get("request", [])
    return found


VISIT = recorded(
    entry("GET", "https://cdn.example/first.json", resource="xhr"),
    entry("GET", "https://s.example/", kind="text/html; charset=utf-8", headers=[COOKIE]),
    entry("GET", "https://s.example/app.js?v=1", kind="text/javascript", headers=[COOKIE]),
    entry("GET", "https://s.example/logo.PNG", kind=None, headers=[COOKIE]),
    entry("GET", "https://s.example/p/17", headers=[COOKIE, ("User-Agent", "Mozilla")]),
    entry("GET", "https://s.example/p/18", headers=[COOKIE, ("If-None-Match", '"x"')]),
    entry("OPTIONS", "https://s.example/orders", 204),
    entry(
        *("POST", "https://s.example/login", 302, "text/html"),
        headers=[COOKIE, ("Content-Type", "application/x-www-form-urlencoded")],
        posted={
            "mimeType": "application/x-www-form-urlencoded",
            "text": "user=ada&password=pass-word&csrf_token=csrf-secret",
        },
    ),
    entry("GET", "https://s.example/gone", 404, headers=[COOKIE]),
    entry("GET", "https://s.example/aborted", 0, headers=[COOKIE]),
    entry("GET", "wss://s.example/live", 101),
)


def test_a_visit_becomes_the_requests_of_its_service() -> None:
    """Other services, files and aborted requests are left out, and that is said."""
    made = draft_of_har(VISIT, "visit.har")
    assert made.url == "https://s.example"
    assert [(one.title, one.weight) for one in made.requests] == [
        ("GET /", 1),
        ("GET /p/{id}", 2),
        ("POST /login", 1),
        ("GET /gone", 1),
    ]
    assert set(made.notes) == {
        "left out: 2 for scripts, styles, images and the like",
        "left out: 1 of https://cdn.example",
        "left out: 1 a browser's question beforehand (OPTIONS)",
        "left out: 1 without an answer",
        "left out: 1 not over HTTP",
    }
    file = written(made)
    assert (file.active, file.withheld) == (2, 2)
    assert "# Not asked: it was answered 404." in file.text
    assert "Mozilla" not in file.text
    assert "If-None-Match".lower() not in file.text.lower()


def test_no_secret_of_a_visit_reaches_the_file() -> None:
    """Cookies, passwords and tokens are variables wherever they occur."""
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    data = recorded(
        entry("GET", "https://s.example/early?t=bearer-secret-1"),
        entry("GET", f"https://s.example/x?access_token=query-secret&j={jwt}", headers=[COOKIE]),
        entry("GET", "https://s.example/y", headers=[("Authorization", "Bearer bearer-secret-1")]),
        entry(
            *("POST", "https://s.example/z"),
            posted={"mimeType": "application/json", "text": '{"a": {"token": "deep-secret"}}'},
        ),
        entry("GET", f"https://s.example/reset/{jwt}"),
    )
    file = written(draft_of_har(data, "visit.har"), everything=True)
    for secret in ("cookie-secret", "query-secret", "bearer-secret-1", "deep-secret", jwt):
        assert secret not in file.text
    early, *_ = tomllib.loads(file.text)["profile"]["main"]["request"]
    assert early["query"] == {"t": "${API_TOKEN}"}


def test_a_redirect_and_a_body_are_asked_as_they_were() -> None:
    """A status that was right is expected again, a form is a form."""
    assert requests(VISIT)[2] == {
        "method": "POST",
        "path": "/login",
        "expect": [302],
        "form": {"user": "ada", "password": "${PASSWORD}", "csrf_token": "${CSRF_TOKEN}"},
    }
    assert requests(recorded(entry("GET", "http://h/x", 304)))[0].get("expect") is None


def test_the_service_can_be_named() -> None:
    """Another origin than the page's, or what lies below a path."""
    assert requests(VISIT, "https://cdn.example/")[0]["path"] == "/first.json"
    assert requests(VISIT, "https://S.example:443/p")[0]["path"] == "/17"
    with pytest.raises(UsageError) as refused:
        draft_of_har(VISIT, "visit.har", "https://other.example")
    assert "no request to https://other.example is left of 11" in refused.value.message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no JSON"),
        (b'{"log": {"entries": [\n{]}}', "visit.har:2:2: no JSON"),
        (b'{"log": 3}', "no HAR: Expected 'object', got 'int' - at '$.log'"),
        (b'{"openapi": "3.0.0"}', "missing required field 'log'"),
        (recorded(), "holds no request"),
        (recorded(entry("CONNECT", "http://h/")), "'CONNECT' is no method"),
        (recorded(entry("GET", "http://h/a.png")), "is left of 1; 1 for scripts"),
        (b'{"log": {"entries": [{"request": {"method": "GET"}}]}}', "$.log.entries[0].request"),
    ],
)
def test_what_is_no_recording_is_refused(data: bytes, said: str) -> None:
    """Every refusal says what was seen, with the place where there is one."""
    with pytest.raises(UsageError) as refused:
        draft_of_har(data, "visit.har")
    assert said in refused.value.message


def test_a_mark_of_byte_order_is_no_fault() -> None:
    """Some tools write one."""
    assert len(requests(b"\xef\xbb\xbf" + VISIT)) == 3
