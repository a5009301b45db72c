"""The client of the fault load: connections at hand before requests leave together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stressproof.faults.client import Client, NoAnswerError


@asynccontextmanager
async def answering(opened: asyncio.Queue[None]) -> AsyncIterator[int]:
    """Yield the port of a server that notes each connection and answers every request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.put_nowait(None)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def test_requests_of_one_moment_find_their_connections_open() -> None:
    """As many as are wanted are open before the first request, and none is opened for one."""

    async def run() -> tuple[int, int, int, int]:
        opened: asyncio.Queue[None] = asyncio.Queue()
        async with answering(opened) as port:
            client = Client("127.0.0.1", port)
            await client.request("GET", "/", headers={}, timeout_s=10)
            await opened.get()
            alone = opened.qsize()
            await client.preconnect(5, timeout_s=10)
            # What is open for the client need not be accepted by the server yet.
            accepted = [await asyncio.wait_for(opened.get(), 10) for _ in range(4)]
            answers = await asyncio.gather(
                *(client.request("GET", "/", headers={}, timeout_s=10) for _ in range(5))
            )
            await client.preconnect(3, timeout_s=10)
            await client.close()
            return alone, len(accepted), len(answers), opened.qsize()

    assert asyncio.run(run()) == (0, 4, 5, 0)


def test_what_cannot_be_opened_is_left_to_its_request() -> None:
    """A service that is down refuses the request, with its code, and not the preparation."""

    async def run() -> None:
        async with answering(asyncio.Queue()) as port:
            pass
        client = Client("127.0.0.1", port)
        await client.preconnect(3, timeout_s=10)
        await client.request("GET", "/", headers={}, timeout_s=10)

    with pytest.raises(NoAnswerError, match="refused"):
        asyncio.run(run())
