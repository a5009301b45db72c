"""The stress artifact: the protocol's fields, plus what makes them checkable.

Field names without a unit (``p95_response_time``) are the protocol's own and hold seconds.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from stressproof.evidence.measurements import Count, Measurements, Row
from stressproof.evidence.versions import SchemaVersion

TEMPLATE_MARKER = "_template"
"""A field that only templates have; whatever it holds, the document is no evidence."""

Status = Literal["complete", "interrupted", "preflight_failed", "broken"]
"""How the capture ended; only ``complete`` can be release evidence."""

Text = Annotated[str, Meta(max_length=4096)]

Amount = Annotated[float, Meta(ge=0, le=1e12)]
"""A time in seconds, a rate or a percentage: bounded so that no arithmetic on it overflows."""


SignedMicros = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""Microseconds, forwards or backwards."""

STEP_US = 250_000
"""A wall clock that moves by more than this against the other while a run lasts is recorded."""

CLOCK_STEPS_KEPT = 100
"""Of one run; a clock that is set more often than this is known to be no clock."""


class ClockStep(Struct, frozen=True, forbid_unknown_fields=True):
    """The wall clock was set while a run lasted, or the machine slept.

    Attributes:
        seen_at: RFC 3339, by the run's own clock.
        by_us: How far it moved, negative where it was set back.
    """

    seen_at: Text
    by_us: SignedMicros


class ClockRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """How the wall clock went on after the one reading that all times of the document follow from.

    Attributes:
        drift_us: By how much it was ahead of the run's own clock in the end.
        steps: When it was set meanwhile.
    """

    drift_us: SignedMicros
    steps: Annotated[list[ClockStep], Meta(max_length=CLOCK_STEPS_KEPT)]


