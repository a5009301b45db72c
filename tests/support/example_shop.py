"""The shop of ``examples/``, running: a service that is not ours on a PostgreSQL."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "shop"
KEY = "s3cret-shop-key"
CLERK_PASSWORD = "s3cret-clerk-password"
CEILING_S = 60


@dataclass
class RunningShop:
    """Where it listens, and what it is known by."""

    url: str
    dsn: str

    @property
    def environment(self) -> dict[str, str]:
        """What its ``stressproof.toml`` takes from the environment."""
        return {"SHOP_URL": self.url, "SHOP_KEY": KEY, "SHOP_CLERK_PASSWORD": CLERK_PASSWORD}


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def running_example_shop(
    dsn: str,
    *,
    folder: Path = EXAMPLE,
    python: str = sys.executable,
    arguments: Sequence[str] = (),
    url: str = "",
    environment: Mapping[str, str] | None = None,
) -> Iterator[RunningShop]:
    """A shop that serves until the end of the block.

    Args:
        dsn: Its database.
        folder: The project that it is started in.
        python: The interpreter that it is installed for.
        arguments: What serves instead of ``python -m shop``; ``{port}`` is the port.
        url: Where that listens, with ``{port}``; plain HTTP on loopback if empty.
        environment: Further variables.
    """
    port = free_port()
    command = [python, "-m", *(arguments or ("shop", "--port", "{port}"))]
    shop = RunningShop((url or "http://127.0.0.1:{port}").format(port=port), dsn)
    variables = {"DATABASE_URL": dsn, **shop.environment, **(environment or {})}
    with subprocess.Popen(
        [word.format(port=port) for word in command],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            _wait(shop.url, process)
            yield shop
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(CEILING_S)
            process.kill()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + CEILING_S
    with httpx.Client(verify=False) as client:  # noqa: S501  # ours, on loopback
        while time.monotonic() < deadline:
            assert process.poll() is None, "the shop ended"
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"{url}/health").is_success:
                    return
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")
