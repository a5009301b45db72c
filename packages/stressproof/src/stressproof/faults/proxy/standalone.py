"""Proxies and their control API in a process of their own, until it is told to stop."""

import asyncio
import signal
from collections.abc import Callable, Collection, Sequence

from stressproof.faults.proxy.addresses import Address
from stressproof.faults.proxy.collection import ProxyBody, ProxyCollection
from stressproof.faults.proxy.control_api import ControlApi
from stressproof.faults.proxy.control_server import ControlServer
from stressproof.faults.proxy.toxics import Protocol


async def serve(
    bodies: Sequence[ProxyBody],
    control: Address,
    *,
    protocol: Protocol,
    seed: int,
    allowed: Collection[str],
    stop_on: Collection[signal.Signals],
    ready: Callable[[ProxyCollection, Address], None],
    over: Callable[[ProxyCollection], None],
) -> signal.Signals:
    """Run proxies until a signal comes; nothing of them is left then.

    Args:
        bodies: Proxies that there are from the beginning.
        control: Where the API listens.
        protocol: Of proxies that are created without one.
        seed: Of jitter and piece sizes.
        allowed: Hosts beside loopback that the operator allows as upstream.
        stop_on: Signals that end it.
        ready: Called with the proxies and the API's address once all of them listen.
        over: Called with the proxies before they end.

    Returns:
        The signal.

    Raises:
        UsageError: A proxy is none.
        RunError: An address cannot be had.
    """
    loop = asyncio.get_running_loop()
    proxies = ProxyCollection(seed=seed, protocol=protocol, allowed=allowed)
    server = ControlServer(ControlApi(proxies))
    stopped: asyncio.Future[signal.Signals] = loop.create_future()
    for one in stop_on:
        loop.add_signal_handler(one, _stop, stopped, one)
    try:
        for body in bodies:
            await proxies.create(body)
        ready(proxies, await server.start(control))
        came = await stopped
        over(proxies)
        return came
    finally:
        await server.close()
        await proxies.close()


def _stop(stopped: "asyncio.Future[signal.Signals]", by: signal.Signals) -> None:
    if not stopped.done():
        stopped.set_result(by)
