"""The stress artifact: the protocol's fields, plus what makes them checkable."""

from msgspec import Struct

from stressproof.evidence.clock import ClockRecord
from stressproof.evidence.fields import Amount, Status, Text
from stressproof.evidence.generator import Connections, GeneratorHealth, GeneratorRecord
from stressproof.evidence.measurements import Count, Measurements
from stressproof.evidence.preflight import Preflight
from stressproof.evidence.results import EndpointResults, Evaluation, Results, Thresholds
from stressproof.evidence.target import Runtime, Subject, Target
from stressproof.evidence.versions import SchemaVersion
from stressproof.evidence.workload import WorkloadRecord


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
    connections: Connections


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
