"""What is asked of stress evidence, as data: the protocol's floors, and every choice by name."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stressproof.evidence.level import Level
from stressproof.evidence.stress import Thresholds

_PREFIX = "/api/v1/enforcement"
ENFORCEMENT = "enforcement"

STRESS_MAX_AGE_HOURS = 24.0
FAILURE_MAX_AGE_HOURS = 48.0

Finite = Annotated[float, Meta(ge=0)]


class Requirements(Struct, frozen=True, kw_only=True):
    """Floors, limits and choices for stress evidence; the defaults are the protocol's."""

    profile: Annotated[str, Meta(description="The profile that must have been run.")] = ENFORCEMENT
    runner: Annotated[str, Meta(description="The script that must have run it.")] = (
        "scripts/load_test_api.py"
    )
    min_rounds: Annotated[int, Meta(description="Fewest rounds.")] = 3
    min_duration_seconds: Annotated[int, Meta(description="Shortest round.")] = 30
    min_concurrent_users: Annotated[int, Meta(description="Fewest concurrent users.")] = 10
    database_engine: Annotated[
        str | None,
        Meta(description="The engine the load must have reached, exactly; null asks for none."),
    ] = "postgresql"
    engine_sources: Annotated[
        tuple[str, ...],
        Meta(description="How the engine's name may be known, where the artifact says how."),
    ] = ("db-query", "target-endpoint")
    max_p95_seconds: Annotated[
        float, Meta(description="Limit of the 95th percentile, in every round.")
    ] = 2.0
    max_error_rate_percent: Annotated[
        float, Meta(description="Limit of failed requests, in every round.")
    ] = 1.0
    min_throughput_rps: Annotated[
        float, Meta(description="Fewest completed requests a second, in every round.")
    ] = 0.5
    max_artifact_age_hours: Annotated[
        float | None, Meta(description="Oldest evidence; null judges no age.")
    ] = None
    future_skew_seconds: Annotated[
        int, Meta(description="How far ahead of ours the capture's clock may be.")
    ] = 60
    required_endpoints: Annotated[
        tuple[str, ...], Meta(description="Endpoints that the load must have included.")
    ] = (
        f"{_PREFIX}/policies",
        f"{_PREFIX}/ledger?limit=50",
        f"{_PREFIX}/exports/parity?limit=50",
    )
    min_endpoint_successes: Annotated[
        int,
        Meta(description="Fewest successes of each required endpoint in each round (schema 2)."),
    ] = 1
    expected_commits: Annotated[
        tuple[str, ...],
        Meta(
            description="Commits that the evidence may be about, the first being the one "
            "promoted; empty binds to none."
        ),
    ] = ()
    targets: Annotated[
        tuple[str, ...],
        Meta(description="Origins (scheme://host[:port]) that may be the target; empty allows any"),
    ] = ()
    allow_loopback: Annotated[
        bool, Meta(description="Whether a service on this machine may be the target.")
    ] = True
    minimum_level: Annotated[Level, Meta(description="Lowest assurance level that is enough.")] = (
        Level.DECLARED
    )
    refuse_unknown_fields: Annotated[
        bool,
        Meta(description="Whether a plain artifact may carry fields that no rule reads."),
    ] = False
    require_counters: Annotated[
        bool, Meta(description="Whether the target's own request counters must be there.")
    ] = False
    require_identity: Annotated[
        bool, Meta(description="Whether the target must say which instance it is.")
    ] = False
    refuse_unsafe: Annotated[
        bool,
        Meta(
            description="Whether fsync or synchronous_commit off, or a protection switched off in "
            "the target, is refused (the gates do)."
        ),
    ] = False
    max_pause_seconds: Annotated[
        int, Meta(description="Longest pause between two rounds of one capture.")
    ] = 3600
    max_tail_seconds: Annotated[
        int, Meta(description="Longest time from the last round to `captured_at`.")
    ] = 300
    assumed_ramp_seconds: Annotated[
        int, Meta(description="Ramp of an artifact that does not state one.")
    ] = 5
    assumed_timeout_seconds: Annotated[
        float, Meta(description="Request timeout of an artifact that does not state one.")
    ] = 15.0

    @property
    def thresholds(self) -> Thresholds:
        """The three limits, as a capture is held to them."""
        return Thresholds(
            max_p95_seconds=self.max_p95_seconds,
            max_error_rate_percent=self.max_error_rate_percent,
            min_throughput_rps=self.min_throughput_rps,
        )

    def for_gate(self) -> "Requirements":
        """Return what a release gate asks beyond this."""
        age = self.max_artifact_age_hours
        return msgspec.structs.replace(
            self,
            max_artifact_age_hours=STRESS_MAX_AGE_HOURS if age is None else age,
            minimum_level=max(self.minimum_level, Level.RECOMPUTED, key=lambda level: level.rank),
            require_counters=True,
            require_identity=True,
            refuse_unsafe=True,
        )


_SETS = {
    ENFORCEMENT: Requirements(),
    "health": Requirements(
        profile="health",
        database_engine=None,
        max_p95_seconds=1.0,
        max_error_rate_percent=1.0,
        min_throughput_rps=1.0,
        required_endpoints=("/health/live",),
    ),
    "health_deep": Requirements(
        profile="health_deep",
        max_p95_seconds=4.0,
        max_error_rate_percent=2.0,
        min_throughput_rps=0.2,
        required_endpoints=("/health/live", "/health"),
    ),
}


def for_profile(profile: str) -> Requirements:
    """Return the requirement set of a profile.

    A profile that is not ours keeps the enforcement floors and names its own endpoints.
    """
    known = _SETS.get(profile)
    if known is not None:
        return known
    return Requirements(profile=profile, required_endpoints=())


def loosened(asked: Requirements) -> list[str]:
    """Return what is asked less of than the profile's own set asks, one line each.

    Tightening is everybody's right; loosening makes evidence that proves less than it seems to.
    """
    floor = for_profile(asked.profile)
    least = (
        ("min_rounds", asked.min_rounds, floor.min_rounds),
        ("min_duration_seconds", asked.min_duration_seconds, floor.min_duration_seconds),
        ("min_concurrent_users", asked.min_concurrent_users, floor.min_concurrent_users),
        ("min_throughput_rps", asked.min_throughput_rps, floor.min_throughput_rps),
    )
    most = (
        ("max_p95_seconds", asked.max_p95_seconds, floor.max_p95_seconds),
        ("max_error_rate_percent", asked.max_error_rate_percent, floor.max_error_rate_percent),
        (
            "max_artifact_age_hours",
            asked.max_artifact_age_hours or 0.0,
            floor.max_artifact_age_hours or STRESS_MAX_AGE_HOURS,
        ),
    )
    lines = [f"{name} {value} is below {bound}" for name, value, bound in least if value < bound]
    lines += [f"{name} {value} is above {bound}" for name, value, bound in most if value > bound]
    if floor.database_engine is not None and asked.database_engine != floor.database_engine:
        lines.append(f"database_engine {asked.database_engine} is not {floor.database_engine}")
    lines += [
        f"required endpoint {path} is not asked for"
        for path in floor.required_endpoints
        if path not in asked.required_endpoints
    ]
    return lines
