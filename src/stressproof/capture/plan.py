"""What a capture was asked to do, as one value."""

from msgspec import Struct

from stressproof.evidence.stress import Stage, Thresholds, WorkloadEndpoint, WorkloadRecord


class PreflightPlan(Struct, frozen=True):
    """How to prove, before any load, that every endpoint works.

    Attributes:
        enabled: False where the user skips it; such evidence is not release evidence.
        allow_failures: Go on where endpoints fail; the evidence says so.
        attempts: Tries for each endpoint, at least 1.
        timeout_seconds: For one try.
    """

    enabled: bool = True
    allow_failures: bool = False
    attempts: int = 2
    timeout_seconds: float = 5.0


class Plan(Struct, frozen=True):
    """One capture.

    Attributes:
        url: Base URL, without a trailing slash.
        profile: Name of the profile that the endpoints and limits come from.
        endpoints: What is asked.
        runner: The script or command that runs this; evidence names it.
        executor: The shape of the load, as k6 names it.
        users: Virtual users (for an arrival rate: those that exist from the start).
        max_users: Virtual users at the most.
        rate_per_second: Arrivals a second, for arrival-rate executors.
        stages: For ramping executors.
        iterations: For executors that count iterations.
        duration_seconds: The measured window of each round.
        ramp_seconds: Before it, users or rate climb from nothing; not measured.
        pause_seconds: Between rounds.
        rounds: How often the window is measured.
        timeout_us: After which a request counts as failed; the one that is applied.
        workers: Generator processes.
        seed: Of everything random, recorded so that a run can be repeated.
        thresholds: Limits that each round must meet.
        preflight: What happens before the load.
        ca_file: PEM certificates to trust beside the system's.
    """

    url: str
    profile: str
    endpoints: tuple[WorkloadEndpoint, ...]
    runner: str
    executor: str
    users: int
    max_users: int
    rate_per_second: float | None
    stages: tuple[Stage, ...]
    iterations: int | None
    duration_seconds: float
    ramp_seconds: float
    pause_seconds: float
    rounds: int
    timeout_us: int
    workers: int
    seed: int
    thresholds: Thresholds
    preflight: PreflightPlan
    ca_file: str | None = None

    @property
    def closed_loop(self) -> bool:
        """Whether users wait for an answer before they ask again."""
        return not self.executor.endswith("arrival-rate")

    def record(self) -> WorkloadRecord:
        """Return the part of it that goes into evidence as the workload."""
        return WorkloadRecord(
            executor=self.executor,
            closed_loop=self.closed_loop,
            users=self.users,
            max_users=self.max_users,
            rate_per_second=self.rate_per_second,
            stages=list(self.stages),
            iterations=self.iterations,
            duration_seconds=float(self.duration_seconds),
            ramp_seconds=float(self.ramp_seconds),
            pause_seconds=float(self.pause_seconds),
            timeout_us=self.timeout_us,
            workers=self.workers,
            seed=self.seed,
            endpoints=list(self.endpoints),
        )
