"""What is asked of stress evidence, as data: floors, and every choice by name."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stressproof.evidence.endpoint_names import short
from stressproof.evidence.level import Level
from stressproof.evidence.results import Thresholds
from stressproof.evidence.workload import ScenarioRecord, WorkloadEndpoint

RUNNER = "stressproof capture"
"""What runs a capture that no script runs."""


class WorkloadAsked(Struct, frozen=True, kw_only=True):
    """What a profile says beside its scenarios, by value.

    Attributes:
        rounds: How often its window is measured.
        pause_seconds: Between rounds.
        timeout_us: Of a request that has none of its own.
        seed: Of everything random, null where each capture draws its own.
    """

    rounds: int
    pause_seconds: float
    timeout_us: int
    seed: int | None


class StressRequirements(Struct, frozen=True, kw_only=True):
    """Floors, limits and choices for stress evidence, of one profile; a suite has the values."""

    profile: Annotated[str, Meta(description="The profile that must have been run.")]
    runner: Annotated[str, Meta(description="The script that must have run it.")] = RUNNER
    min_rounds: Annotated[int, Meta(description="Fewest rounds.")] = 1
    min_duration_seconds: Annotated[int, Meta(description="Shortest round.")] = 1
    min_concurrent_users: Annotated[int, Meta(description="Fewest concurrent users.")] = 1
    users_of_any_executor: Annotated[
        bool,
        Meta(
            description="Whether open executors, too, are held to the floor of users; otherwise "
            "they are held to their rate."
        ),
    ] = False
    database_engine: Annotated[
        str | None,
        Meta(description="The engine the load must have reached, exactly; null asks for none."),
    ] = None
    engine_sources: Annotated[
        tuple[str, ...],
        Meta(description="How the engine's name may be known, where the artifact says how."),
    ] = ("db-query", "target-endpoint")
    max_p95_seconds: Annotated[
        float, Meta(description="Limit of the 95th percentile, in every round.")
    ]
    max_error_rate_percent: Annotated[
        float, Meta(description="Limit of failed requests, in every round.")
    ]
    min_throughput_rps: Annotated[
        float, Meta(description="Fewest completed requests a second, in every round.")
    ]
    max_artifact_age_hours: Annotated[
        float | None, Meta(description="Oldest evidence; null judges no age.")
    ] = None
    gate_max_age_hours: Annotated[
        float, Meta(description="Oldest evidence that a gate takes, which always judges age.")
    ] = 24.0
    gate_asks_service: Annotated[
        bool,
        Meta(
            description="Whether a gate demands what the service says of itself: which instance "
            "it is, what it counted, and that its protections are on."
        ),
    ] = False
    gate_asks_limits: Annotated[
        bool, Meta(description="Whether a gate demands the service's own rate limits.")
    ] = False
    health_endpoint: Annotated[
        str, Meta(description="The health page that a gate wants asked; empty for any.")
    ] = ""
    health_members: Annotated[
        tuple[str, ...],
        Meta(
            description="What that page tells of the service, as evidence calls it; a gate demands "
            "each where it demands the service's identity."
        ),
    ] = ()
    load_limits: Annotated[
        tuple[str, ...],
        Meta(
            description="Limits a minute, as the service calls them, against which the required "
            "endpoints count together."
        ),
    ] = ()
    future_skew_seconds: Annotated[
        int, Meta(description="How far ahead of ours the capture's clock may be.")
    ] = 60
    required_endpoints: Annotated[
        tuple[str, ...],
        Meta(
            description="Endpoints that the load must have included, by path (a bare one is GET's) "
            "or by method and path."
        ),
    ] = ()
    profile_endpoints: Annotated[
        tuple[WorkloadEndpoint, ...],
        Meta(description="Endpoints of the profile by value; a suite's gates demand its own."),
    ] = ()
    profile_scenarios: Annotated[
        tuple[ScenarioRecord, ...],
        Meta(description="Scenarios of the profile by value; a file's gates demand its own."),
    ] = ()
    profile_workload: Annotated[
        WorkloadAsked | None,
        Meta(description="The rest of the profile by value; a file's gates demand its own."),
    ] = None
    min_endpoint_successes: Annotated[
        int,
        Meta(
            description="Fewest successes of each required endpoint in each round (full artifacts)."
        ),
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
    gate_target_names: Annotated[
        dict[str, str] | None,
        Meta(
            description="Targets that a gate takes, by the project's names, each with its URL, "
            "empty where the environment says it; null asks for no name."
        ),
    ] = None
    target_names: Annotated[
        dict[str, str] | None,
        Meta(description="Likewise, asked of the evidence; the gates of a project's file do."),
    ] = None
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
    require_health: Annotated[
        bool,
        Meta(
            description="Whether the target must say that it is healthy, also where the capture "
            "asked for no health page."
        ),
    ] = False
    require_counters: Annotated[
        bool, Meta(description="Whether the target's own request counters must be there.")
    ] = False
    counters_in_detail: Annotated[
        bool,
        Meta(
            description="Whether counters, where they must be there, must tell statuses and times."
        ),
    ] = False
    database_in_detail: Annotated[
        bool,
        Meta(
            description="Whether the target, where it must say what it counted, must tell its "
            "database's transactions and log, and where the caller's journal ends."
        ),
    ] = False
    min_transactions_per_success: Annotated[
        float | None,
        Meta(
            description="Fewest transactions that the target's database commits for each success "
            "of a required endpoint; null asks for none."
        ),
    ] = None
    min_parity_compared: Annotated[
        int | None,
        Meta(
            description="Fewest records that the target must have compared with its journal, "
            "before the load and after it, where it must say what it counted; null asks for none."
        ),
    ] = None
    require_identity: Annotated[
        bool, Meta(description="Whether the target must say which instance it is.")
    ] = False
    require_limits: Annotated[
        bool, Meta(description="Whether the target must tell its rate limits.")
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

    def for_gate(self) -> "StressRequirements":
        """Return what a release gate asks beyond this."""
        age = self.max_artifact_age_hours
        return msgspec.structs.replace(
            self,
            max_artifact_age_hours=self.gate_max_age_hours if age is None else age,
            target_names=(
                self.gate_target_names if self.target_names is None else self.target_names
            ),
            minimum_level=max(self.minimum_level, Level.RECOMPUTED, key=lambda level: level.rank),
            require_counters=self.require_counters or self.gate_asks_service,
            require_identity=self.require_identity or self.gate_asks_service,
            require_limits=self.require_limits or self.gate_asks_limits,
            refuse_unsafe=self.refuse_unsafe or self.gate_asks_service,
        )


def loosened(asked: StressRequirements, floor: StressRequirements) -> list[str]:
    """Return what is asked less of than a suite asks of the same profile, one line each.

    Tightening is everybody's right; loosening makes evidence that proves less than it seems to.
    """
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
            floor.max_artifact_age_hours or floor.gate_max_age_hours,
        ),
    )
    lines = [f"{name} {value} is below {bound}" for name, value, bound in least if value < bound]
    lines += [f"{name} {value} is above {bound}" for name, value, bound in most if value > bound]
    if floor.database_engine is not None and asked.database_engine != floor.database_engine:
        lines.append(f"database_engine {asked.database_engine} is not {floor.database_engine}")
    lines += [
        f"required endpoint {name} is not asked for"
        for name in floor.required_endpoints
        if short(name) not in map(short, asked.required_endpoints)
    ]
    return lines
