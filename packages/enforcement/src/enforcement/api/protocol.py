r"""HTTP/1.1 on one connection: uvicorn's protocol with bounds on everything a client controls.

uvicorn and httptools bound neither request line nor headers, nor the time a request takes to
arrive, and the parser joins the parts of an endless header at a cost that grows with its square.
What is refused here never reached the application, and is answered as every refusal is.

::

    WAITING ── first byte ──> HEAD ── headers ──> BODY ── last byte ──> ANSWERING
       ^ first_s, then idle_s    \______ request_s _____/                    │ write_s
       └────────────────────────────────────────────────────────────────────┘
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from enum import Enum, auto
from secrets import token_hex
from typing import Any, Final, cast

import httptools
import msgspec
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from enforcement.api.connections import Connections
from enforcement.api.problems import problem_bytes
from enforcement.api.refusals import RefusalError

MAX_TARGET_BYTES: Final = 8192
MAX_HEAD_BYTES: Final = 32_768
MAX_HEADERS: Final = 100
# Sent ahead of answers: each is parsed, and held, while the one before is answered.
MAX_PIPELINED: Final = 64
LINGER_S: Final = 1.0
DRAIN_GRACE_S: Final = 0.25
_VERSIONS: Final = frozenset({"1.0", "1.1"})
# Chunked bodies may be dressed up: sizes, extensions, trailers.
_DRESS: Final = 4


Headers = Sequence[tuple[bytes, bytes]]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may take; seconds.

    Attributes:
        request_s: From the first byte of a request to its last, and from the connection's
            beginning to the first; also how long an answer may wait to be read.
        idle_s: From an answer to the next request.
        body_bytes: Of one request.
    """

    request_s: float
    idle_s: float
    body_bytes: int


class Phase(Enum):
    """What a connection is doing."""

    WAITING = auto()
    HEAD = auto()
    BODY = auto()
    ANSWERING = auto()
    REFUSED = auto()


