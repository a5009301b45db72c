"""HTTP/2 without a network: an honest peer (`h2`) in memory, and frames that none would send."""

from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.load import http2_frames as frames
from stressproof.load.hpack_stateless import (
    HeaderBlockError,
    encode_fields,
    fields_of,
    read_head,
)
from stressproof.load.http2 import NO_HEAD, Session
from stressproof.load.http2_frames import Http2Error

pytestmark = pytest.mark.gate

FIELDS = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/x"), (b":authority", b"h"))
BLOCK = encode_fields(FIELDS)
END = frames.END_STREAM | frames.END_HEADERS
LENGTH_2, LENGTH_3 = b"\x0f\x0d\x012", b"\x0f\x0d\x013"
"""``content-length: 2``, and 3."""


class Asker:
    """A requester that keeps what it is told."""

    def __init__(self, *, bodyless: bool = False) -> None:
        self.head = NO_HEAD
        self.body_bytes = self.unread = 0
        self.bodyless = bodyless
        self.body = b""
        self.told = ""

    def piece(self, data: bytes) -> None:
        """Keep a part."""
        self.body += data

    def complete(self, data: bytes) -> None:
        """Keep the last part."""
        self.body += data
        self.told += "complete"

    def failed(self, outcome: str, detail: str) -> None:
        """Keep why."""
        self.told += f"{outcome}: {detail}"

    def unanswered(self) -> None:
        """Keep that it was not looked at."""
        self.told += "unanswered"


class Pair:
    """A session and an honest server, joined by hand."""

    def __init__(self, **settings: int) -> None:
        self.sent = bytearray()
        self.session = Session(self.sent.extend)
        self.server = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None)
        )
        values = {h2.settings.SettingCodes[name]: value for name, value in settings.items()}
        self.server.local_settings = h2.settings.Settings(client=False, initial_values=values)
        self.server.initiate_connection()
        self.events: list[Any] = []
        self.session.start()

    def exchange(self) -> list[Any]:
        """Carry bytes both ways until both are silent; return what the server saw."""
        began = len(self.events)
        while True:
            up, down = bytes(self.sent), self.server.data_to_send()
            self.sent.clear()
            if not up and not down:
                return self.events[began:]
            if up:
                self.events += self.server.receive_data(up)
            if down:
                self.session.receive(down)

    def ask(self, body: bytes = b"") -> tuple[Asker, int]:
        """Send a request."""
        asker = Asker()
        block = encode_fields((*FIELDS, (b"content-length", b"%d" % len(body)))) if body else BLOCK
        return asker, self.session.request(asker, block, body)


def greeted() -> tuple[Session, bytearray]:
    """Return a session that was greeted by a server that says nothing special."""
    sent = bytearray()
    session = Session(sent.extend)
    session.start()
    session.receive(frames.settings())
    sent.clear()
    return session, sent


def answer(stream: int, body: bytes = b"{}", first: bytes = b"\x88") -> bytes:
    """Return an answer in two frames."""
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, first) + frames.frame(
        frames.DATA, frames.END_STREAM, stream, body
    )


def test_requests_arrive_as_they_were_meant() -> None:
    """An honest server decodes fields, body and end of each of many requests."""
    pair = Pair()
    pair.exchange()
    asked = [pair.ask(b"x" * length) for length in (0, 1, 20_000, 0)]
    events = pair.exchange()
    requests = [one for one in events if isinstance(one, h2.events.RequestReceived)]
    assert [dict(one.headers)[b":path"] for one in requests] == [b"/x"] * 4
    assert len([one for one in events if isinstance(one, h2.events.StreamEnded)]) == 4
    for _, stream in asked:
        pair.server.send_headers(stream, [(b":status", b"200"), (b"x-id", b"%d" % stream)])
        pair.server.send_data(stream, b"body %d" % stream, end_stream=True)
    pair.exchange()
    for asker, stream in asked:
        assert (asker.head.status, asker.told) == (200, "complete")
        assert asker.body == b"body %d" % stream
    assert not pair.session.requesters


