"""A small HTTP/1.1 client that knows whether a request was sent before it failed.

The generator's engine records figures, this one records *what happened* to each request: for an
effect that was asked for, "was it sent" decides between *fail* and *unknown*. Answers are read by
the generator's own reader.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping

from msgspec import Struct

from stressproof.flow.answer import by_name
from stressproof.load.http1 import (
    AnswerReader,
    Head,
    HeadCache,
    MalformedAnswerError,
    fields_of,
)

_READ_BYTES = 65_536
_BODY_LIMIT = 16 * 1024 * 1024
_BLANK = b"\r\n\r\n"
# Servers close idle connections after two to five seconds; a request must not race with that.
_IDLE_S = 1.0


def served_by(headers: Mapping[str, str]) -> str:
    """Return the name of the worker that an answer came from."""
    return headers.get("x-served-by", "a worker without a name")


class Answer(Struct, frozen=True):
    """An answer in full.

    Attributes:
        status: Of HTTP.
        headers: Names in lower case.
        body: Without its chunks' framing.
        sent_ns: When its request had been handed to the kernel, on the monotonic clock.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    sent_ns: int


class NoAnswerError(Exception):
    """No answer came; ``code`` is one of `stressproof.failures.history`' codes."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Connection:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.used_at = time.monotonic()

    def reusable(self) -> bool:
        """Return whether it can be used again."""
        fresh = time.monotonic() - self.used_at < _IDLE_S
        return fresh and not self.reader.at_eof() and self.reader.exception() is None

    def drop(self) -> None:
        """Close it at once."""
        transport = self.writer.transport
        if not transport.is_closing():
            transport.abort()


class Client:
    """Requests to one address over kept connections; use within one event loop.

    Args:
        host: Loopback.
        port: Of the service.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._port = port
        self._idle: list[_Connection] = []

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str],
        body: bytes = b"",
        timeout_s: float,
    ) -> Answer:
        """Send a request and return its answer.

        Raises:
            NoAnswerError: With a code that says whether the request was sent.
        """
        sent = False
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._connection()
                lines = [f"{method} {path} HTTP/1.1", f"host: {self._authority}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                if body or method != "GET":
                    lines.append(f"content-length: {len(body)}")
                sent = True
                connection.writer.write("\r\n".join(lines).encode("latin-1") + _BLANK + body)
                sent_ns = time.monotonic_ns()
                head, content = await _read(connection.reader, method)
        except TimeoutError:
            raise NoAnswerError("timeout" if sent else "connect_timeout") from None
        except ConnectionRefusedError:
            raise NoAnswerError("connect_refused") from None
        except OSError:
            raise NoAnswerError("reset" if sent else "connect_reset") from None
        except asyncio.IncompleteReadError:
            raise NoAnswerError("closed") from None
        except MalformedAnswerError:
            raise NoAnswerError("malformed") from None
        else:
            if head.keep_alive:
                connection.used_at = time.monotonic()
                self._idle.append(connection)
                connection = None
            return Answer(head.status, by_name(fields_of(head.block)), content, sent_ns)
        finally:
            if connection is not None:
                connection.drop()

    async def preconnect(self, count: int, *, timeout_s: float) -> None:
        """Have so many connections at hand, so that as many requests leave at one moment.

        One that cannot be opened is left to the request that will want it, and to its code.
        """
        kept, self._idle = self._idle, []
        for connection in kept:
            if connection.reusable():
                self._idle.append(connection)
            else:
                connection.drop()
        missing = range(count - len(self._idle))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(self._lay_in() for _ in missing))

    async def _lay_in(self) -> None:
        with contextlib.suppress(OSError):
            self._idle.append(await self._open())

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable():
                return connection
            connection.drop()
        return await self._open()

    async def _open(self) -> _Connection:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        return _Connection(reader, writer)

    async def close(self) -> None:
        """Close what is kept."""
        while self._idle:
            connection = self._idle.pop()
            connection.drop()
            with contextlib.suppress(OSError):
                await connection.writer.wait_closed()


async def _read(reader: asyncio.StreamReader, method: str) -> tuple[Head, bytes]:
    """Read one answer: its head, and its body without framing.

    Raises:
        MalformedAnswerError: It is no HTTP/1.1, or larger than anybody keeps.
        IncompleteReadError: The connection ended before it.
    """
    answer = AnswerReader(HeadCache(bodyless=method == "HEAD", keep=_BODY_LIMIT))
    while True:
        data = await reader.read(_READ_BYTES)
        head = answer.feed(data) if data else answer.end()
        if answer.body_bytes > _BODY_LIMIT:
            raise MalformedAnswerError(f"{answer.body_bytes} bytes of body")
        if head is not None:
            return head, answer.body
        if not data:
            raise asyncio.IncompleteReadError(b"", None)
