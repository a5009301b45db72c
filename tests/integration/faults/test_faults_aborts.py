"""What ends a run before it breaks more than was meant to be broken."""

import contextlib
import signal
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from broken_bed import service_in
from disposable_postgres.account import server_account
from disposable_postgres.disk import BoundedDisk
from stressproof.errors import RunError
from stressproof.faults.active import ActiveFaults
from stressproof.faults.testbed import HaltedError, Testbed
from stressproof.processes import lives, send, wait_for

HANG_S = 20.0


class OneProcess(Testbed):
    """A testbed of one process."""

    def start(self, stack: contextlib.ExitStack) -> None:
        """Start it in a folder of its own."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.service = service_in(folder).process
        stack.enter_context(self.service)

    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Nothing is asked."""
        del parameters
        raise RunError(sql)


def test_run_ends_where_going_on_would_prove_nothing(
    active: ActiveFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's disk is about to be full, the target ended by itself, others broke."""
    halt = threading.Event()
    with OneProcess(active, halt=halt) as bed:
        bed.demand_service()
        small = BoundedDisk(64 << 20, server_account())
        with monkeypatch.context() as patched:
            patched.setattr(tempfile, "tempdir", str(small.path))
            with pytest.raises(RunError, match="has 64 MiB left, expected 1024 at least"):
                bed.demand_service()
        small.remove()
        bed.demand_service()
        family = bed.service.family()
        send(family, signal.SIGKILL)
        wait_for("ended", lambda: not any(map(lives, family)), HANG_S)
        with pytest.raises(RunError, match=r"ended by itself \(killed by SIGKILL\)"):
            bed.demand_service()
        halt.set()
        with pytest.raises(HaltedError):
            bed.demand_service()
