"""What ``stressproof init`` drafts is a file that the others read, send once and capture."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from own_folder import Stressproof, passed
from shop_service import API_KEY, Shop
from stressproof.config.compile import load_config
from stressproof.exits import Exit

SECRET = {"API_KEY": API_KEY, "X_API_KEY": API_KEY}


def from_url(shop: Shop, folder: Path) -> tuple[str, ...]:
    """Draft from a URL alone."""
    del folder
    return (f"{shop.url}/catalog?page=1",)


def from_openapi(shop: Shop, folder: Path) -> tuple[str, ...]:
    """Draft from a description with a key, a parameter and a body."""
    order = {"schema": {"type": "object"}, "example": {"sku": "red"}}
    page = {"name": "page", "in": "query", "required": True, "schema": {"default": 1}}
    description = {
        "openapi": "3.1.0",
        "info": {"title": "Shop"},
        "servers": [{"url": shop.url}],
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}
        },
        "security": [{"key": []}],
        "paths": {
            "/catalog": {"get": {"parameters": [page], "responses": {"200": {}}}},
            "/orders": {
                "post": {
                    "requestBody": {"content": {"application/json": order}},
                    "responses": {"201": {}},
                }
            },
        },
    }
    (folder / "api.json").write_text(json.dumps(description))
    return ("--openapi", "api.json", "--all")


def from_har(shop: Shop, folder: Path) -> tuple[str, ...]:
    """Draft from what a browser recorded."""

    def entry(method: str, path: str, status: int, **more: object) -> dict[str, object]:
        headers = [{"name": "x-api-key", "value": API_KEY}]
        request = {"method": method, "url": shop.url + path, "headers": headers, **more}
        content = {"mimeType": "application/json", "text": "{}"}
        return {"request": request, "response": {"status": status, "content": content}}

    body = {"mimeType": "application/json", "text": '{"sku": "red"}'}
    entries = [
        entry("GET", "/catalog", 200),
        entry("POST", "/orders", 201, postData=body),
    ]
    (folder / "a.har").write_text(json.dumps({"log": {"entries": entries}}))
    return ("--har", "a.har", "--all")


def from_curl(shop: Shop, folder: Path) -> tuple[str, ...]:
    """Draft from commands that somebody typed."""
    del folder
    order = f"curl {shop.url}/orders -H 'x-api-key: {API_KEY}' --json '{{\"sku\": \"red\"}}'"
    return ("--curl", f"curl '{shop.url}/catalog?page=1'", "--curl", order)


@pytest.mark.parametrize("begin", [from_url, from_openapi, from_har, from_curl])
def test_a_draft_is_read_sent_once_and_captured(
    shop: Shop,
    stressproof: Stressproof,
    tmp_path: Path,
    begin: Callable[[Shop, Path], tuple[str, ...]],
) -> None:
    """Without a change to it: the load asks what the draft says, of the service that it names."""
    drafted = stressproof("init", *begin(shop, tmp_path))
    assert drafted.returncode == Exit.PASS, drafted.stderr
    (profile,) = load_config(tmp_path / "stressproof.toml").plan.profiles.values()
    assert profile.request
    shop.served.clear()
    once = stressproof("check", "--once", **SECRET)
    assert once.returncode == Exit.PASS, once.stdout + once.stderr
    asked = {f"{one.method} {one.path.partition('?')[0]}" for one in profile.request}
    assert dict(shop.served) == dict.fromkeys(asked, 1)
    short = ("--users", "2", "--duration", "1s", "--ramp", "0")
    ran = stressproof("capture", *short, "--out", "a.json", **SECRET)
    assert passed(ran), ran.stdout + ran.stderr
    found = json.loads((tmp_path / "a.json").read_text())
    assert {(one["method"], one["name"]) for one in found["workload"]["endpoints"]} == {
        (one.method, one.name or f"{one.method} {one.path.partition('?')[0]}")
        for one in profile.request
    }
    assert API_KEY not in (tmp_path / "a.json").read_text()
