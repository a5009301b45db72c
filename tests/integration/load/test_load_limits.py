"""The generator's own limits are told apart from the target's failures."""

import asyncio
import resource
import socket
from pathlib import Path
from typing import Any

from stressproof.load.addresses import Address, resolve
from stressproof.load.connector import Connector, OpeningError
from stressproof.load.recorder import Phases
from stressproof.workload.target import Target


def test_running_out_of_files_is_counted_as_our_own_limit(bench: Any) -> None:
    """A connection that fails for want of file descriptors says nothing about the target."""
    target = Target(bench.serve().url)
    used = len(list(Path("/proc/self/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def open_until_it_fails() -> tuple[Connector, OpeningError]:
        connector = Connector(asyncio.get_running_loop(), target, resolve(target), Phases())
        transports: list[asyncio.Transport] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 16, hard))
        try:
            while len(transports) < 100:
                transports.append(await connector.open())
        except OpeningError as error:
            return connector, error
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for transport in transports:
                transport.abort()
            await asyncio.sleep(0)
        raise AssertionError("the limit was not met")

    connector, error = asyncio.run(open_until_it_fails())
    assert error.outcome == "connect"
    assert "too many open files" in str(error)
    assert (connector.file_limit_hits, connector.port_limit_hits) == (1, 0)


def test_an_address_that_swallows_packets_does_not_hide_the_next(bench: Any) -> None:
    """Where the first address never answers, the second is tried, and from then on first."""
    service = bench.serve()
    good = Address(socket.AF_INET, "127.0.0.1", service.port, 0)

    async def open_twice(hole: Address) -> int:
        phases = Phases()
        connector = Connector(asyncio.get_running_loop(), Target(service.url), [hole, good], phases)
        for _ in range(2):
            (await connector.open()).abort()
        await asyncio.sleep(0)
        return phases.connect.drain().min_us or 0

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        # Once its queue is full, a listener that accepts nobody drops what else comes.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(place)
        least_us = asyncio.run(open_twice(Address(socket.AF_INET, place[0], place[1], 0)))
        for filler in fillers:
            filler.close()
    bench.wait_until(lambda: service.connections == 2)
    assert service.connections == 2
    assert least_us < 900_000
