"""What a capture was asked to do, as one value."""

from msgspec import Struct

from stressproof.config.profile import record_of
from stressproof.evidence.measurements import resolution_seconds
from stressproof.evidence.stress import Stage, Thresholds, WorkloadRecord
from stressproof.workload.endpoints import Endpoint
from stressproof.workload.executors import Executor

US_PER_S = 1_000_000


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
        all_tenants: Whether requests rotate over every tenant that there are credentials for.
        runner: The script or command that runs this; evidence names it.
        executor: The shape of each round's load.
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
    endpoints: tuple[Endpoint, ...]
    all_tenants: bool
    runner: str
    executor: Executor
    pause_seconds: float
    rounds: int
    timeout_us: int
    workers: int
    seed: int
    thresholds: Thresholds
    preflight: PreflightPlan
    ca_file: str | None = None

    @property
    def duration_seconds(self) -> float:
        """The measured window of each round."""
        return self.executor.duration_us / US_PER_S

    @property
    def ramp_seconds(self) -> float:
        """Before it, users or rate climb from nothing; not measured."""
        return self.executor.ramp_us / US_PER_S

    @property
    def resolution_seconds(self) -> int:
        """Seconds that a row of measurements covers: 10 where rows of 1 would be too many."""
        return resolution_seconds(self.duration_seconds, self.rounds, len(self.endpoints))

    def record(self) -> WorkloadRecord:
        """Return the part of it that goes into evidence as the workload."""
        executor = self.executor
        return WorkloadRecord(
            executor=executor.name,
            closed_loop=executor.closed_loop,
            users=executor.users,
            max_users=executor.max_users,
            rate_per_second=executor.rate_per_second,
            stages=[
                Stage(target=stage.target, duration_seconds=stage.duration_us / US_PER_S)
                for stage in executor.stages
            ],
            iterations=executor.iterations,
            duration_seconds=self.duration_seconds,
            ramp_seconds=self.ramp_seconds,
            pause_seconds=float(self.pause_seconds),
            timeout_us=self.timeout_us,
            workers=self.workers,
            seed=self.seed,
            endpoints=[record_of(one) for one in self.endpoints],
        )
