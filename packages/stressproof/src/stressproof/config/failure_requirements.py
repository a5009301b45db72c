"""What is asked of failure evidence, as data."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stressproof.config.stress_requirements import FAILURE_MAX_AGE_HOURS
from stressproof.evidence.level import Level
from stressproof.failures.spec import ScenarioSpec

PROFILE = "enforcement_failure_injection"


class FailureRequirements(Struct, frozen=True, kw_only=True):
    """Floors and choices for failure evidence; the defaults are the protocol's."""

    profile: Annotated[str, Meta(description="The profile that must have been run.")] = PROFILE
    runner: Annotated[str, Meta(description="What must have run it.")] = "staged_failure_injection"
    execution_class: Annotated[
        str, Meta(description="Where: against a staged service, not a simulation.")
    ] = "staged"
    scenarios: Annotated[
        tuple[ScenarioSpec, ...],
        Meta(
            description="Scenarios that must be there, each once, and no other, as the suite has "
            "them; none is inconclusive."
        ),
    ] = ()
    max_artifact_age_hours: Annotated[
        float | None, Meta(description="Oldest evidence; null judges no age.")
    ] = None
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
        str, Meta(description="The engine behind the service, exactly (schema 2).")
    ] = "postgresql"
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
            max_artifact_age_hours=FAILURE_MAX_AGE_HOURS if age is None else age,
            minimum_level=max(self.minimum_level, Level.RECOMPUTED, key=lambda level: level.rank),
            refuse_unsafe=True,
        )


def loosened(asked: FailureRequirements) -> list[str]:
    """Return what is asked less of than the floors, one line each."""
    age = asked.max_artifact_age_hours
    lines = []
    if age is not None and age > FAILURE_MAX_AGE_HOURS:
        lines.append(f"max_artifact_age_hours {age:g} is above {FAILURE_MAX_AGE_HOURS:g}")
    if asked.database_engine != FailureRequirements().database_engine:
        lines.append(f"database_engine {asked.database_engine} is not postgresql")
    return lines
