"""Links of the proxy end with their sockets, whatever order of ends, resets and toxics."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stressproof.faults.proxy.http_toxics import (
    HttpAnswer,
    HttpDelay,
    HttpGarbage,
    HttpHang,
    HttpReset,
    HttpTruncate,
)
from stressproof.faults.proxy.proxy import Proxy
from stressproof.faults.proxy.toxics import (
    Bandwidth,
    Down,
    Latency,
    LimitData,
    LoseAnswer,
    Protocol,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)

HANG_S = 20.0
RST = struct.pack("ii", 1, 0)

WEATHER: dict[str, list[Toxic]] = {
    "clear": [],
    "slow": [Latency("upstream", latency_us=20_000), Latency("downstream", latency_us=5_000)],
    "narrow": [Bandwidth("downstream", bytes_per_second=100_000)],
    "sliced": [Slicer("upstream", average_bytes=1), Slicer("downstream", average_bytes=100)],
    "hole up": [Timeout("upstream")],
    "hole down": [Timeout("downstream")],
    "hole": [Timeout("upstream"), Timeout("downstream")],
    "hole that closes": [Timeout("upstream", close_after_us=2000)],
    "slow to close": [SlowClose("upstream", delay_us=20_000), SlowClose("downstream", delay_us=1)],
    "limited": [LimitData("upstream", bytes=100_000), LimitData("downstream", bytes=10)],
    "resets": [ResetPeer(every_us=2000)],
    "dies of age": [ResetPeer(after_us=3000)],
    "answer lost": [LoseAnswer(count=1)],
    "down": [Down()],
}
HTTP_WEATHER: dict[str, list[Toxic]] = {
    "hangs": [HttpHang()],
    "hangs, delivered": [HttpHang(deliver=True)],
    "answers": [HttpAnswer(every=2)],
    "answers, delivered": [HttpAnswer(deliver=True), Slicer("downstream", average_bytes=1)],
    "late": [HttpDelay(delay_us=20_000)],
    "late and lost": [HttpDelay(delay_us=600_000_000), LoseAnswer(contains="second")],
    "cut short": [HttpTruncate()],
    "garbage": [HttpGarbage(deliver=True)],
    "resets, delivered": [HttpReset(deliver=True)],
}
SPOKEN = {
    "ask": b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    "ask twice": b"GET /a HTTP/1.1\r\n\r\nPOST /second HTTP/1.1\r\nContent-Length: 9\r\n\r\n123",
    "answer": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "answer by chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "answer without end": b"HTTP/1.1 200 OK\r\n\r\nabc",
}


class Ends:
    """A client and a server at the two ends of one link, as plain sockets."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._open = {"client": client, "server": server}

    def act(self, who: str, what: str) -> int:
        """Do something to one end, where it is open and can; return how many bytes it read."""
        end = self._open.get(who)
        if end is None:
            return 0
        try:
            match what:
                case "send":
                    end.send(bytes(300_000))
                case spoken if spoken in SPOKEN:
                    end.send(SPOKEN[spoken])
                case "read":
                    return len(end.recv(100_000))
                case "finish":
                    end.shutdown(socket.SHUT_WR)
                case "close":
                    self.close(who)
                case _:
                    self.reset(who)
        except OSError:
            pass  # nothing to read, no room to write, or the other end is gone: all the same
        return 0

    def close(self, who: str) -> None:
        """Close one end."""
        end = self._open.pop(who, None)
        if end is not None:
            end.close()

    def reset(self, who: str) -> None:
        """Reset one end."""
        end = self._open.get(who)
        if end is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            self.close(who)


