"""The proxy as a process: commands come as JSON lines on stdin, answers leave on stdout.

A process of its own, so that what a fault costs never shows in the latencies of the load. When
stdin ends, whoever started it is gone, and so is the proxy.
"""

import argparse
import asyncio
import json
import signal
import sys
from typing import Any, get_args

from stressproof.errors import StressproofError
from stressproof.failures.loopback import require_loopback
from stressproof.faults.proxy.addresses import parse_upstream
from stressproof.faults.proxy.proxy import Proxy
from stressproof.faults.proxy.toxics import Protocol, parse

_LINE = 1 << 20


async def answer(proxy: Proxy, command: dict[str, Any]) -> dict[str, Any]:
    """Carry out one command and return its answer.

    Commands: ``set`` (``toxics``, ``keep``, ``lasts_us``), ``state``, ``links``, ``events``
    (``after``).
    """
    before = proxy.state.snapshot()
    match command.get("do"):
        case "set":
            toxics = parse(command.get("toxics"))
            effective = await proxy.switch(
                toxics, keep=bool(command.get("keep")), lasts_us=int(command.get("lasts_us", 0))
            )
            return {"effective_ns": effective, "before": before, "state": proxy.state.snapshot()}
        case "state":
            return {"state": before}
        case "links":
            return {"links": proxy.links()}
        case "events":
            return {"events": proxy.state.events(int(command.get("after", 0)))}
        case other:
            return {"error": f"no such command: {other!r}"}


async def serve(arguments: argparse.Namespace) -> None:
    """Run the proxy until stdin ends."""
    proxy = Proxy(
        parse_upstream(
            arguments.upstream, protocol=arguments.protocol, allowed=arguments.allow_upstream
        ),
        seed=arguments.seed,
        protocol=arguments.protocol,
    )
    host, port = await proxy.start(arguments.host, arguments.port)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say({"host": host, "port": port})
    while line := await reader.readline():
        command = json.loads(line)
        try:
            said = await answer(proxy, command)
        except StressproofError as error:
            said = {"error": error.message, "hint": error.hint}
        _say({**said, "number": command["number"]})
    await proxy.close()


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Parse arguments and serve."""
    parser = argparse.ArgumentParser(prog="stressproof.faults.proxy.server", description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--protocol", choices=get_args(Protocol), default="tcp")
    parser.add_argument("--allow-upstream", action="append", default=[])
    arguments = parser.parse_args()
    # Ctrl-C at a terminal reaches the whole group; the parent still needs us to undo its faults.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        require_loopback(arguments.host)
        asyncio.run(serve(arguments))
    except StressproofError as error:
        _say({"error": error.message, "hint": error.hint})
        sys.exit(int(error.exit_code))


if __name__ == "__main__":
    main()
