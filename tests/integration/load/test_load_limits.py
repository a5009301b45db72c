"""The generator's own limits are told apart from the target's failures."""

import asyncio
import resource
from pathlib import Path
from typing import Any

from stressproof.load.door import Door, OpeningError, resolve
from stressproof.load.recorder import Phases
from stressproof.load.workload import Target


def test_running_out_of_files_is_counted_as_our_own_limit(bench: Any) -> None:
    """A connection that fails for want of file descriptors says nothing about the target."""
    target = Target(bench.serve().url)
    used = len(list(Path("/proc/self/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def open_until_it_fails() -> tuple[Door, OpeningError]:
        door = Door(asyncio.get_running_loop(), target, resolve(target), Phases())
        transports: list[asyncio.Transport] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 16, hard))
        try:
            while len(transports) < 100:
                transports.append(await door.open())
        except OpeningError as error:
            return door, error
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for transport in transports:
                transport.abort()
            await asyncio.sleep(0)
        raise AssertionError("the limit was not met")

    door, error = asyncio.run(open_until_it_fails())
    assert error.outcome == "connect"
    assert "too many open files" in str(error)
    assert (door.file_limit_hits, door.port_limit_hits) == (1, 0)
