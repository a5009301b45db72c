"""Messages of HTTP in one direction of the proxy: however they are cut into pieces."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.faults.proxy.http_messages import (
    ANSWER_BEGINS,
    REQUEST_BEGINS,
    MessageReader,
    parse_request,
)
from stressproof.load.http1 import MalformedAnswerError, parse_head

pytestmark = pytest.mark.gate

bodies = st.binary(max_size=300)
END = "\r\n\r\n"


def chunked(body: bytes, size: int, trailer: bytes) -> bytes:
    """Return a body in chunks of a size."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts)
    return framed + b"0\r\n" + trailer + b"\r\n"


@st.composite
def messages(draw: st.DrawFn, first: str) -> bytes:
    """Return a message, its body framed in either way."""
    body = draw(bodies)
    if draw(st.booleans()):
        return f"{first}\r\nContent-Length: {len(body)}{END}".encode() + body
    trailer = draw(st.sampled_from([b"", b"X-Sum: 1\r\n"]))
    head = f"{first}\r\nTransfer-Encoding: chunked{END}".encode()
    return head + chunked(body, draw(st.integers(1, 100)), trailer)


def requests() -> MessageReader:
    """Return a reader of requests."""
    return MessageReader(lambda block: parse_request(block).length, REQUEST_BEGINS)


def answers() -> MessageReader:
    """Return a reader of answers."""
    return MessageReader(lambda block: parse_head(block, bodyless=False).length, ANSWER_BEGINS)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Yield data in pieces."""
    at = 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        yield data[at:cut]
        at = cut


def read(reader: MessageReader, data: bytes, cuts: list[int]) -> list[bytes]:
    """Return the messages that a reader finds, the last one as far as it came."""
    found = [b""]
    for piece in pieces(data, cuts):
        reader.feed(piece)
        while (part := reader.next()) is not None:
            found[-1] += part.data
            if part.kind == "end":
                found.append(b"")
                reader.begin()
    return found


@given(
    sent=st.lists(messages("POST /a?b HTTP/1.1"), max_size=4), cuts=st.lists(st.integers(0, 3000))
)
def test_requests_are_found_whole_wherever_they_are_cut(sent: list[bytes], cuts: list[int]) -> None:
    """Each with all of its bytes and none of the next one's."""
    assert read(requests(), b"".join(sent), cuts) == [*sent, b""]


@given(
    sent=st.lists(messages("HTTP/1.1 200 OK"), max_size=4),
    interim=st.booleans(),
    last=bodies,
    cuts=st.lists(st.integers(0, 3000)),
)
def test_answers_are_found_whole_wherever_they_are_cut(
    sent: list[bytes], *, interim: bool, last: bytes, cuts: list[int]
) -> None:
    """An interim answer belongs to the one after it; what ends with the bytes takes all of them."""
    first = b"HTTP/1.1 100 Continue\r\n\r\n" if interim else b""
    open_end = b"HTTP/1.1 200 OK\r\n\r\n" + last
    reader = answers()
    whole = [first + sent[0], *sent[1:]] if sent else []
    assert read(reader, b"".join([*whole, open_end]), cuts) == [*whole, open_end]
    assert reader.end_of_stream()
    assert reader.next() is None


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400)), answering=st.booleans())
def test_any_bytes_are_read_or_given_back(data: bytes, cuts: list[int], *, answering: bool) -> None:
    """Whatever it is: nothing is lost, nothing is added, and only one error says it is no HTTP."""
    data = data.lstrip(b"\r\n")
    for start in (b"", b"GET /a HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"):
        reader = answers() if answering else requests()
        sent = start + data
        passed = b""
        given_up = False
        for piece in pieces(sent, cuts):
            if given_up:
                passed += piece
                continue
            reader.feed(piece)
            try:
                while (part := reader.next()) is not None:
                    passed += part.data
                    if part.kind == "end":
                        given_up = True
                        passed += reader.rest()
                        break
            except MalformedAnswerError:
                given_up = True
                passed += reader.rest()
        assert passed + reader.rest() == sent


@given(st.binary(min_size=1, max_size=60))
def test_what_is_no_http_is_not_waited_for(data: bytes) -> None:
    """A whole first line that is none is known to be none: other protocols are not held up."""
    line = data.replace(b"\n", b"") + b"\n"
    reader = requests()
    reader.feed(line.lstrip(b"\r\n") or b"x\n")
    with pytest.raises(MalformedAnswerError):
        reader.next()
