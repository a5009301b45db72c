"""Stress evidence to a verdict."""

from collections.abc import Sequence

import msgspec

from stressproof.config.stress_requirements import StressRequirements, loosened
from stressproof.evidence.limits import error_rate_percent
from stressproof.suite import Suite
from stressproof.verify.kind import EvidenceKind
from stressproof.verify.rule import Rule
from stressproof.verify.stress import (
    bounds,
    busy_users,
    clocks,
    connections,
    counters,
    coverage,
    database,
    document,
    endpoints,
    evaluation,
    figures,
    flows,
    load,
    objectives,
    physics,
    preflight,
    provenance,
    rate_limits,
    recomputation,
    rows,
    service,
    timing,
    users,
)
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.overview import overview
from stressproof.verify.verdict import Figure

RULES: Sequence[Rule[StressCase]] = (
    *document.RULES,
    *provenance.RULES,
    *bounds.RULES,
    *preflight.RULES,
    *timing.RULES,
    *figures.RULES,
    *physics.RULES,
    *objectives.RULES,
    *evaluation.RULES,
    *rows.RULES,
    *recomputation.RULES,
    *clocks.RULES,
    *load.RULES,
    *busy_users.RULES,
    *users.RULES,
    *flows.RULES,
    *endpoints.RULES,
    *coverage.RULES,
    *connections.RULES,
    *service.RULES,
    *rate_limits.RULES,
    *counters.RULES,
    *database.RULES,
)
"""In the order in which a person would look."""


def _figures(case: StressCase) -> list[Figure]:
    """Return what a reader wants to know first, each with the number of samples behind it."""
    results, asked = case.declared.results, case.requirements
    if results is None:
        return []
    total, rounds = results.total_requests or 0, len(case.runs)
    counts = [run.results.total_requests or 0 for run in case.runs if run.results is not None]
    fewest = min(counts, default=0)
    failed = results.failed_requests
    rate = None if failed is None or not total else round(error_rate_percent(failed, total), 4)
    return [
        Figure("rounds", rounds, "rounds", rounds, f">= {asked.min_rounds}"),
        Figure("requests", results.total_requests, "requests", total),
        Figure(
            "worst p95",
            results.p95_response_time,
            "s",
            fewest,
            f"<= {asked.max_p95_seconds:g}",
        ),
        Figure("worst p99", results.p99_response_time, "s", fewest),
        Figure("errors", rate, "%", total, f"<= {asked.max_error_rate_percent:g}"),
        Figure(
            "lowest throughput",
            case.declared.min_throughput_rps,
            "1/s",
            rounds,
            f">= {asked.min_throughput_rps:g}",
        ),
        Figure("mean throughput", results.throughput_rps, "1/s", rounds),
    ]


def _at_gate(suite: Suite, asked: StressRequirements) -> StressRequirements:
    """Return what a gate asks: the profile of the suite, by value, where it has one."""
    profile = suite.profile_table().get(asked.profile)
    asked = asked.for_gate()
    if profile is None or profile.scenarios:
        return asked  # a file's requirements have its profile by value
    from stressproof.config.records import record_of  # noqa: PLC0415  # flows, for gates alone

    endpoints = tuple(map(record_of, profile.endpoints))
    return msgspec.structs.replace(asked, profile_endpoints=endpoints)


STRESS = EvidenceKind(
    name="stress",
    case=StressCase,
    rules=RULES,
    figures=_figures,
    overview=overview,
    requirements=Suite.stress_requirements,
    offered=lambda suite: bool(suite.stress),
    at_gate=_at_gate,
    loosened=loosened,
)
verify = STRESS.verify