class FinishedQuietly:
    """A transport to which writing after its end is nothing: who has left hears no answer.

    uvloop raises, and uvicorn tells only the last of pipelined requests that its client has left:
    anybody could fill the log with errors.

    Args:
        transport: Of the connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, unless the connection has ended."""
        if not self._transport.is_closing():
            self._transport.write(data)


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: Of the application's life.
        connections: Of this worker.
        bounds: What its client may take.
        count_refusal: Is told the status of each refusal made here.
        always: Headers of every answer.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        connections: Connections,
        bounds: Bounds,
        count_refusal: Callable[[int], None],
        always: Headers,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._held = connections
        self._bounds = bounds
        self._count_refusal = count_refusal
        self._always = always
        self._phase = Phase.WAITING
        self._deadline = math.inf
        self._message_bytes = 0
        self._head_bytes = 0
        self._in_trailer = False
        self._message_done = True
        self._refusal: RefusalError | None = None
        self._draining = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there is no room."""
        super().connection_made(cast("asyncio.Transport", FinishedQuietly(transport)))
        self._deadline = self.loop.time() + self._bounds.request_s
        if not self._held.admit(self):
            self._answer_refusal(
                RefusalError(
                    503,
                    "too_many_connections",
                    "every connection that this process may hold waits for an answer",
                    hint="Try again, or use fewer connections.",
                    headers={"retry-after": "1"},
                )
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._held.closed(self)
        super().connection_lost(exc)

    def evict(self) -> None:
        """Make room for another connection."""
        self._phase = Phase.REFUSED
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what came, within bounds."""
        if self._phase is Phase.REFUSED:
            return
        began = self._phase
        in_trailer = self._in_trailer
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Answered in this protocol; what follows would be in the other.
            self.cycle.keep_alive = False
            self._phase = Phase.REFUSED
            return
        except httptools.HttpParserError:
            self._refuse(
                self._refusal
                or RefusalError(400, "malformed_request", "this is no HTTP/1.1 request")
            )
            return
        # A message that began within this piece of data is judged by the next one.
        if began is self._phase and began in {Phase.HEAD, Phase.BODY}:
            self._message_bytes += len(data)
            if began is Phase.HEAD and self._message_bytes > MAX_HEAD_BYTES:
                self._refuse(_head_too_large())
            elif self._message_bytes > MAX_HEAD_BYTES + _DRESS * self._bounds.body_bytes or (
                in_trailer and self._in_trailer and self._message_bytes > MAX_HEAD_BYTES
            ):
                self._refuse(
                    RefusalError(
                        413,
                        "body_too_large",
                        f"the body has more than {self._bounds.body_bytes} bytes",
                    )
                )

    def on_message_begin(self) -> None:
        """Begin a request: from its first byte on it has so much time."""
        super().on_message_begin()
        self._phase = Phase.HEAD
        self._deadline = self.loop.time() + self._bounds.request_s
        self._message_bytes = 0
        self._head_bytes = 0
        self._message_done = False
        self._in_trailer = False
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop_parsing(
                RefusalError(
                    429, "too_many_pipelined", f"more than {MAX_PIPELINED} requests wait in line"
                )
            )

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        super().on_url(url)
        if b"#" in url:
            # The parser would drop it; whoever guards us in front may not.
            self._stop_parsing(
                RefusalError(400, "malformed_request", "a request's target has no fragment")
            )
        if len(self.url) > MAX_TARGET_BYTES:
            self._stop_parsing(
                RefusalError(
                    414, "target_too_long", f"the target has more than {MAX_TARGET_BYTES} bytes"
                )
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; in a trailer none is expected."""
        if self._phase is not Phase.HEAD:
            self._stop_parsing(RefusalError(400, "malformed_request", "trailers are not taken"))
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        if len(self.headers) > MAX_HEADERS or self._head_bytes > MAX_HEAD_BYTES:
            self._stop_parsing(_head_too_large())

    def on_headers_complete(self) -> None:
        """Hand the request on, unless its head says already that it cannot be answered."""
        if self.parser.get_http_version() not in _VERSIONS:
            self._stop_parsing(RefusalError(400, "malformed_request", "expected HTTP/1.1 or 1.0"))
        self._phase = Phase.BODY
        self._message_bytes = 0
        self._held.busy(self)
        super().on_headers_complete()
        if self._draining:
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """Note that a chunk begins; one without data is the last."""
        self._in_trailer = True

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._in_trailer = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request: what follows is ours to do."""
        self._message_done = True
        self._phase = Phase.ANSWERING
        self._deadline = math.inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; who has not finished this one is not worth reading on."""
        pipelined = bool(self.pipeline)
        super().on_response_complete()
        if pipelined or self.transport.is_closing():
            return
        unread = self._phase is Phase.BODY and not self._message_done
        if unread or self._phase is Phase.REFUSED:
            self._linger()
        elif self._phase is Phase.ANSWERING:
            self._phase = Phase.WAITING
            self._deadline = self.loop.time() + self._bounds.idle_s
            self._held.waits(self)

    def pause_writing(self) -> None:
        """Give the client so much time to read."""
        super().pause_writing()
        self._deadline = min(self._deadline, self.loop.time() + self._bounds.request_s)

    def resume_writing(self) -> None:
        """Go on answering."""
        super().resume_writing()
        if self._phase is Phase.ANSWERING:
            self._deadline = math.inf
        elif self._phase is Phase.WAITING:
            self._deadline = self.loop.time() + self._bounds.idle_s

    def shutdown(self) -> None:
        """Drain: what is being asked is answered, what is asked at this moment too."""
        self._draining = True
        if self._is_answering():
            self.cycle.keep_alive = False
        elif self._phase is Phase.REFUSED:
            self.transport.abort()
        else:
            self._deadline = min(self._deadline, self.loop.time() + DRAIN_GRACE_S)

    def expire(self, now: float) -> None:
        """End what has lasted too long; called every now and then, on the loop's clock."""
        if now < self._deadline:
            return
        if self._phase is Phase.HEAD and self._is_answering():
            # We do not read on while we answer, so the time is ours.
            self._deadline = now + self._bounds.request_s
        elif self._phase in {Phase.HEAD, Phase.BODY} and not self.flow.write_paused:
            self._refuse(
                RefusalError(
                    408,
                    "request_too_slow",
                    f"the request was not here within {self._bounds.request_s:g} s",
                )
            )
        else:
            self.transport.abort()

    def _is_answering(self) -> bool:
        """Say whether a request that the application has was not answered to its end."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn declares it never None
        return cycle is not None and not cycle.response_complete

    def _stop_parsing(self, refusal: RefusalError) -> None:
        self._refusal = refusal
        raise refusal

    def _refuse(self, refusal: RefusalError) -> None:
        """Refuse the request that is being read."""
        in_body = self._phase is Phase.BODY
        self._phase = Phase.REFUSED
        if not self._is_answering():
            self._answer_refusal(refusal)
        elif not in_body:
            # The one before is being answered: that is all that will be.
            self.cycle.keep_alive = False
            self._deadline = math.inf
        elif self.cycle.response_started or self.pipeline:
            self.transport.abort()
        else:
            # The application waits for the rest, and is told that nobody sends it.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._answer_refusal(refusal, counted=False)

    def _answer_refusal(self, refusal: RefusalError, *, counted: bool = True) -> None:
        if counted:
            self._count_refusal(refusal.status)
        request_id = token_hex(8)
        head, body = problem_bytes(
            RefusalError(
                refusal.status,
                refusal.code,
                refusal.detail,
                hint=refusal.hint,
                headers={**refusal.headers, "connection": "close"},
            ),
            instance="",
            request_id=request_id,
        )
        head = [*self.server_state.default_headers, *head, *self._always]
        head.append((b"x-request-id", request_id.encode()))
        lines = [STATUS_LINE[refusal.status], *(b"%s: %s\r\n" % line for line in head)]
        self.transport.write(b"".join((*lines, b"\r\n", body)))
        self._linger()

    def _linger(self) -> None:
        """Close so that the answer arrives: a socket closed on unread data would take it back."""
        self._phase = Phase.REFUSED
        self._deadline = self.loop.time() + LINGER_S
        self._held.busy(self)
        self.flow.resume_reading()
        if self._held.is_overfull():
            self.transport.close()
        elif self.transport.can_write_eof():
            self.transport.write_eof()


def _head_too_large() -> RefusalError:
    return RefusalError(
        431,
        "headers_too_large",
        f"the head has more than {MAX_HEADERS} headers or {MAX_HEAD_BYTES} bytes",
    )
