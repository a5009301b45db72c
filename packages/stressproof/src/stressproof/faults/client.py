"""A small HTTP/1.1 client that knows whether a request was sent before it failed.

The generator's engine records figures, this one records *what happened* to each request: for an
effect that was asked for, "was it sent" decides between *fail* and *unknown*.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping

from msgspec import Struct

_HEAD_LIMIT = 64 * 1024
_BODY_LIMIT = 16 * 1024 * 1024
# Servers close idle connections after five seconds; a request must not race with that.
_IDLE_S = 2.0
_SWITCHING = 200


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
                lines = [f"{method} {path} HTTP/1.1", f"host: {self._host}:{self._port}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                if body or method != "GET":
                    lines.append(f"content-length: {len(body)}")
                sent = True
                connection.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                answer = await _read(connection.reader, time.monotonic_ns())
        except TimeoutError:
            raise NoAnswerError("timeout" if sent else "connect_timeout") from None
        except ConnectionRefusedError:
            raise NoAnswerError("refused") from None
        except OSError:
            raise NoAnswerError("reset" if sent else "connect_reset") from None
        except asyncio.IncompleteReadError:
            raise NoAnswerError("closed") from None
        except (ValueError, asyncio.LimitOverrunError):
            raise NoAnswerError("malformed") from None
        else:
            if answer.headers.get("connection", "").lower() != "close":
                connection.used_at = time.monotonic()
                self._idle.append(connection)
                connection = None
            return answer
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
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=_HEAD_LIMIT)
        return _Connection(reader, writer)

    async def close(self) -> None:
        """Close what is kept."""
        while self._idle:
            connection = self._idle.pop()
            connection.drop()
            with contextlib.suppress(OSError):
                await connection.writer.wait_closed()


async def _read(reader: asyncio.StreamReader, sent_ns: int) -> Answer:
    """Read one answer.

    Raises:
        ValueError: It is no HTTP/1.1.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ", 2)
    if version not in {"HTTP/1.1", "HTTP/1.0"} or len(status) != 3 or not status.isdigit():  # noqa: PLR2004  # three digits
        raise ValueError(first)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.lower()] = value.strip()
    if int(status) < _SWITCHING:
        return await _read(reader, sent_ns)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(int(status), headers, await _read_chunks(reader), sent_ns)
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _BODY_LIMIT:
        raise ValueError(length)
    return Answer(int(status), headers, await reader.readexactly(length), sent_ns)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        if size == 0:
            await reader.readuntil(b"\r\n")
            return bytes(body)
        body += await reader.readexactly(size)
        await reader.readexactly(2)
        if len(body) > _BODY_LIMIT:
            raise ValueError(len(body))
