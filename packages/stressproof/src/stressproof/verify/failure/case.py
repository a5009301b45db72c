"""One failure artifact before its rules."""

from collections.abc import Mapping
from typing import Any

import msgspec

from stressproof.config.failure_requirements import FailureRequirements
from stressproof.evidence.failure import SCHEMA_VERSION, FailureArtifact
from stressproof.evidence.level import Level
from stressproof.evidence.reading import Document
from stressproof.failures.spec import ScenarioSpec
from stressproof.verify.failure.declared import (
    FORM,
    PLAIN,
    DeclaredInjection,
    DeclaredScenario,
)
from stressproof.verify.lenient_decoder import LenientDecoder


class FailureCase:
    """A document, what is asked of it, what its references lead to, and the time.

    Args:
        document: What was read.
        requirements: What is asked.
        files: For each reference to a file why it does not resolve, empty where it does
            (`stressproof.evidence.references.look_up`).
        now_us: The verifier's clock, in microseconds since 1970.

    Attributes:
        data: The document's object.
        specs: The scenarios that are demanded, by id.
        declared: The protocol's fields, typed.
        gathering: What was wrong or unknown about them.
        artifact: The whole schema-2 artifact, None where it is none or not well formed.
        malformed: Why there is no artifact although the document says that it is one.
    """

    def __init__(
        self,
        document: Document,
        requirements: FailureRequirements,
        files: Mapping[str, str],
        now_us: int,
    ) -> None:
        self.data: dict[str, Any] = document.data
        self.requirements = requirements
        self.specs: dict[str, ScenarioSpec] = {spec.id: spec for spec in requirements.scenarios}
        self.files = files
        self.now_us = now_us
        self.lenient_decoder = LenientDecoder(PLAIN)
        self.declared: DeclaredInjection = self.lenient_decoder.read(FORM, document.data)
        self.artifact: FailureArtifact | None = None
        self.malformed = ""
        if self.is_schema_2:
            try:
                self.artifact = msgspec.convert(document.data, FailureArtifact, strict=True)
            except msgspec.ValidationError as error:
                self.malformed = str(error)

    @property
    def is_schema_2(self) -> bool:
        """Whether the document says that it is a full artifact."""
        version = self.data.get("schema_version")
        return version == SCHEMA_VERSION and type(version) is int

    @property
    def highest_level(self) -> Level:
        """The level that the document can reach, if all of its rules hold."""
        return Level.DECLARED if self.artifact is None else Level.RECOMPUTED

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
