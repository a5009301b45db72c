"""One failure artifact before its rules."""

from collections.abc import Mapping
from functools import cached_property
from itertools import islice
from typing import Any

from msgspec import Struct

from stressproof.config.failure_requirements import FailureRequirements
from stressproof.failures.artifact import FailureArtifact, Scenario, Trial
from stressproof.failures.history import Operation, read
from stressproof.failures.schedule import NAMES_MAX, OPERATIONS_MAX
from stressproof.failures.spec import ScenarioSpec
from stressproof.failures.spec_problems import spec_problems
from stressproof.verify.case import EvidenceCase, instant
from stressproof.verify.failure.declared import FORM, PLAIN, DeclaredScenario

_PROBLEMS = 100


class JudgedTrial(Struct, frozen=True, dict=True):
    """One trial, and the scenario that it is judged by.

    Attributes:
        where: JSON path of the trial.
        scenario: That it belongs to, whose spec can be one.
        trial: As the artifact has it.
        with_faults: Whether it is the one with faults.
    """

    where: str
    scenario: Scenario
    trial: Trial
    with_faults: bool

    @property
    def spec(self) -> ScenarioSpec:
        """What was asked for."""
        return self.scenario.spec

    @property
    def rows(self) -> int:
        """How many operations it has."""
        return len(self.trial.operations.rows)

    @property
    def names(self) -> int:
        """How many kinds and codes these refer to."""
        return len(self.trial.operations.kinds) + len(self.trial.operations.codes)

    @property
    def is_countable(self) -> bool:
        """Whether its operations are few enough to be judged (`failure.load`)."""
        return self.rows <= OPERATIONS_MAX and self.names <= NAMES_MAX

    @cached_property
    def operations(self) -> list[Operation]:
        """Its operations; none where they are too many.

        None either where they have no meaning, which `failure.recomputed` says.
        """
        if not self.is_countable:
            return []
        try:
            return read(self.trial.operations)
        except ValueError:
            return []


class FailureCase(EvidenceCase[FailureRequirements, FailureArtifact]):
    """Failure evidence, what is asked of it, what its references lead to, and the time."""

    plain = PLAIN
    form = FORM

    @cached_property
    def demanded(self) -> dict[str, ScenarioSpec]:
        """The scenarios that are demanded, by id; none where nobody demands any."""
        return {spec.id: spec for spec in self.requirements.scenarios}

    @cached_property
    def judged(self) -> list[tuple[int, Scenario]]:
        """Each scenario whose spec can be one, with its place (`failure.spec` names the others).

        Of two with one name the first; one that nobody asked for is none where others are
        demanded.
        """
        found: dict[str, tuple[int, Scenario]] = {}
        for place, scenario in enumerate(self.artifact.scenarios if self.artifact else []):
            wanted = scenario.id in self.demanded or not self.demanded
            if wanted and scenario.id not in found and not self.spec_faults[place]:
                found[scenario.id] = place, scenario
        return list(found.values())

    @cached_property
    def spec_faults(self) -> list[list[str]]:
        """Why the spec of each scenario cannot be one, or is not the scenario's."""
        return [
            [
                *([] if one.spec.id == one.id else [f"it is the spec of {one.spec.id}"]),
                *islice(spec_problems(one.spec), _PROBLEMS),
            ]
            for one in (self.artifact.scenarios if self.artifact else [])
        ]

    @cached_property
    def trials(self) -> list[JudgedTrial]:
        """Both trials of each scenario that is judged."""
        return [
            JudgedTrial(f"scenarios[{place}].{name}", scenario, trial, with_faults=name == "trial")
            for place, scenario in self.judged
            for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial))
        ]

    @property
    def aged_from(self) -> tuple[str, str | None]:
        """The end of its first trial: none grows younger by what is captured after it."""
        where, text = super().aged_from
        oldest_us = self.captured_us
        for place, scenario in enumerate(self.artifact.scenarios if self.artifact else []):
            for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial)):
                ended_us = instant(trial.ended_at)
                if oldest_us is not None and ended_us is not None and ended_us < oldest_us:
                    oldest_us = ended_us
                    where, text = f"scenarios[{place}].{name}.ended_at", trial.ended_at
        return where, text

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
