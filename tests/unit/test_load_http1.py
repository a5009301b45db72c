"""Framing of answers: every case of RFC 9112 section 6.3, in one piece and byte by byte."""

from typing import NamedTuple

import pytest

from stressproof.load.http1 import (
    MAX_HEAD_BYTES,
    MAX_INTERIM,
    MAX_TRAILER_BYTES,
    AnswerReader,
    HeadCache,
    MalformedAnswerError,
)

pytestmark = pytest.mark.gate


KEEP, CLOSE = True, False


class Read(NamedTuple):
    """What was read of one answer."""

    status: int
    body: bytes
    keep_alive: bool


def read(pieces: list[bytes], *, head_only: bool = False, closed: bool = False) -> Read | None:
    """Feed pieces to a new reader; None where the answer is not complete."""
    reader = AnswerReader(HeadCache(bodyless=head_only))
    head = None
    for piece in pieces:
        assert head is None, "bytes after a complete answer"
        head = reader.feed(piece)
    if head is None and closed:
        head = reader.end()
    return None if head is None else Read(head.status, reader.body, head.keep_alive)


WHOLE = {
    "content-length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        Read(200, b"hello", KEEP),
    ),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Read(200, b"", KEEP)),
    "lower case": (b"HTTP/1.1 200 \r\ncontent-length:2\r\n\r\nhi", Read(200, b"hi", KEEP)),
    "twice the same length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        Read(200, b"hi", KEEP),
    ),
    "close": (
        b"HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nhi",
        Read(200, b"hi", CLOSE),
    ),
    "http/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", Read(200, b"hi", CLOSE)),
    "http/1.0 keep-alive": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        Read(200, b"hi", KEEP),
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Read(204, b"", KEEP)),
    "no content that announces some": (
        b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n",
        Read(204, b"", CLOSE),
    ),
    "no content in chunks": (
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        Read(204, b"", CLOSE),
    ),
    "http/1.0 in chunks": (
        (
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
            b"2\r\nhi\r\n0\r\n\r\n"
        ),
        Read(200, b"hi", CLOSE),
    ),
    "bare line feeds": (
        b"HTTP/1.1 200 OK\nA: b\r\nContent-Length: 6\n\nhi\r\n\r\n",
        Read(200, b"hi\r\n\r\n", KEEP),
    ),
    "one bare line feed": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nhi",
        Read(200, b"hi", KEEP),
    ),
    "padded chunk sizes": (
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'2  \r\nhi\r\n1 ; a = b ;c\t; d="e;f" \r\n!\r\n0 \t\r\n\r\n'
        ),
        Read(200, b"hi!", KEEP),
    ),
    "bare line feeds in a trailer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\nC: d\r\n\n",
        Read(200, b"", KEEP),
    ),
    "not modified": (
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        Read(304, b"", KEEP),
    ),
    "chunked": (
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
            b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n"
        ),
        Read(200, b"hello world", KEEP),
    ),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n",
        Read(200, b"x", KEEP),
    ),
    "interim": (
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        ),
        Read(200, b"hi", KEEP),
    ),
    "continued field": (
        b"HTTP/1.1 200 OK\r\nX-Long: a\r\n  b\r\nContent-Length: 2\r\n\r\nhi",
        Read(200, b"hi", KEEP),
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_ends_where_its_framing_says(name: str) -> None:
    """An answer is read the same in one piece, byte by byte, and cut anywhere."""
    data, expected = WHOLE[name]
    assert read([data]) == expected
    assert read([data[at : at + 1] for at in range(len(data))]) == expected
    for cut in range(1, len(data)):
        assert read([data[:cut], data[cut:]]) == expected


@pytest.mark.parametrize("name", WHOLE)
def test_an_unfinished_answer_is_no_answer(name: str) -> None:
    """Without its last byte an answer is incomplete, even where the connection has ended."""
    data, _ = WHOLE[name]
    assert read([data[:-1]], closed=True) is None


def test_the_end_of_the_connection_ends_a_body_without_length() -> None:
    """Neither length nor chunks: the body goes on until the peer closes."""
    pieces = [b"HTTP/1.1 200 OK\r\n\r\n", b"as long", b" as it takes"]
    assert read(pieces) is None
    assert read(pieces, closed=True) == Read(200, b"as long as it takes", CLOSE)


def test_an_unknown_coding_goes_on_until_the_end() -> None:
    """A transfer coding that is not chunked has no other end than the connection's."""
    assert read([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nzzz"], closed=True) == Read(
        200, b"zzz", CLOSE
    )


def test_an_answer_to_head_has_no_body() -> None:
    """HEAD is answered with the length of a body that does not come."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert read([head], head_only=True) == Read(200, b"", KEEP)
    assert read([head]) is None


def test_one_connection_brings_one_answer_after_another() -> None:
    """Nothing of an answer is left for the next, whatever way they were framed."""
    reader = AnswerReader(HeadCache(bodyless=False))
    for data, expected in WHOLE.values():
        head = reader.feed(data)  # whether or not another should be sent
        assert head is not None
        assert (head.status, reader.body, reader.body_bytes) == (
            expected.status,
            expected.body,
            len(expected.body),
        )
        assert reader.fresh


def test_only_a_bounded_part_of_a_body_is_kept() -> None:
    """A long body is counted to its end, and its beginning kept."""
    reader = AnswerReader(HeadCache(bodyless=False, keep=3))
    assert reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234") is None
    assert reader.feed(b"56789") is not None
    assert (reader.body, reader.body_bytes) == (b"012", 10)


MALFORMED = {
    "not http": b"SSH-2.0-OpenSSH_9\r\n",
    "http/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status 000": b"HTTP/1.1 000 OK\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
    "no name": b"HTTP/1.1 200 OK\r\n: 2\r\n\r\n",
    "nul in a value": b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n",
    "bare carriage return": b"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 2\r\n\r\nhi",
    "bare line feed of a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n"
    ),
    "bare line feeds of all chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n"
    ),
    "bare line feed behind a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\n"
    ),
    "blank before a chunk size": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nhi\r\n0\r\n\r\n"
    ),
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
    "endless length": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 19 + b"\r\n\r\n",
    "continued length": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0\r\n\r\nx",
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunks not last": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    "chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "chunk size 0x": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n",
    "endless chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\n",
    "endless chunk line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5000,
    "chunk too long": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n",
    "trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nnonsense\r\n\r\n",
    "endless trailer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        + b"A: b\r\n" * (MAX_TRAILER_BYTES // 6 + 1)
    ),
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (MAX_HEAD_BYTES // 6 + 1),
    "endless interims": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1),
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "more than was asked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there",
    "more than was asked, at the end": (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi there"
    ),
    "two answers": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 2,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_not_http_is_refused(name: str) -> None:
    """An answer that breaks the grammar, or could be read in two ways, is an error."""
    with pytest.raises(MalformedAnswerError):
        read([MALFORMED[name]])


def test_what_follows_the_last_answer_of_a_connection_is_nobodys() -> None:
    """A body that a 204 announces is not read, and nothing is sent after it."""
    data = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"
    assert read([data]) == Read(204, b"", CLOSE)


def test_garbage_is_refused_before_its_line_ends() -> None:
    """A peer that speaks another protocol is not waited for."""
    with pytest.raises(MalformedAnswerError):
        read([b"\x16\x03\x01"])


def test_the_memory_for_header_blocks_is_bounded() -> None:
    """A server that never repeats a header block does not fill the generator's memory."""
    cache = HeadCache(bodyless=False)
    reader = AnswerReader(cache)
    for number in range(5000):
        assert reader.feed(b"HTTP/1.1 200 OK\r\nX-Id: %d\r\nContent-Length: 0\r\n\r\n" % number)
    assert len(cache) <= 512
