"""How a trial stands, for whoever watches it from another thread."""

import time
from collections.abc import Callable, Sequence
from typing import Literal

from stressproof.failures.spec import FaultSpec, ScenarioSpec
from stressproof.faults.load import Load

Phase = Literal["steady", "fault", "recovery", "settling"]


class TrialState:
    """Written by the trial, read by anybody; each attribute is replaced whole.

    Args:
        spec: The scenario that it is a trial of.
        faults: Those that are injected, none in a baseline.
        load: What its callers send.

    Attributes:
        phase: What happens now.
        fault: The fault that holds, or whose recovery is watched.
        since_ns: When the phase began, on the monotonic clock.
        until_ns: When it should end.
        ends_ns: When the whole trial should.
    """

    def __init__(self, spec: ScenarioSpec, faults: Sequence[FaultSpec], load: Load) -> None:
        self.spec = spec
        self.faults = faults
        self.load = load
        self.phase: Phase = "steady"
        self.fault: FaultSpec | None = None
        self.since_ns = time.monotonic_ns()
        self.until_ns = self.since_ns + spec.steady_us * 1000
        broken_us = sum(one.lasts_us + one.watch_us for one in faults)
        self.ends_ns = self.until_ns + broken_us * 1000

    def enter(self, phase: Phase, fault: FaultSpec | None = None, lasts_us: int = 0) -> None:
        """Say that a phase begins, which should last so long."""
        self.phase, self.fault = phase, fault
        self.since_ns = time.monotonic_ns()
        self.until_ns = self.since_ns + lasts_us * 1000


Watch = Callable[[TrialState | None], None]
"""Given the state of a trial whose load runs, and None when it has ended; both from its thread."""