class Results(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Figures of one round or of all; times in seconds, null where nothing succeeded.

    ``service_p95`` and ``service_p99`` are uncorrected (from the send) and present only in an open
    model; every other time is corrected (from the intended start).
    """

    total_requests: Count
    successful_requests: Count
    failed_requests: Count
    throughput_rps: Amount
    avg_response_time: Amount | None
    median_response_time: Amount | None
    p95_response_time: Amount | None
    p99_response_time: Amount | None
    min_response_time: Amount | None
    max_response_time: Amount | None
    dropped_iterations: Count = 0
    service_p95: Amount | None = None
    service_p99: Amount | None = None
    errors: dict[str, Count] = {}
    errors_sample: Annotated[list[Text], Meta(max_length=10)] = []


class EndpointResults(Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of one endpoint over one round."""

    endpoint: Text
    results: Results


class GeneratorHealth(Struct, frozen=True, forbid_unknown_fields=True):
    """What the instrument says of itself, over one round or the worst over all.

    Attributes:
        cpu_busy_ppm: CPU time used, in millionths of one core (the busiest worker).
        loop_delay_p99_us: How late a due callback ran, 99th percentile.
        loop_delay_max_us: The worst of them.
        late_starts: Requests sent more than 1 ms after they were due.
        dropped_iterations: Arrivals for which no virtual user was free.
        gc_pause_max_us: The longest garbage collection.
        rss_bytes: Peak resident memory of all workers together.
        file_limit_hits: Connections that failed for want of file descriptors.
        port_limit_hits: Connections that failed for want of local ports.
        saturated: The generator, not the target, may have been the limit.
        saturated_reasons: Why, one sentence each.
    """

    cpu_busy_ppm: Count
    loop_delay_p99_us: Count
    loop_delay_max_us: Count
    late_starts: Count
    dropped_iterations: Count
    gc_pause_max_us: Count
    rss_bytes: Count
    file_limit_hits: Count
    port_limit_hits: Count
    saturated: bool
    saturated_reasons: list[Text]


class Connections(Struct, frozen=True, forbid_unknown_fields=True):
    """What the requests of one round travelled over.

    Attributes:
        protocol: ``http/1.1`` or ``h2``.
        opened: Connections by numeric address, the ramp's among them.
        tls_resumed: TLS handshakes that resumed an earlier session.
    """

    protocol: Text
    opened: dict[Text, Count]
    tls_resumed: Count


class Run(Struct, frozen=True, forbid_unknown_fields=True):
    """One round.

    Attributes:
        run_index: From 1.
        started_at: RFC 3339 with offset; when the measured window began.
        ended_at: When it ended, or the last completion where that was later.
        captured_at: When the round's figures were taken; never before ``ended_at``.
        elapsed_seconds: From the one to the other; a round never shrinks to the span of its events.
        results: Over all endpoints.
        endpoints: For each endpoint, in the workload's order.
        generator: What the instrument says of itself.
        connections: What its requests travelled over.
    """

    run_index: Count
    started_at: Text
    ended_at: Text
    captured_at: Text
    elapsed_seconds: Amount
    results: Results
    endpoints: list[EndpointResults]
    generator: GeneratorHealth
    connections: Connections | None = None


class PreflightCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """One attempt at one endpoint before any load."""

    endpoint: Text
    attempt: Count
    status_code: int | None
    ok: bool
    latency_ms: Amount
    error: Text


class PreflightFailure(Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint that no attempt could use."""

    endpoint: Text
    error: Text


class Preflight(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether every endpoint worked before load began; ``passed`` is null where it was skipped."""

    enabled: bool
    passed: bool | None
    attempts_per_endpoint: Count
    request_timeout_seconds: Amount
    checks: list[PreflightCheck]
    failures: list[PreflightFailure]


class RuntimeProbe(Struct, frozen=True, forbid_unknown_fields=True):
    """What the target said of its database at one moment; null where it did not say.

    Attributes:
        transactions_committed: Since its statistics began, of all sessions that reported by then.
        wal_bytes: Where its write-ahead log ends.
        journal_sequence: Number of the last entry of the caller's journal, 0 of an empty one.
        journal_hash: Of that entry, which every entry before it goes into.
    """

    probed_at: Text
    status_code: int | None
    status: Text | None
    database_engine: Text | None
    database_engine_source: Text | None
    server_version: Text | None
    system_identifier: Text | None
    fsync: Text | None
    synchronous_commit: Text | None
    migration_head: Text | None
    probe_error: Text | None
    transactions_committed: Count | None = None
    wal_bytes: Count | None = None
    journal_sequence: Count | None = None
    journal_hash: Text | None = None


class Runtime(Struct, frozen=True, forbid_unknown_fields=True):
    """The backend that the load really reached.

    Attributes:
        health_endpoint: The path that was asked.
        database_engine: As ``before`` has it, ``unknown`` where the target did not say.
        database_engine_source: ``db-query`` where the target asked its database, else
            ``target-endpoint``.
        before: After preflight, before any load.
        after: After the last answer.
        limits: The rate limits that the target applies to this caller, as it reports them.
        unsafe: Protections that the target says are switched off.
    """

    health_endpoint: Text
    database_engine: Text
    database_engine_source: Text
    before: RuntimeProbe
    after: RuntimeProbe | None
    limits: dict[str, Count] | None
    unsafe: list[Text]


AD_HOC = "ad-hoc"
"""The profile of what was named on a command line alone."""
DEFAULT_TARGET = "default"
"""The target that a project names by nothing but ``[target]``."""
DEFAULT_SCENARIO = "default"
"""The scenario that nobody named, as in k6."""
UNKNOWN_ENGINE = "unknown"
"""What the protocol's field says of a database that the target did not name."""


class TargetProbe(Struct, frozen=True, forbid_unknown_fields=True):
    """What the target said of itself at one moment; null where it did not say."""

    instance_id: Text | None
    version: Text | None
    git_commit: Text | None
    git_dirty: bool | None
    started_at: Text | None
    uptime_seconds: Amount | None
    workers: Count | None


class CountedTimes(Struct, frozen=True, forbid_unknown_fields=True):
    """A histogram of the target's own: how long it took to answer, over the whole load.

    Attributes:
        bounds_us: Ascending.
        counts: Requests that took no longer than each bound and longer than the one before; at the
            end those that took longer than all.
    """

    bounds_us: list[Count]
    counts: list[Count]


class CounterPair(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests to one route as the target counted them; null where it does not count.

    Attributes:
        endpoint: Its name.
        before: After preflight, before any load.
        after: After the last answer.
        statuses: What came between, by status; those that did not occur are left out.
        times: How long the target took for what came between.
    """

    endpoint: Text
    before: Count | None
    after: Count | None
    statuses: dict[Text, Count] | None = None
    times: CountedTimes | None = None


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """The service under load: who it was before and after, and what it counted.

    Attributes:
        url: Its base URL.
        before: After preflight, before any load.
        after: After the last answer.
        counters: One for each endpoint, in the workload's order.
        insecure: Whether its certificate was not verified: it may be anybody.
        name: The project's for it, ``default`` of ``[target]``; null where a command named its URL
            or changed how it is asked.
    """

    url: Text
    before: TargetProbe
    after: TargetProbe | None
    counters: list[CounterPair]
    insecure: bool = False
    name: Text | None = None


class Subject(Struct, frozen=True, forbid_unknown_fields=True):
    """The build that this is evidence about; null where it could not be determined."""

    git_commit: Text | None
    git_dirty: bool | None
    image_digest: Text | None = None
    artifact_digests: dict[str, Text] = {}


Kind = Literal["request", "flow", "step"]
"""What rows count: requests that are iterations, runs of a flow, or the requests of such runs."""


class WorkloadEndpoint(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request or flow of the workload, or a request that a flow turned out to make.

    Attributes:
        name: Method and path template, or as the profile names it; ``flow:checkout`` of a flow.
        method: Empty of a flow.
        path: Template of path and query; of a flow, its file and function.
        weight: Its share of the scenario's iterations; 0 of a step.
        expected_statuses: Any other is a failure; empty of a flow.
        checks: What the answer must hold.
        scenario: Which one asks it.
        kind: What its rows count.
        flow: The flow that it is, or that it is a step of; of a setup's steps, the setup's name.
        timeout_us: After which it is given up, null where the workload's holds.
        definition_sha256: Of what else is sent and followed (headers, query, body, redirects) as
            the file has it, before anything is taken from the environment; null where no file
            has it.
    """

    name: Text
    method: Text
    path: Text
    weight: Count
    expected_statuses: list[Count]
    checks: list[Text] = []
    scenario: Text = DEFAULT_SCENARIO
    kind: Kind = "request"
    flow: Text | None = None
    timeout_us: Count | None = None
    definition_sha256: Text | None = None


class Stage(Struct, frozen=True, forbid_unknown_fields=True):
    """A ramping executor's stage: reach ``target`` users, or arrivals over the time unit."""

    target: Count
    duration_seconds: Amount


class SpanRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A time drawn evenly from least to most."""

    least_us: Count
    most_us: Count


class ScenarioRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One scenario: an executor, in k6's terms, and what its users are like.

    ``rate`` and the stages' targets are exact: whole arrivals over ``time_unit_us``.

    Attributes:
        start_us: How long after the round's window its own begins; its ramp ends there.
        think: A user's pause after each iteration, null for none.
        pace: From one iteration's start to the next one's, null for none.
        fresh: Whether each iteration begins without cookies and state.
        cookies: Whether cookies are kept.
        redirects: How many hops the requests of flows follow.
        setup: What each user runs before the ramp, null for nothing.
        graceful_stop_us: What iterations under way get at the end of the window.
    """

    name: Text
    executor: Text
    closed_loop: bool
    users: Count
    max_users: Count
    rate: Count | None
    time_unit_us: Count | None
    rate_per_second: Amount | None
    stages: list[Stage]
    iterations: Count | None
    duration_seconds: Amount
    ramp_seconds: Amount
    start_us: Count = 0
    think: SpanRecord | None = None
    pace: SpanRecord | None = None
    fresh: bool = False
    cookies: bool = False
    redirects: Count = 0
    setup: Text | None = None
    graceful_stop_us: Count = 0


Role = Literal["flow", "module", "data", "body", "read"]


class WorkloadFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the project that decides what is sent.

    Attributes:
        path: Relative to the project.
        sha256: Of its bytes.
        role: ``flow``: a flow's file; ``module``: Python that flows import from the project;
            ``data``: a table; ``body``: sent as it is; ``read``: read by a flow.
        rows: Of a table.
    """

    path: Text
    sha256: Text
    role: Role
    rows: Count | None = None


class WorkloadRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked of the generator.

    Attributes:
        duration_seconds: The measured window of a round, from its first scenario to its last.
        ramp_seconds: Before it.
        pause_seconds: Between rounds.
        timeout_us: Of a request that has none of its own.
        workers: Generator processes.
        seed: Of everything random.
        scenarios: Those that ran beside one another.
        endpoints: What they asked, scenario after scenario, then the steps of flows, sorted.
        files: What of the project decided it.
    """

    duration_seconds: Amount
    ramp_seconds: Amount
    pause_seconds: Amount
    timeout_us: Count
    workers: Count
    seed: Count
    scenarios: Annotated[list[ScenarioRecord], Meta(min_length=1, max_length=64)]
    endpoints: list[WorkloadEndpoint]
    files: list[WorkloadFile] = []

    @property
    def max_users(self) -> int:
        """The most users at any time."""
        return sum(one.max_users for one in self.scenarios)

    @property
    def closed_loop(self) -> bool:
        """Whether nobody is asked at a rate: corrected and uncorrected latency are the same."""
        return all(one.closed_loop for one in self.scenarios)

    @property
    def ends_early(self) -> bool:
        """Whether a round ends when its iterations are done, however long that takes."""
        return all(one.iterations is not None for one in self.scenarios)

    def is_flow(self, endpoint: int) -> bool:
        """Return whether an endpoint (by position) is a flow, whose rows are no requests."""
        return self.endpoints[endpoint].kind == "flow"

    def of_requests(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows of requests: a run of a flow is none, and its own are there."""
        return (row for row in rows if not self.is_flow(row.endpoint))

    def timeout_of(self, endpoint: int) -> int:
        """Return after which time, in µs, requests of an endpoint were given up."""
        own = self.endpoints[endpoint].timeout_us
        return self.timeout_us if own is None else own

    def scenario_of(self, endpoint: int) -> ScenarioRecord | None:
        """Return the scenario that asks an endpoint (by position), None where it names none."""
        name = self.endpoints[endpoint].scenario
        return next((one for one in self.scenarios if one.name == name), None)


class GeneratorRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The instrument: what it is, where it ran, and its worst over all rounds."""

    tool: Text
    version: Text
    python: Text
    host: Text
    cpus: Count
    workers: Count
    worst: GeneratorHealth


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True):
    """The protocol's three limits; null where a capture does not set one."""

    max_p95_seconds: Amount | None
    max_error_rate_percent: Amount | None
    min_throughput_rps: Amount | None


class RoundEvaluation(Struct, frozen=True, forbid_unknown_fields=True):
    """One round against the limits."""

    run_index: Count
    total_requests: Count
    successful_requests: Count
    failed_requests: Count
    error_rate_percent: Amount | None
    throughput_rps: Amount
    p95_response_time: Amount | None
    meets_p95: bool
    meets_error_rate: bool
    meets_throughput: bool
    meets_targets: bool
    thresholds: Thresholds


class Evaluation(Struct, frozen=True, forbid_unknown_fields=True):
    """All rounds against the limits; each must meet them by itself."""

    rounds: list[RoundEvaluation]
    overall_meets_targets: bool
    worst_p95_seconds: Amount | None
    min_throughput_rps: Amount


class StressArtifact(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document; docs/evidence.md says what each part is for."""

    schema_version: SchemaVersion
    profile: Text
    runner: Text
    status: Status
    started_at: Text
    captured_at: Text
    clock: ClockRecord
    target_url: Text
    endpoints: list[Text]
    duration_seconds: Count
    concurrent_users: Count
    ramp_up_seconds: Count
    rounds: Count
    request_timeout: Amount
    preflight: Preflight
    runtime: Runtime
    subject: Subject
    target: Target
    workload: WorkloadRecord
    generator: GeneratorRecord
    thresholds: Thresholds
    results: Results
    runs: list[Run]
    min_throughput_rps: Amount
    evaluation: Evaluation
    meets_targets: bool
    measurements: Measurements
