"""What a capture was asked to do, as one value."""

import secrets
from collections.abc import Mapping, Sequence

from msgspec import Struct

from stressproof.config.profile import Profile, read
from stressproof.config.records import records_of, scenario_record
from stressproof.config.stress_requirements import RUNNER
from stressproof.evidence.resolution import finest_resolution_s
from stressproof.evidence.results import Thresholds
from stressproof.evidence.workload import WorkloadEndpoint, WorkloadFile, WorkloadRecord
from stressproof.suite import LocalService, Probes, Suite
from stressproof.workload.auth import Auth
from stressproof.workload.executors import ConstantVus, Executor
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario
from stressproof.workload.tables import Table
from stressproof.workload.target import origin_of

US_PER_S = 1_000_000
TIMEOUT_US = 15 * US_PER_S
SEED_BITS = 32
TEN_USERS = ConstantVus(users=10, duration_us=30 * US_PER_S, ramp_us=5 * US_PER_S)
"""What is sent where nobody says how much."""


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
        scenarios: What is asked, by whom and how much, side by side.
        all_tenants: Whether requests rotate over every tenant that there are credentials for.
        runner: The script or command that runs this; evidence names it.
        pause_seconds: Between rounds.
        rounds: How often the window is measured.
        timeout_us: After which a request counts as failed that has no time of its own.
        workers: Generator processes.
        seed: Of everything random, recorded so that a run can be repeated.
        thresholds: Limits that each round must meet.
        preflight: What happens before the load.
        probes: What the service is asked about itself.
        local_service: How a service on this machine lends its token, None where none does.
        connecting: How the target is reached and verified.
        headers: Sent with every request; no part of evidence.
        auth: As whom requests are sent, None for what a credential says; no part of evidence.
        tables: Data that requests and flows take from.
        folder: What the files of flows are relative to.
        files: What of the project decides what is sent.
        target_name: The project's name of it; None where it is another, or asked otherwise.
    """

    url: str
    profile: str
    scenarios: tuple[Scenario, ...]
    all_tenants: bool
    runner: str
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
    headers: dict[str, str] = {}
    auth: Auth | None = None
    tables: tuple[Table, ...] = ()
    folder: str = ""
    files: tuple[WorkloadFile, ...] = ()
    target_name: str | None = None

    @property
    def endpoints(self) -> list[WorkloadEndpoint]:
        """What is asked, as evidence records it, without the steps of flows."""
        return records_of(self.scenarios)

    @property
    def max_users(self) -> int:
        """The most users at any time."""
        return sum(scenario.executor.max_users for scenario in self.scenarios)

    @property
    def duration_seconds(self) -> float:
        """The measured window of each round: until the last scenario's ends."""
        return max(one.start_us + one.executor.duration_us for one in self.scenarios) / US_PER_S

    @property
    def ramp_seconds(self) -> float:
        """Before it, users or rate climb from nothing; not measured."""
        return max(one.executor.ramp_us for one in self.scenarios) / US_PER_S

    @property
    def resolution_seconds(self) -> int:
        """Seconds that a row of measurements covers: more where rows of 1 would be too many."""
        return finest_resolution_s(self.duration_seconds, self.rounds, len(self.endpoints))

    def record(
        self, steps: Sequence[WorkloadEndpoint] = (), files: Sequence[WorkloadFile] = ()
    ) -> WorkloadRecord:
        """Return the part of it that goes into evidence as the workload.

        Args:
            steps: What flows turned out to ask.
            files: What they turned out to be read from.
        """
        return WorkloadRecord(
            duration_seconds=self.duration_seconds,
            ramp_seconds=self.ramp_seconds,
            pause_seconds=float(self.pause_seconds),
            timeout_us=self.timeout_us,
            workers=self.workers,
            seed=self.seed,
            scenarios=[scenario_record(one) for one in self.scenarios],
            endpoints=[*self.endpoints, *steps],
            files=sorted({*self.files, *files}, key=lambda file: (file.path, file.role)),
        )


def plan_capture(
    url: str,
    suite: Suite,
    profile: str | Profile = "",
    *,
    endpoints: Sequence[Request | str] = (),
    executor: Executor = TEN_USERS,
    rounds: int = 1,
    pause_seconds: float = 0.0,
    timeout_us: int = TIMEOUT_US,
    thresholds: Thresholds | None = None,
    runner: str = RUNNER,
    workers: int = 1,
    seed: int | None = None,
    preflight: PreflightPlan | None = None,
    connecting: Connecting | None = None,
    headers: Mapping[str, str] | None = None,
) -> Plan:
    """Return the plan of one capture.

    Args:
        url: Base URL of the service.
        suite: What is asked of it: profiles, limits, probes.
        profile: Which of the suite's, the first that it has requirements for if empty; or one of
            its own.
        endpoints: Asked instead of the profile's; a path alone that the profile knows keeps the
            profile's check of its answer.
        executor: The shape of each round's load.
        rounds: How often the window is measured.
        pause_seconds: Between rounds.
        timeout_us: After which a request counts as failed.
        thresholds: Limits that each round must meet, those of the suite's requirements if None.
        runner: What runs this, as evidence names it.
        workers: Generator processes.
        seed: Of everything random, drawn if None.
        preflight: What happens before the load.
        connecting: How the service is reached and verified.
        headers: Sent with every request; they are no part of evidence.

    Raises:
        UsageError: The URL cannot be used, or the suite has no such profile.
    """
    origin_of(url.strip())
    chosen = (
        profile
        if isinstance(profile, Profile)
        else suite.profile(profile or suite.stress_requirements().profile)
    )
    return Plan(
        url=url.strip().rstrip("/"),
        profile=chosen.name,
        scenarios=(Scenario(executor, _requests(chosen, endpoints)),),
        all_tenants=chosen.all_tenants,
        runner=runner,
        pause_seconds=pause_seconds,
        rounds=rounds,
        timeout_us=timeout_us,
        workers=workers,
        seed=secrets.randbits(SEED_BITS) if seed is None else seed,
        thresholds=thresholds or suite.limits(chosen.name),
        preflight=preflight or PreflightPlan(),
        connecting=connecting or Connecting(),
        headers=dict(headers or {}),
        probes=suite.probes,
        local_service=suite.local_service,
    )


def _requests(profile: Profile, asked: Sequence[Request | str]) -> tuple[Request, ...]:
    """Return what is asked: what was named, or else the profile's."""
    known = {endpoint.path: endpoint for endpoint in profile.endpoints}
    named = tuple(one if isinstance(one, Request) else known.get(one) or read(one) for one in asked)
    return named or profile.endpoints
