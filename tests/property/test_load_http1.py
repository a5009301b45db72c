"""Our reader against httptools (llhttp) and h11: the same answers, however they are cut."""

import re
from itertools import pairwise
from typing import Any

import h11
import httptools
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stressproof.load.http1 import AnswerReader, HeadCache, MalformedAnswerError

pytestmark = pytest.mark.gate


_CONTINUED = re.compile(rb"\r\n[ \t]")


class Oracle:
    """What llhttp makes of one answer."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.body = b""
        self.complete = False
        self.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Collect."""
        self.body += body

    def on_message_begin(self) -> None:
        """Forget an interim answer."""
        self.body = b""

    def on_message_complete(self) -> None:
        """Note the end of a final answer."""
        self.status = self.parser.get_status_code()
        if self.status >= 200:
            self.complete = True
            self.keep_alive = bool(self.parser.should_keep_alive())


def ours(pieces: list[bytes]) -> tuple[int, bytes, bool] | str:
    """Return status, body and keep-alive; or ``unfinished`` or ``malformed``."""
    reader = AnswerReader(HeadCache(bodyless=False))
    try:
        for at, piece in enumerate(pieces):
            head = reader.feed(piece)
            if head is not None:
                rest = b"".join(pieces[at + 1 :])
                return "malformed" if rest else (head.status, reader.body, head.keep_alive)
    except MalformedAnswerError:
        return "malformed"
    return "unfinished"


def theirs(data: bytes) -> tuple[int, bytes, bool] | str:
    """Return the same as llhttp sees it."""
    oracle = Oracle()
    try:
        oracle.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return "malformed"
    except httptools.HttpParserError:
        return "malformed"
    if not oracle.complete:
        return "unfinished"
    return oracle.status, oracle.body, oracle.keep_alive


def h11s(data: bytes) -> tuple[int, bytes] | str:
    """Return status and body as h11 sees them, which takes bare line feeds and padded sizes."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    status, body = 0, b""
    try:
        client.receive_data(data)
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                return "unfinished"
            if isinstance(event, h11.Response):
                status = event.status_code
            if isinstance(event, h11.Data):
                body += bytes(event.data)
    except h11.RemoteProtocolError:
        return "malformed"
    return status, body


def cut(data: bytes, where: list[int]) -> list[bytes]:
    """Cut data at the given places."""
    places = sorted({0, len(data), *(at % (len(data) + 1) for at in where)})
    return [data[a:b] for a, b in pairwise(places)]


tokens = st.from_regex(re.compile(r"[A-Za-z][A-Za-z0-9-]{0,12}"), fullmatch=True).filter(
    lambda name: (
        name.lower()
        not in {"content-length", "transfer-encoding", "connection", "upgrade", "proxy-connection"}
    )
)
values = st.from_regex(re.compile(r"[!-~]([ !-~]{0,20}[!-~])?"), fullmatch=True)
bodies = st.binary(max_size=300)
cuts = st.lists(st.integers(0, 2000), max_size=12)


@st.composite
def answers(draw: Any) -> bytes:
    """Return an answer in one of the framings that end by themselves."""
    status = draw(st.sampled_from([200, 201, 204, 301, 304, 404, 500, 503]))
    head = f"HTTP/1.1 {status} {draw(values)}\r\n"
    for name, value in draw(st.lists(st.tuples(tokens, values), max_size=5)):
        head += f"{name}: {value}\r\n"
    if draw(st.booleans()):
        head += f"Connection: {draw(st.sampled_from(['close', 'keep-alive', 'x, close']))}\r\n"
    body = draw(bodies)
    interim = "HTTP/1.1 100 Continue\r\n\r\n" * draw(st.integers(0, 2))
    if status in {204, 304}:
        return (interim + head + "\r\n").encode()
    if draw(st.booleans()):
        return (interim + head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    data = (interim + head + "Transfer-Encoding: chunked\r\n\r\n").encode()
    for piece in cut(body, draw(cuts)):
        data += b"%x%b\r\n%b\r\n" % (len(piece), draw(st.sampled_from([b"", b";a=b"])), piece)
    return data + b"0\r\n" + draw(st.sampled_from([b"", b"X-T: 1\r\n"])) + b"\r\n"


@given(answers(), cuts)
@settings(max_examples=200)
def test_valid_answers_are_read_as_llhttp_reads_them(data: bytes, where: list[int]) -> None:
    """Status, body and keep-alive are the oracle's, however the answer arrives."""
    expected = theirs(data)
    assert isinstance(expected, tuple)
    assert ours([data]) == expected
    assert ours(cut(data, where)) == expected


@given(answers(), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3))
@settings(max_examples=200)
def test_damaged_answers_never_pass_for_others(data: bytes, damage: list[tuple[int, int]]) -> None:
    """What both readers accept they read the same; neither crashes, and ours is never laxer."""
    damaged = bytearray(data)
    for at, value in damage:
        damaged[at % len(damaged)] = value
    mine, oracle = ours([bytes(damaged)]), theirs(bytes(damaged))
    # Ours refuses more (odd versions and reasons, anything after the answer): that is allowed.
    assume(isinstance(mine, tuple))
    # It accepts one thing that llhttp refuses: continuation lines, which RFC 9112 5.2 demands.
    assume(not _CONTINUED.search(damaged))
    if isinstance(oracle, tuple):
        assert mine[:2] == oracle[:2]
        assert mine[2] <= oracle[2]
    else:
        # llhttp refuses bare line feeds and padded chunk sizes, which h11 takes as we do.
        assert mine[:2] == h11s(bytes(damaged))


ODD = [
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\r\n\nhi",
    b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2  \r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\nC: d\n\r\n",
    b"HTTP/1.1 100 C\n\nHTTP/1.1 103 E\r\nLink: x\n\r\nHTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
]


@given(st.sampled_from(ODD), cuts)
def test_odd_answers_are_read_as_h11_reads_them(data: bytes, where: list[int]) -> None:
    """Line feeds alone and blanks after sizes are tolerated where RFC 9112 says so."""
    mine = ours(cut(data, where))
    assert isinstance(mine, tuple)
    assert mine[:2] == h11s(data)


@given(st.binary(max_size=200), cuts)
def test_noise_never_crashes_the_reader(noise: bytes, where: list[int]) -> None:
    """Anything that is not HTTP is malformed or unfinished, never an answer and never a crash."""
    assert ours(cut(noise, where)) in {"malformed", "unfinished"}
