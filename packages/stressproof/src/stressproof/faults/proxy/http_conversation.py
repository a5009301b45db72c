"""A conversation of HTTP/1.1: exchanges one at a time, and what becomes of those that are spoilt.

A request that follows another on the same link waits until that one is answered, whether or not a
toxic holds: so each answer belongs to its request, and one that is spoilt takes no other with it.
"""

import asyncio
import random
from http import HTTPStatus

from msgspec import Struct

from stressproof.faults.proxy.conversation import Channel, Conversation
from stressproof.faults.proxy.http_messages import (
    ANSWER_BEGINS,
    REQUEST_BEGINS,
    MessageReader,
    Part,
    RequestHead,
    parse_request,
    with_host,
)
from stressproof.faults.proxy.http_toxics import (
    PPM,
    HttpAnswer,
    HttpDelay,
    HttpGarbage,
    HttpHang,
    HttpToxic,
    HttpTruncate,
    Replacing,
)
from stressproof.faults.proxy.state import ProxyState
from stressproof.faults.proxy.toxics import Direction
from stressproof.load.http1 import INTERIM, Head, MalformedAnswerError, parse_head

# Bytes of requests that wait for their turn before their client is read no further.
_WAITING_BYTES = 64 * 1024
# A body of unknown length is cut short within as much as this, held until then.
_UNKNOWN_BODY_BYTES = 256 * 1024
_GARBAGE_BYTES = 64
_SWITCHING = 101
_US = 1_000_000


class _Exchange(Struct):
    """One request and its answer.

    Attributes:
        request: Its head.
        fault: What spoils it, if anything does.
        swallowed: The server never hears of it.
        keep_alive: Neither side has said that the connection ends with it.
        asked: The whole request came.
        answered: The whole answer went.
        spoiling: Part of the answer was withheld already.
        not_before: When a delayed answer may leave.
        left: How much of a body of known length is still to be passed on.
        held: The beginning of a body of unknown length, None where it is known.
    """

    request: RequestHead
    fault: HttpToxic | None
    swallowed: bool
    keep_alive: bool
    asked: bool = False
    answered: bool = False
    spoiling: bool = False
    not_before: float = 0.0
    left: int = 0
    held: bytearray | None = None


