"""What a capture was asked to do, as one value."""

from msgspec import Struct

from stressproof.evidence.stress import Stage, Thresholds, WorkloadEndpoint, WorkloadRecord
from stressproof.suite import LocalService, Probes
from stressproof.workload.endpoints import Endpoint
from stressproof.workload.executors import Executor

US_PER_S = 1_000_000
MAX_FINE_ROWS = 20_000


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


class Connecting(Struct, frozen=True):
    """How the target is reached and verified (`stressproof.workload.target.Target` has the words).

    Attributes:
        ca_file: PEM certificates to trust beside the system's.
        cert_file: PEM certificate to show to the target.
        key_file: Its key.
        insecure: Any certificate will do.
        address: Numeric address to connect to.
        http2: Whether to speak HTTP/2.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    insecure: bool = False
    address: str | None = None
    http2: bool = False


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
        probes: What the service is asked about itself.
        local_service: How a service on this machine lends its token, None where none does.
        connecting: How the target is reached and verified.
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
    probes: Probes = Probes()
    local_service: LocalService | None = None
    connecting: Connecting = Connecting()

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
        rows = self.duration_seconds * self.rounds * len(self.endpoints)
        return 1 if rows <= MAX_FINE_ROWS else 10

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
            endpoints=[
                WorkloadEndpoint(
                    name=one.name,
                    method=one.method,
                    path=one.path,
                    weight=one.weight,
                    expected_statuses=list(one.expected_statuses),
                    check=one.check,
                )
                for one in self.endpoints
            ],
        )