@contextlib.asynccontextmanager
async def linked(listener: socket.socket, address: tuple[str, int]) -> AsyncIterator[Ends]:
    """Yield both ends of a fresh link through the proxy."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.settimeout(0)
    await loop.sock_connect(client, address)
    server, _ = await loop.sock_accept(listener)
    server.settimeout(0)
    ends = Ends(client, server)
    try:
        yield ends
    finally:
        ends.close("client")
        ends.close("server")


def descriptors() -> int:
    """Return how many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def until_over(proxy: Proxy, before: int) -> tuple[int, int]:
    """Wait until nothing is left of any link; return what is left."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = (proxy.state.counters.links_live, descriptors() - before)
        if left == (0, 0):
            break
        await asyncio.sleep(0.01)
    return left


def weather_of(name: str, protocol: Protocol) -> list[Toxic]:
    """Return toxics; those of HTTP are none elsewhere."""
    if name in HTTP_WEATHER:
        return HTTP_WEATHER[name] if protocol == "http" else []
    return WEATHER[name]


ENDS = ["read", "finish", "close", "reset", "turn", "turn"]
acts = st.tuples(st.sampled_from(["client", "server"]), st.sampled_from(["send", "send", *ENDS]))
weather = st.tuples(st.just("proxy"), st.sampled_from(sorted(WEATHER)))
exchanges = (
    st.tuples(st.just("client"), st.sampled_from(["ask", "ask twice", *ENDS]))
    | st.tuples(st.just("server"), st.sampled_from([*sorted(SPOKEN)[:3], *ENDS]))
    | st.tuples(st.just("proxy"), st.sampled_from(sorted(HTTP_WEATHER)))
)


@pytest.mark.parametrize("protocol", ["tcp", "postgres", "http"])
@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(acts | weather, max_size=12) | st.lists(exchanges | weather, max_size=16),
    last=st.permutations(["client", "server"]),
    resets=st.booleans(),
)
@pytest.mark.timeout(300)
def test_no_link_and_no_descriptor_outlives_its_sockets(
    protocol: Protocol, steps: list[tuple[str, str]], last: list[str], *, resets: bool
) -> None:
    """After two resets at once, in any weather; after orderly ends once no toxic holds them.

    Whoever has sent its end may still wait for what a toxic holds, so that must be kept for it.
    """
    resets = resets and not any(what in {"finish", "close"} for _, what in steps)

    async def run() -> tuple[int, int]:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0)
        proxy = Proxy(listener.getsockname(), protocol=protocol)
        address = await proxy.start()
        try:
            before = descriptors()
            async with linked(listener, address) as ends:
                for who, what in steps:
                    if who == "proxy":
                        await proxy.switch(weather_of(what, protocol))
                    else:
                        ends.act(who, what)
                    await asyncio.sleep(0.003 if what == "turn" else 0)
                for who in last if resets else []:
                    ends.reset(who)
                if not resets:
                    await proxy.switch([])
            return await until_over(proxy, before)
        finally:
            await proxy.close()
            listener.close()

    assert asyncio.run(run()) == (0, 0)


@pytest.mark.timeout(60)
def test_clients_that_leave_a_streaming_server_leave_nothing_behind() -> None:
    """Each sends its request and closes; the server, which streams, is told by a reset."""

    async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(bytes(65_536))
                await writer.drain()
        writer.close()

    async def run() -> tuple[int, int]:
        async with await asyncio.start_server(stream, "127.0.0.1", 0) as server:
            proxy = Proxy(server.sockets[0].getsockname())
            address = await proxy.start()
            before = descriptors()
            for _ in range(50):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                await reader.readexactly(100)
                writer.write_eof()
                await asyncio.sleep(0.005)
                writer.close()
            left = await until_over(proxy, before)
            await proxy.close()
            return left

    assert asyncio.run(run()) == (0, 0)


@pytest.mark.timeout(60)
def test_proxy_obeys_while_it_slices_finely() -> None:
    """A megabyte in pieces of one byte: every command meanwhile gets its turn at once."""

    async def run() -> tuple[float, int]:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0)
        proxy = Proxy(listener.getsockname())
        address = await proxy.start()
        await proxy.switch([Slicer("upstream", average_bytes=1)])
        received = 0
        longest = 0.0
        async with linked(listener, address) as ends:
            deadline = time.monotonic() + 1.5
            while time.monotonic() < deadline:
                began = time.monotonic()
                ends.act("client", "send")
                received += ends.act("server", "read")
                await asyncio.sleep(0)
                longest = max(longest, time.monotonic() - began)
        await proxy.close()
        listener.close()
        return longest, received

    longest, received = asyncio.run(run())
    assert received > 1000
    assert longest < 0.5


def test_no_write_waits_for_an_acknowledgement() -> None:
    """Both sockets of a link send at once, so that a fault's delay is the only one there is."""

    async def run() -> list[int]:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0)
        proxy = Proxy(listener.getsockname())
        address = await proxy.start()
        async with linked(listener, address):
            [link] = proxy._links
            assert link._dial is not None
            await link._dial
            found = [
                side.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                for side in (link.client, link.server)
            ]
        await proxy.close()
        listener.close()
        return found

    assert all(asyncio.run(run()))