class HttpConversation(Conversation):
    """HTTP/1.1 between a client and a server; anything else passes through and cannot be spoilt."""

    def __init__(self, channel: Channel, state: ProxyState) -> None:
        super().__init__(channel, state)
        self._requests = MessageReader(self._parse_request, REQUEST_BEGINS)
        self._answers = MessageReader(self._parse_answer, ANSWER_BEGINS)
        self._request: RequestHead | None = None
        self._head: Head | None = None
        self._exchange: _Exchange | None = None
        self._rng = random.Random(f"{state.seed}/{channel.number}/http")  # noqa: S311  # no secret
        self._foreign = False
        self._tunnel = False
        self._client_ended = False
        self._hung = False
        self._over = False

    @property
    def opaque(self) -> bool:
        """Whether it is encrypted, or not HTTP/1.1."""
        return self._foreign or super().opaque

    @property
    def _followed(self) -> bool:
        return not (self._over or self._tunnel or self.opaque)

    def upstream(self, data: bytes) -> None:
        """Take bytes from the client."""
        self.look_for_tls(data)
        if self._over:
            return
        if self._tunnel or self._foreign:
            self.ask(data)
            return
        self._requests.feed(data)
        self._read_requests()

    def downstream(self, data: bytes) -> None:
        """Take bytes from the server."""
        if self._over:
            return
        if self._tunnel or self._foreign:
            super().downstream(data)
            return
        self._answers.feed(data)
        if self._exchange is None:
            self._give_up()  # it speaks unasked, so nobody knows what its words answer
        self._read_answers()

    def finished(self, direction: Direction) -> None:
        """Pass an end on, once what came before it was dealt with."""
        if direction == "upstream":
            self._client_ended = True
            self._pass_client_end()
        else:
            self._finish_answers()

    def switched(self) -> None:
        """Let go what a toxic held that is gone; what hung is reset, its answer is lost."""
        if self._state.find(HttpDelay) is None:
            self._channel.hurry()
        exchange = self._exchange
        if exchange is None or exchange.fault is None or exchange.fault in self._state.toxics:
            return
        if isinstance(exchange.fault, HttpHang) and (self._hung or exchange.swallowed):
            self._end_by_reset()
        elif isinstance(exchange.fault, HttpDelay):
            exchange.not_before = 0.0
        elif not exchange.swallowed and not exchange.spoiling:
            exchange.fault = None

    def _parse_request(self, block: bytes) -> int:
        self._request = parse_request(block)
        return self._request.length

    def _parse_answer(self, block: bytes) -> int:
        of = self._exchange
        bodyless = of is not None and of.request.method == "HEAD"
        self._head = parse_head(block, bodyless=bodyless)
        return self._head.length

    def _read_requests(self) -> None:
        """Read what came of requests, up to the end of the one that is under way."""
        try:
            while self._followed and (part := self._requests.next()) is not None:
                self._take_request(part)
        except MalformedAnswerError:
            self._give_up()
        if self.opaque and not self._foreign:
            self._give_up()
        self._channel.block("upstream", blocked=self._requests.buffered > _WAITING_BYTES)
        if self._client_ended:
            self._pass_client_end()

    def _read_answers(self) -> None:
        try:
            while self._followed and (part := self._answers.next()) is not None:
                self._take_answer(part)
        except MalformedAnswerError:
            self._give_up()
        self._channel.block("downstream", blocked=self._answers.buffered > _WAITING_BYTES)
        if self._exchange is None:
            self._read_requests()  # those that waited

    def _pass_client_end(self) -> None:
        """Pass the client's end on, unless requests before it wait for their turn."""
        exchange = self._exchange
        if exchange is not None and exchange.asked and self._requests.buffered:
            return
        self._client_ended = False
        if exchange is None or not exchange.swallowed:
            self.ask(self._requests.rest())
        super().finished("upstream")

    def _finish_answers(self) -> None:
        exchange = self._exchange
        if self._followed and exchange is not None and exchange.swallowed:
            exchange.keep_alive = False  # the client is answered first, then it ends
            return
        if self._followed and self._answers.end_of_stream():
            self._take_answer(Part("end", b""))
        elif exchange is None or not exchange.spoiling:
            self._channel.pass_on("downstream", self._answers.rest())
        if not self._over:
            super().finished("downstream")

    def _give_up(self) -> None:
        """Pass on unread what came and what will; what was withheld in part cannot be mended."""
        exchange, self._exchange = self._exchange, None
        if self._over:
            return
        if exchange is not None and (exchange.swallowed or exchange.spoiling):
            self._end_by_reset()
            return
        self._foreign = True
        self.ask(self._requests.rest())
        self._channel.pass_on("downstream", self._answers.rest())

    def _take_request(self, part: Part) -> None:
        if part.kind == "head":
            self._begin(part.data)
            return
        exchange = self._exchange
        if exchange is None:
            return
        if part.kind == "body" and not exchange.swallowed:
            self.ask(part.data)
        if part.kind == "end":
            exchange.asked = True
            if exchange.swallowed:
                self._replace(exchange)
            self._conclude(exchange)

    def _begin(self, head: bytes) -> None:
        """Begin an exchange with a request, and decide what becomes of it."""
        request = self._request
        if request is None:
            return
        self._state.counters.requests_seen += 1
        fault = self._state.take(request.method, request.path)
        exchange = self._exchange = _Exchange(
            request=request,
            fault=fault,
            swallowed=isinstance(fault, Replacing) and not fault.deliver,
            keep_alive=request.keep_alive,
        )
        if not exchange.swallowed:
            authority = self._state.authority
            self.ask(with_host(head, authority) if authority else head)
        elif request.expects_continue:
            exchange.keep_alive = False  # whether the body still comes is the client's to say
            self._replace(exchange)

    def _take_answer(self, part: Part) -> None:
        exchange = self._exchange
        if exchange is None or exchange.swallowed:
            return  # the server speaks of a request that it never got
        if part.kind == "head":
            self._take_answer_head(exchange, part.data)
            return
        if part.kind == "end":
            exchange.answered = True
        if isinstance(exchange.fault, Replacing):
            if part.kind == "end":
                self._replace(exchange)
        elif isinstance(exchange.fault, HttpTruncate):
            self._truncate(exchange, exchange.fault, part)
        elif part.data:
            self._channel.pass_on("downstream", part.data, not_before=exchange.not_before)
        self._conclude(exchange)

    def _take_answer_head(self, exchange: _Exchange, block: bytes) -> None:
        head = self._head
        if head is None:
            return
        connected = exchange.request.method == "CONNECT" and head.status // 100 == 2  # noqa: PLR2004
        if head.status == _SWITCHING or connected:
            self._become_tunnel(block)
            return
        if head.length == INTERIM:
            self._channel.pass_on("downstream", block)
            return
        if self.answer_lost():
            self._over = True
            return
        exchange.keep_alive = exchange.keep_alive and head.keep_alive
        fault = exchange.fault
        if isinstance(fault, Replacing):
            exchange.spoiling = True
            return
        if isinstance(fault, HttpDelay):
            jitter_us = self._rng.uniform(-fault.jitter_us, fault.jitter_us)
            delay_s = max(0.0, fault.delay_us + jitter_us) / _US
            exchange.not_before = asyncio.get_running_loop().time() + delay_s
            self._hit(exchange, fault)
        self._channel.pass_on("downstream", block, not_before=exchange.not_before)
        if isinstance(fault, HttpTruncate):
            self._begin_truncating(exchange, fault, head.length)

    def _become_tunnel(self, block: bytes) -> None:
        """Pass everything on from here: another protocol begins."""
        self._tunnel = True
        self._exchange = None
        self._channel.pass_on("downstream", block + self._answers.rest())
        self.ask(self._requests.rest())
        self._channel.block("upstream", blocked=False)

    def _begin_truncating(self, exchange: _Exchange, fault: HttpTruncate, length: int) -> None:
        if length == 0:
            self._state.give_back(fault)  # there is nothing to cut off
            exchange.fault = None
        elif length > 0:
            exchange.spoiling = True
            exchange.left = _kept(length, fault)
            if not exchange.left:
                self._cut_short(exchange, fault)
        else:
            exchange.spoiling = True
            exchange.held = bytearray()

    def _truncate(self, exchange: _Exchange, fault: HttpTruncate, part: Part) -> None:
        if exchange.held is None:
            passed = part.data[: exchange.left]
            exchange.left -= len(passed)
            self._channel.pass_on("downstream", passed)
            if not exchange.left:
                self._cut_short(exchange, fault)
            return
        exchange.held += part.data
        if exchange.held and (part.kind == "end" or len(exchange.held) >= _UNKNOWN_BODY_BYTES):
            kept = _kept(len(exchange.held), fault)
            self._channel.pass_on("downstream", bytes(exchange.held[:kept]))
            self._cut_short(exchange, fault)

    def _cut_short(self, exchange: _Exchange, fault: HttpTruncate) -> None:
        self._hit(exchange, fault)
        self._end_orderly()

    def _replace(self, exchange: _Exchange) -> None:
        """Give the client what the toxic says in place of the answer."""
        fault = exchange.fault
        if self._over or self._hung or fault is None:
            return
        self._hit(exchange, fault)
        match fault:
            case HttpAnswer():
                self._channel.pass_on("downstream", _answer(fault, exchange))
                exchange.answered = True
                if not exchange.keep_alive:
                    self._end_orderly()
            case HttpHang():
                self._hung = True
                exchange.answered = False
                self._channel.silence()
            case HttpGarbage():
                garbage = b"\xff" + self._rng.randbytes(_GARBAGE_BYTES - 1)
                self._channel.pass_on("downstream", garbage)
                self._end_orderly()
            case _:
                self._end_by_reset()

    def _conclude(self, exchange: _Exchange) -> None:
        """Turn to the next request once this one is asked and answered."""
        if exchange.asked and exchange.answered and not self._over:
            self._exchange = None
            self._requests.begin()
            self._answers.begin()

    def _hit(self, exchange: _Exchange, fault: HttpToxic) -> None:
        self._state.hit(
            fault,
            self._channel.number,
            method=exchange.request.method,
            path=exchange.request.path.partition("?")[0],
        )

    def _end_orderly(self) -> None:
        self._over = True
        self._channel.pass_end("downstream", "close")

    def _end_by_reset(self) -> None:
        self._over = True
        self._channel.reset()


def _kept(length: int, fault: HttpTruncate) -> int:
    """Return how much of a body stays; some of it never does."""
    return min(length * fault.keep_ppm // PPM, length - 1)


def _answer(fault: HttpAnswer, exchange: _Exchange) -> bytes:
    """Return an answer as bytes."""
    try:
        reason = HTTPStatus(fault.status).phrase
    except ValueError:
        reason = ""
    lines = [f"HTTP/1.1 {fault.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in fault.headers.items()]
    body = fault.body.encode()
    if fault.may_have_body:
        lines.append(f"content-length: {len(body)}")
    if not exchange.keep_alive:
        lines.append("connection: close")
    head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")
    return head if exchange.request.method == "HEAD" or not fault.may_have_body else head + body