@pytest.mark.parametrize("huffman", [True, False])
def test_every_status_is_read_from_any_encoding(huffman: Any) -> None:
    """Whatever an encoder without a table makes of a status, it is read right."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    for status in range(100, 1000):
        fields = [(":status", str(status)), ("date", f"{status}"), ("x-request-id", "a" * 50)]
        assert read_head(encoder.encode(fields, huffman=huffman)).status == status
    assert read_head(b"\x20\x00\x07:status\x03418").status == 418
    assert read_head(b"\x00\x85\xb8\x84\x8d\x36\xa3\x03201").status == 201


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"date", b"x-a", b"set-cookie", b"vary"]) | st.binary(max_size=9),
            st.binary(max_size=80) | st.sampled_from([b"GET", b"gzip, deflate"]),
        )
    ),
    st.booleans(),
)
def test_every_field_is_read_from_any_encoding(
    fields: list[tuple[bytes, bytes]],
    huffman: bool,  # noqa: FBT001  # hypothesis gives it
) -> None:
    """Names and values of any bytes come out as an independent encoder was given them."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    assert fields_of(encoder.encode(fields, huffman=huffman)) == fields


@pytest.mark.parametrize("huffman", [True, False])
@pytest.mark.parametrize(
    ("status", "lengths", "announced"),
    [
        ("200", ["0"], 0),
        ("200", ["123456789"], 123_456_789),
        ("503", ["7", "007"], 7),
        ("200", [], None),
        ("103", ["7"], None),
        ("204", ["7"], None),
        ("304", ["7"], None),
    ],
)
def test_the_length_of_a_body_is_read(
    status: str, lengths: list[str], announced: int | None, huffman: Any
) -> None:
    """An answer announces what its content-length says, where it can have a body at all."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    fields = [(":status", status), *(("content-length", one) for one in lengths), ("x", "y")]
    assert read_head(encoder.encode(fields, huffman=huffman)).length == announced


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda rest: b"\x88" + rest))
def test_no_block_breaks_the_reader(block: bytes) -> None:
    """Of any bytes either a status of three digits is read, or what is wrong with them is told."""
    try:
        head = read_head(block)
    except HeaderBlockError:
        return
    assert 100 <= head.status <= 999
    assert head.length is None or head.length >= 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b":path", b"authorization", b"x-a", b"content-length", b"x" * 200]),
            st.binary(max_size=300),
        ),
        max_size=8,
    )
)
def test_fields_are_encoded_as_anybody_reads_them(fields: list[tuple[bytes, bytes]]) -> None:
    """An independent decoder finds the fields, credentials marked as never to be indexed."""
    decoded = hpack.Decoder().decode(encode_fields(fields), raw=True)
    assert [(bytes(one[0]), bytes(one[1])) for one in decoded] == fields
    for one in decoded:
        assert isinstance(one, hpack.NeverIndexedHeaderTuple) is (one[0] == b"authorization")


@given(st.lists(st.integers(1, 60), max_size=40))
def test_answers_cut_anywhere_are_the_same(cuts: list[int]) -> None:
    """Bytes may come in any pieces."""
    session, _ = greeted()
    askers = [Asker() for _ in range(3)]
    streams = [session.request(one, BLOCK, b"") for one in askers]
    data = b"".join(answer(stream, b"%d" % stream) for stream in reversed(streams))
    data += frames.frame(frames.PING, 0, 0, b"12345678")
    at = 0
    for cut in cuts:
        session.receive(data[at : at + cut])
        at += cut
    session.receive(data[at:])
    assert [(one.head.status, one.body, one.told) for one in askers] == [
        (200, b"%d" % stream, "complete") for stream in streams
    ]


def test_bodies_wait_for_the_servers_windows() -> None:
    """No more is sent than both windows allow, and all of it once they open."""
    pair = Pair(INITIAL_WINDOW_SIZE=1000)
    pair.exchange()
    asker, stream = pair.ask(b"y" * 200_000)
    received = 0
    for _ in range(2000):
        for event in pair.exchange():
            if isinstance(event, h2.events.DataReceived):
                received += len(event.data)
                pair.server.acknowledge_received_data(event.flow_controlled_length, stream)
            if isinstance(event, h2.events.StreamEnded):
                pair.server.send_headers(stream, [(b":status", b"201")], end_stream=True)
        if asker.told:
            break
    assert received == 200_000
    assert (asker.head.status, asker.body, asker.told) == (201, b"", "complete")


def test_a_change_of_the_windows_applies_to_bodies_under_way() -> None:
    """A server that starts with a window of nothing and opens it later gets the body."""
    session, sent = greeted()
    session.receive(frames.settings((frames.INITIAL_WINDOW, 0)))
    sent.clear()
    session.request(Asker(), BLOCK, b"z" * 50)
    assert b"z" not in sent
    session.receive(frames.settings((frames.INITIAL_WINDOW, 20)))
    assert sent.count(b"z") == 20
    session.receive(frames.frame(frames.WINDOW_UPDATE, 0, 1, frames.number(100)))
    assert sent.count(b"z") == 50


def test_large_answers_are_granted_more_room() -> None:
    """A gigabyte flows through, on one stream and on many."""
    session, sent = greeted()
    asker = Asker()
    asker.piece = lambda _data: None  # type: ignore[method-assign]
    stream = session.request(asker, BLOCK, b"")
    session.receive(frames.frame(frames.HEADERS, frames.END_HEADERS, stream, b"\x88"))
    sent.clear()
    piece = frames.frame(frames.DATA, 0, stream, b"x" * frames.FRAME_BYTES) * 64
    granted: dict[int, int] = {}
    for _ in range(1024):
        session.receive(piece)
        for at in range(0, len(sent), 13):
            of = int.from_bytes(sent[at + 5 : at + 9], "big")
            granted[of] = granted.get(of, 0) + int.from_bytes(sent[at + 9 : at + 13], "big")
        sent.clear()
    assert granted[0] == granted[stream] == 64 * 1024 * frames.FRAME_BYTES


def test_long_header_blocks_go_and_come_in_pieces() -> None:
    """A block longer than a frame is continued, both ways."""
    pair = Pair()
    pair.exchange()
    asker = Asker()
    long = encode_fields((*FIELDS, (b"x-long", b"v" * 50_000)))
    stream = pair.session.request(asker, long, b"")
    (event,) = (e for e in pair.exchange() if isinstance(e, h2.events.RequestReceived))
    assert len(dict(event.headers)[b"x-long"]) == 50_000
    pair.server.send_headers(stream, [(b":status", b"200"), (b"x-long", b"w" * 50_000)])
    pair.server.end_stream(stream)
    pair.exchange()
    assert (asker.head.status, asker.told) == (200, "complete")


def test_padding_priorities_and_unknown_frames_mean_nothing() -> None:
    """What RFC 9113 tells us to skip is skipped."""
    session, _ = greeted()
    asker = Asker()
    stream = session.request(asker, BLOCK, b"")
    flags = frames.END_HEADERS | frames.PADDED | frames.PRIORITISED
    block = b"\x03" + b"\0\0\0\0\x10" + b"\x88" + b"\0\0\0"
    session.receive(frames.frame(0xBE, 0xFF, 77, b"whatever"))
    session.receive(frames.frame(frames.PRIORITY, 0, stream, b"\0\0\0\0\x10"))
    session.receive(frames.frame(frames.HEADERS, flags, stream, block))
    session.receive(frames.frame(frames.DATA, frames.PADDED, stream, b"\x02{}\0\0"))
    session.receive(
        frames.frame(frames.DATA, frames.PADDED | frames.END_STREAM, stream, b"\x01[]\0")
    )
    assert (asker.head.status, asker.body, asker.told) == (200, b"{}[]", "complete")


def test_interim_answers_and_trailers_frame_the_answer_proper() -> None:
    """Several 1xx may come before, fields may come after."""
    pair = Pair()
    pair.exchange()
    asker, stream = pair.ask()
    pair.exchange()
    for status in (b"103", b"103", b"102"):
        pair.server.send_headers(stream, [(b":status", status)])
    pair.server.send_headers(stream, [(b":status", b"503")])
    pair.server.send_data(stream, b"no")
    pair.server.send_headers(stream, [(b"x-sum", b"1")], end_stream=True)
    pair.exchange()
    assert (asker.head.status, asker.body, asker.told) == (503, b"no", "complete")


@pytest.mark.parametrize("headers", [b"\x88", b"\x08\x03204"])
def test_an_answer_may_be_headers_alone(headers: bytes) -> None:
    """The end of the stream on its headers completes an answer."""
    session, _ = greeted()
    asker = Asker()
    session.receive(frames.frame(frames.HEADERS, END, session.request(asker, BLOCK, b""), headers))
    assert (asker.body, asker.told) == (b"", "complete")


def test_a_body_that_is_as_long_as_announced_is_whole() -> None:
    """In one piece or several, padded or not; an answer to HEAD has none whatever it announces."""
    session, _ = greeted()
    one, pieces, head = Asker(), Asker(), Asker(bodyless=True)
    session.receive(answer(session.request(one, BLOCK, b""), b"{}", b"\x88" + LENGTH_2))
    stream = session.request(pieces, BLOCK, b"")
    block = b"\x88" + LENGTH_3
    session.receive(
        frames.frame(frames.HEADERS, frames.END_HEADERS, stream, block)
        + frames.frame(frames.DATA, frames.PADDED, stream, b"\x02ab\0\0")
        + frames.frame(frames.DATA, frames.END_STREAM, stream, b"c")
    )
    session.receive(frames.frame(frames.HEADERS, END, session.request(head, BLOCK, b""), block))
    assert [(a.told, a.body) for a in (one, pieces, head)] == [
        ("complete", b"{}"),
        ("complete", b"abc"),
        ("complete", b""),
    ]


@pytest.mark.parametrize("cut", [9, 10_000])
def test_a_frame_of_data_that_is_too_long_is_refused_however_it_comes(cut: int) -> None:
    """What ends an answer is bounded as anything else is, in one piece or in two."""
    session, _ = greeted()
    stream = session.request(Asker(), BLOCK, b"")
    data = answer(stream, b"x" * (frames.FRAME_BYTES + 1))
    head = len(data) - frames.FRAME_BYTES - 1
    session.receive(data[: head - 9])
    with pytest.raises(Http2Error, match="more than 16384"):
        session.receive(data[head - 9 :][: cut if cut < 100 else len(data)])


def test_a_ping_is_answered_and_settings_are_acknowledged() -> None:
    """Both are what a server lives on."""
    session, sent = greeted()
    session.receive(frames.frame(frames.PING, 0, 0, b"abcdefgh") + frames.settings((99, 1)))
    assert bytes(sent) == frames.frame(frames.PING, frames.ACK, 0, b"abcdefgh") + frames.frame(
        frames.SETTINGS, frames.ACK, 0
    )


def test_who_goes_away_says_what_was_not_looked_at() -> None:
    """Streams above the last are unanswered, those up to it are still answered."""
    session, _ = greeted()
    askers = [Asker() for _ in range(3)]
    streams = [session.request(one, BLOCK, b"") for one in askers]
    goodbye = frames.number(streams[0]) + frames.number(0)
    session.receive(frames.frame(frames.GOAWAY, 0, 0, goodbye))
    assert [one.told for one in askers] == ["", "unanswered", "unanswered"]
    assert not session.usable
    session.receive(answer(streams[0]))
    assert askers[0].told == "complete"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (7, "unanswered"),
        (2, "reset: the server reset the stream: INTERNAL_ERROR"),
        (99, "reset: the server reset the stream: error 99"),
    ],
)
def test_a_reset_concerns_one_stream(code: int, told: str) -> None:
    """A refused stream was not looked at; any other reset is a failure; neighbours go on."""
    session, _ = greeted()
    one, other = Asker(), Asker()
    stream = session.request(one, BLOCK, b"")
    neighbour = session.request(other, BLOCK, b"")
    session.receive(frames.frame(frames.RST_STREAM, 0, stream, frames.number(code)))
    session.receive(answer(neighbour))
    assert (one.told, other.told) == (told, "complete")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda stream: frames.frame(frames.DATA, 0, stream, b"early"),
        lambda stream: frames.frame(frames.HEADERS, END, stream, b"\x08\x03103"),
        lambda stream: frames.frame(frames.HEADERS, END, stream, b""),
        lambda stream: frames.frame(frames.HEADERS, END, stream, b"\x82"),
        lambda stream: frames.frame(frames.HEADERS, END, stream, b"\xbe"),
        lambda stream: frames.frame(frames.HEADERS, END, stream, b"\x3f\xe1\x1f\x88"),
        lambda stream: frames.frame(frames.HEADERS, frames.END_HEADERS, stream, b"\x88") * 2,
        lambda stream: frames.frame(frames.DATA, frames.END_STREAM, stream),
        lambda stream: frames.frame(frames.HEADERS, END, stream, b"\x88\xbe"),
        lambda stream: frames.frame(frames.HEADERS, END, stream, b"\x88\x0f\x0d\x02-1"),
        lambda stream: frames.frame(frames.HEADERS, END, stream, b"\x88" + 2 * LENGTH_2 + LENGTH_3),
        lambda stream: frames.frame(frames.HEADERS, END, stream, b"\x88" + LENGTH_2),
        lambda stream: answer(stream, b"[1]", b"\x88" + LENGTH_2),
        lambda stream: answer(stream, b"1", b"\x88" + LENGTH_2),
        lambda stream: answer(stream, b"", b"\x88" + LENGTH_2),
        lambda stream: (
            frames.frame(frames.HEADERS, frames.END_HEADERS, stream, b"\x88" + LENGTH_2)
            + frames.frame(frames.DATA, 0, stream, b"ab")
            + frames.frame(frames.DATA, frames.END_STREAM, stream, b"c")
        ),
    ],
)
def test_an_answer_that_breaks_the_rules_fails_alone(wrong: Callable[[int], bytes]) -> None:
    """A malformed answer fails its own request, resets its stream and touches no other."""
    session, sent = greeted()
    one, other = Asker(), Asker()
    stream = session.request(one, BLOCK, b"")
    neighbour = session.request(other, BLOCK, b"")
    sent.clear()
    session.receive(wrong(stream))
    assert one.told.startswith("protocol: ")
    assert frames.frame(frames.RST_STREAM, 0, stream, frames.number(1)) in bytes(sent)
    session.receive(answer(stream))  # late
    session.receive(answer(neighbour))
    assert other.told == "complete"
    assert one.told.count("protocol") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        frames.frame(frames.PING, 0, 0, b"12345678"),
        frames.settings() + frames.frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x82"),
        frames.settings() + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
        frames.settings() + frames.frame(frames.DATA, 0, 1, b"x" * 16_385),
        frames.settings() + frames.frame(frames.CONTINUATION, 4, 1, b"\x88"),
        frames.settings()
        + frames.frame(frames.HEADERS, 0, 1, b"\x88")
        + frames.frame(frames.PING, 0, 0, b"12345678"),
        frames.settings() + frames.frame(frames.PING, 0, 0, b"1234567"),
        frames.settings() + frames.frame(frames.SETTINGS, 0, 0, b"12345"),
        frames.settings((frames.INITIAL_WINDOW, 2**31)),
        frames.settings((frames.MAX_FRAME, 1)),
        frames.settings() + frames.frame(frames.DATA, frames.PADDED, 1, b"\x09x"),
        frames.settings() + frames.frame(frames.WINDOW_UPDATE, 0, 0, frames.number(2**31 - 1)),
    ],
)
def test_a_peer_that_does_not_speak_http2_is_told_at_once(wrong: bytes) -> None:
    """Neither another protocol nor a broken frame is waited upon."""
    session = Session(lambda _data: None)
    session.start()
    with pytest.raises(Http2Error):
        session.receive(wrong)


def test_given_up_requests_leave_nothing_behind() -> None:
    """A cancelled stream is reset, and what comes late counts for nobody."""
    session, sent = greeted()
    asker = Asker()
    stream = session.request(asker, BLOCK, b"q" * 100_000)
    sent.clear()
    session.cancel(stream)
    assert bytes(sent) == frames.frame(frames.RST_STREAM, 0, stream, frames.number(8))
    assert not session._uploads
    session.receive(answer(stream) + frames.frame(frames.RST_STREAM, 0, stream, b"\0\0\0\0"))
    session.receive(frames.frame(frames.WINDOW_UPDATE, 0, stream, frames.number(9)))
    assert asker.told == ""


def test_the_numbers_of_streams_end() -> None:
    """After the last number no further request is sent; that one is still answered."""
    session, _ = greeted()
    session._next = 2**31 - 1
    asker = Asker()
    stream = session.request(asker, BLOCK, b"")
    assert stream == 2**31 - 1
    assert not session.usable
    session.receive(answer(stream))
    assert asker.told == "complete"


def test_what_is_sent_while_bytes_come_in_leaves_at_once() -> None:
    """A hundred answers and the requests that follow on them are one write."""
    writes: list[bytes] = []
    session = Session(writes.append)
    session.start()
    session.receive(frames.settings())

    class Again(Asker):
        def complete(self, data: bytes) -> None:
            """Ask again."""
            super().complete(data)
            session.request(Asker(), BLOCK, b"")

    streams = [session.request(Again(), BLOCK, b"") for _ in range(100)]
    writes.clear()
    session.receive(b"".join(map(answer, streams)))
    assert len(writes) == 1
    assert len(session.requesters) == 100
