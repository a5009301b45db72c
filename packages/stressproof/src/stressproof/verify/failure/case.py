"""One failure artifact before its rules."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from stressproof.config.failure_requirements import FailureRequirements
from stressproof.evidence.failure import FailureArtifact
from stressproof.failures.spec import ScenarioSpec
from stressproof.verify.case import EvidenceCase
from stressproof.verify.failure.declared import (
    FORM,
    PLAIN,
    DeclaredScenario,
)


class FailureCase(EvidenceCase[FailureRequirements, FailureArtifact]):
    """Failure evidence, what is asked of it, what its references lead to, and the time."""

    plain = PLAIN
    form = FORM

    @cached_property
    def specs(self) -> dict[str, ScenarioSpec]:
        """The scenarios that are demanded, by id."""
        return {spec.id: spec for spec in self.requirements.scenarios}

    @property
    def scenarios(self) -> list[DeclaredScenario]:
        """The scenarios that are there, none where the field is not a list."""
        return self.declared.scenarios or []


def references_of(data: Mapping[str, Any]) -> list[str]:
    """Return every reference of a failure artifact, to be looked up before it is judged."""
    scenarios = data.get("scenarios")
    found: list[str] = []
    for scenario in scenarios if isinstance(scenarios, list) else []:
        listed = scenario.get("evidence_refs") if isinstance(scenario, dict) else None
        found += (
            [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
        )
    return found
