"""What flows are written with, without a network."""

import asyncio
import sys
from typing import Any

import pytest

from stressproof.errors import UsageError
from stressproof.flow import Answer, Part, RequestFailed, User, read
from stressproof.flow.answer import CheckFailedError
from stressproof.flow.asking import Ask, Pause
from stressproof.flow.files import read_below
from stressproof.load.cookies import as_header, keep
from stressproof.load.http1 import fields_of
from stressproof.load.multipart import encode_multipart

pytestmark = pytest.mark.gate

BLOCK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\n"


def answer(body: bytes = b"{}", length: int | None = None) -> Answer:
    """An answer of HTTP/1.1."""
    return Answer(200, body, len(body) if length is None else length, BLOCK, fields_of)


def made(user_call: Any) -> Any:
    """What a call asks of its driver."""
    asked = user_call.send(None)
    user_call.close()
    return asked


def test_a_call_asks_for_what_it_says() -> None:
    """Every method is a value for the driver, with what was said and nothing else."""
    user = User(3, "seed", lambda: "u")
    assert made(user.get("/a/{b}", 7, name="n")) == Ask("GET", "/a/{b}", (7,), name="n")
    assert made(user.post("/p", json=None)).json is None
    sent = [user.put("/"), user.patch("/"), user.delete("/"), user.head("/"), user.options("/")]
    assert [made(one).method for one in sent] == ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
    assert made(user.think(2)) == Pause(2)
    assert 1 <= made(user.think(1, 3)).seconds <= 3
    for wrong in ((-1,), (3, 1), (float("nan"),), (float("inf"),)):
        with pytest.raises(ValueError, match="is no time"):
            user.think(*wrong).send(None)


def test_an_answer_cannot_be_changed() -> None:
    """What one user does to its JSON another does not see, and nothing can be set."""
    one = answer(b'{"a": [1]}')
    one.json()["a"].append(2)
    assert one.json() == {"a": [1]}
    for name in ("status", "body", "headers", "text"):
        with pytest.raises(AttributeError):
            setattr(one, name, None)
    with pytest.raises(TypeError):
        one.headers["x"] = "y"  # type: ignore[index]
    assert one.headers["set-cookie"] == "a=1, b=2"
    assert one.cookies() == ["a=1", "b=2"]


def test_an_answer_is_read_in_several_ways() -> None:
    """Text, patterns and JSON; a body longer than what is kept cannot be used."""
    page = answer(b'<input name="csrf" value="t0k\xff">')
    assert page.find('value="([^"]+)"') == "t0k�"
    with pytest.raises(CheckFailedError, match="matches"):
        page.find("(absent)")
    with pytest.raises(ValueError, match="has no group"):
        page.find("csrf")
    cut = answer(b"abc", 9_000_000)
    for use in (lambda: cut.body, lambda: cut.text, cut.json, lambda: cut.find("(a)")):
        with pytest.raises(ValueError, match="9,000,000 bytes, of which 3 are kept"):
            use()


def test_randomness_follows_from_seed_and_iteration() -> None:
    """The same iteration draws the same, another one something else, whoever the user is."""
    first, second = User(0, "s", str), User(1, "s", str)
    first.begin(5, {})
    second.begin(5, {})
    drawn = first.random.random()
    assert second.random.random() == drawn
    second.begin(6, {})
    assert second.random.random() != drawn


def test_a_check_that_failed_is_remembered() -> None:
    """Whoever catches its exception: the iteration knows."""
    user = User(0, "s", str)
    user.check("fine", [1])
    assert not user.failed_check
    with pytest.raises(CheckFailedError):
        user.check("first", "")
    with pytest.raises(CheckFailedError):
        user.check("second", None)
    assert user.failed_check == "first"
    user.begin(1, {})
    assert not user.failed_check


def test_cookies_are_kept_and_taken_back() -> None:
    """Names and values, the last of a name; one that is over is forgotten."""
    cookies: dict[str, str] = {}
    keep(cookies, ["a=1; Path=/; HttpOnly", "b=x=y", 'c="q"', "nonsense", "=v"])
    assert as_header(cookies) == 'a=1; b=x=y; c="q"'
    keep(cookies, ["a=2", "b=; Max-Age=0", "c=; expires=Thu, 01 Jan 1970 00:00:00 GMT"])
    assert cookies == {"a": "2"}
    keep(cookies, ["a=3; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", "d=1; Max-Age=-1"])
    assert cookies == {"a": "3"}
    keep(cookies, ["e=1; Expires=never"])
    assert cookies == {"a": "3", "e": "1"}


def test_parts_cannot_break_out_of_their_body() -> None:
    """Neither names nor types can write headers of their own."""
    body, _ = encode_multipart({'a"\r\nx: y': "v", "f": Part(b"c", 'n"\r\n.txt')})
    assert b'name="a%22%0D%0Ax: y"' in body
    assert b'filename="n%22%0D%0A.txt"' in body
    with pytest.raises(ValueError, match="cannot be sent"):
        encode_multipart({"f": Part(b"c", "n", "text/x\r\nx: y")})
    with pytest.raises(TypeError, match="f is a list"):
        encode_multipart({"f": []})


def test_a_file_is_read_beside_its_caller(tmp_path: Any) -> None:
    """What is read is relative to the flow's file, read once, and bounded."""
    read_below(tmp_path)
    (tmp_path / "data.bin").write_bytes(b"one")
    scope: dict[str, Any] = {"__file__": str(tmp_path / "flows.py"), "read": read}
    exec("first = read('data.bin')", scope)  # noqa: S102  # a file of the user's, as it were
    (tmp_path / "data.bin").write_bytes(b"two")
    exec("again = read('data.bin')", scope)  # noqa: S102
    assert scope["first"] == scope["again"] == b"one"
    with (tmp_path / "large").open("wb") as large:
        large.truncate(64 * 1024 * 1024 + 1)
    for name, said in (("absent", "cannot be read"), ("large", "more than 67,108,864 bytes")):
        with pytest.raises(UsageError, match=said):
            exec(f"read({name!r})", scope)  # noqa: S102


def test_close_runs_finally_and_cannot_be_swallowed() -> None:
    """What flows rely on when their time is over is Python's own."""
    log: list[str] = []

    async def flow(user: User) -> None:
        while True:
            try:
                await user.get("/")
            except Exception:  # noqa: BLE001  # as a careless flow has it
                log.append("swallowed")
            finally:
                log.append("finally")

    running = flow(User(0, "s", str))
    running.send(None)
    running.throw(RequestFailed("GET /", "timeout", None))
    running.close()
    assert log == ["swallowed", "finally", "finally"]


def test_the_surface_needs_no_event_loop() -> None:
    """A user's editor and its tests import it for less than the generator."""
    assert "uvloop" not in str(sys.modules["stressproof.flow"].__dict__)
    assert asyncio.iscoroutinefunction(User.get)
