"""The enforcement service as a child process: started for a demo, and surely stopped after it."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from stressproof.faults.service_process import ServiceProcess


class DemoService:
    """`enforcement serve` on a free port, with an embedded database of its own.

    Args:
        folder: Where its state, database and log lie.
        workers: Service processes.
        environment: What it and those who ask it are given beside its credentials.

    Attributes:
        url: Where it listens, once entered.
    """

    def __init__(self, folder: Path, *, workers: int, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._process = ServiceProcess(
            "the enforcement service",
            [
                *(sys.executable, "-m", "enforcement", "serve"),
                *("--host", "127.0.0.1", "--port", "0", "--workers", str(workers)),
                *("--data-dir", str(folder / "data")),
            ],
            self.environment(),
            re.compile(r"serving on (?P<url>https?://\S+)").search,
            log=folder / "service.log",
        )
        self.url = ""

    def environment(self) -> dict[str, str]:
        """Return the environment in which its credentials are found."""
        return {**self._environment, "XDG_STATE_HOME": str(self._folder / "state")}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.url = self._process.start()["url"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
