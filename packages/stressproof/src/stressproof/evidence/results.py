"""Figures of rounds and endpoints, and how they stand against limits.

Field names without a unit (``p95_response_time``) are the protocol's own and hold seconds.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stressproof.evidence.fields import Amount, Text
from stressproof.evidence.measurements import Count


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


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True):
    """The protocol's three limits; null where a capture does not set one."""

    max_p95_seconds: Amount | None
    max_error_rate_percent: Amount | None
    min_throughput_rps: Amount | None

    def instead_of(self, default: "Thresholds") -> "Thresholds":
        """Return a default's limits, of which each that is stated here replaces its own."""
        stated = {
            name: limit for name, limit in msgspec.structs.asdict(self).items() if limit is not None
        }
        return msgspec.structs.replace(default, **stated)


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
