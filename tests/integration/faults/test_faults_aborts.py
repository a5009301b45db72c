"""What ends a run before it breaks more than was meant to be broken."""

import os
import signal
import tempfile
import threading
from pathlib import Path

import pytest

from disposable_postgres.account import server_account
from disposable_postgres.disk import BoundedDisk
from stressproof.config.failures.testbed_plan import ProcessPlan, ReadyPlan, TestbedPlan
from stressproof.errors import RunError
from stressproof.faults.active import ActiveFaults
from stressproof.faults.testbed import HaltedError, Testbed
from stressproof.processes import lives, send, wait_for

HANG_S = 20.0


ONE = TestbedPlan(
    target="web",
    process={
        "web": ProcessPlan(
            run=("python", "-m", "http.server", "--bind", "127.0.0.1", "{{port}}"),
            ready=ReadyPlan(within_us=20_000_000),
            stop_within_us=20_000_000,
        )
    },
    order=("web",),
)


def test_run_ends_where_going_on_would_prove_nothing(
    active: ActiveFaults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's disk is about to be full, the target ended by itself, others broke."""
    halt = threading.Event()
    with Testbed(active, plan=ONE, folder=tmp_path, environment=os.environ, halt=halt) as bed:
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
