"""What is asked of failure evidence, as data."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stressproof.evidence.level import Level
from stressproof.failures.spec import ScenarioSpec


class FailureRequirements(Struct, frozen=True, kw_only=True):
    """Floors and choices for failure evidence; a suite has the values."""

    profile: Annotated[str, Meta(description="The profile that must have been run.")]
    runner: Annotated[str, Meta(description="What must have run it.")] = "staged_failure_injection"
    execution_class: Annotated[
        str, Meta(description="Where: against a staged service, not a simulation.")
    ] = "staged"
    scenarios: Annotated[
        tuple[ScenarioSpec, ...],
        Meta(description="Scenarios that must be there, each once, and no other."),
    ]
    min_workers: Annotated[
        int, Meta(description="Processes of the service, at least: one proves nothing of others.")
    ] = 1
    max_artifact_age_hours: Annotated[
        float | None, Meta(description="Oldest evidence; null judges no age.")
    ] = None
    gate_max_age_hours: Annotated[
        float, Meta(description="Oldest evidence that a gate takes, which always judges age.")
    ] = 48.0
    future_skew_seconds: Annotated[
        int, Meta(description="How far ahead of ours the capture's clock may be.")
    ] = 60
    expected_commits: Annotated[
        tuple[str, ...],
        Meta(description="Commits that the evidence may be about; empty binds to none."),
    ] = ()
    minimum_level: Annotated[Level, Meta(description="Lowest assurance level that is enough.")] = (
        Level.DECLARED
    )
    database_engine: Annotated[
        str | None,
        Meta(description="The service's engine, exactly (full artifacts); null asks for none."),
    ] = None
    require_health: Annotated[
        bool, Meta(description="Whether the service must say that it is healthy.")
    ] = False
    refuse_unsafe: Annotated[
        bool,
        Meta(
            description="Whether fsync or synchronous_commit off, or a protection switched off in "
            "the target, is refused (the gates do)."
        ),
    ] = False
    refuse_unknown_fields: Annotated[
        bool,
        Meta(description="Whether a plain artifact may carry fields that no rule reads."),
    ] = False

    def for_gate(self) -> "FailureRequirements":
        """Return what a release gate asks beyond this."""
        age = self.max_artifact_age_hours
        return msgspec.structs.replace(
            self,
            max_artifact_age_hours=self.gate_max_age_hours if age is None else age,
            minimum_level=max(self.minimum_level, Level.RECOMPUTED, key=lambda level: level.rank),
            refuse_unsafe=True,
        )


def loosened(asked: FailureRequirements, floor: FailureRequirements) -> list[str]:
    """Return what is asked less of than a suite asks, one line each."""
    age, oldest = asked.max_artifact_age_hours, floor.max_artifact_age_hours
    oldest = floor.gate_max_age_hours if oldest is None else oldest
    lines = []
    if age is not None and age > oldest:
        lines.append(f"max_artifact_age_hours {age:g} is above {oldest:g}")
    if floor.database_engine is not None and asked.database_engine != floor.database_engine:
        lines.append(f"database_engine {asked.database_engine} is not {floor.database_engine}")
    if floor.require_health and not asked.require_health:
        lines.append("require_health is not asked")
    if asked.min_workers < floor.min_workers:
        lines.append(f"min_workers {asked.min_workers} is below {floor.min_workers}")
    lines += [
        f"scenario {one.id} is not asked for, or not as it is"
        for one in floor.scenarios
        if one not in asked.scenarios
    ]
    return lines
