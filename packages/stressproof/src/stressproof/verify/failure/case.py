"""One failure artifact before its rules."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct

from stressproof.config.failure_requirements import FailureRequirements
from stressproof.evidence.failure import FailureArtifact, Scenario, Trial
from stressproof.failures.history import Operation, read
from stressproof.failures.spec import ScenarioSpec
from stressproof.verify.case import EvidenceCase
from stressproof.verify.failure.declared import (
    FORM,
    PLAIN,
    DeclaredScenario,
)


class DemandedTrial(Struct, frozen=True, dict=True):
    """One trial, and what is demanded of it.

    Attributes:
        where: JSON path of the trial.
        scenario: That it belongs to.
        spec: What is demanded of it.
        trial: As the artifact has it.
        with_faults: Whether it is the one with faults.
    """

    where: str
    scenario: Scenario
    spec: ScenarioSpec
    trial: Trial
    with_faults: bool

    @cached_property
    def operations(self) -> list[Operation]:
        """Its operations, none where they have no meaning, which `failure.recomputed` says."""
        try:
            return read(self.trial.operations)
        except ValueError:
            return []


class FailureCase(EvidenceCase[FailureRequirements, FailureArtifact]):
    """Failure evidence, what is asked of it, what its references lead to, and the time."""

    plain = PLAIN
    form = FORM

    @cached_property
    def specs(self) -> dict[str, ScenarioSpec]:
        """The scenarios that are demanded, by id."""
        return {spec.id: spec for spec in self.requirements.scenarios}

    @cached_property
    def trials(self) -> list[DemandedTrial]:
        """Both trials of each scenario that is demanded (`failure.scenarios` names the others)."""
        scenarios = self.artifact.scenarios if self.artifact else []
        first: dict[str, int] = {}
        for place, scenario in enumerate(scenarios):
            first.setdefault(scenario.id, place)
        return [
            DemandedTrial(
                f"scenarios[{place}].{name}",
                scenario,
                self.specs[scenario.id],
                trial,
                with_faults=name == "trial",
            )
            for place, scenario in enumerate(scenarios)
            if scenario.id in self.specs and first[scenario.id] == place
            for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial))
        ]

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
