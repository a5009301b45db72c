"""One artifact before its rules: read once, so that every rule sees the same."""

from functools import cached_property
from typing import Any

import msgspec

from stressproof.config.stress_requirements import Requirements
from stressproof.evidence import derive
from stressproof.evidence.derive import Totals
from stressproof.evidence.level import Level
from stressproof.evidence.measurements import Latency
from stressproof.evidence.reading import Document
from stressproof.evidence.stress import SCHEMA_VERSION, Results, StressArtifact
from stressproof.measure.buckets import MAX_INDEX
from stressproof.verify.instants import parse_instant
from stressproof.verify.lenient_decoder import LenientDecoder
from stressproof.verify.stress.declared import FORM, PLAIN, Declared, DeclaredRun


class StressCase:
    """A document, what is asked of it, and the time.

    Args:
        document: What was read.
        requirements: What is asked.
        now_us: The verifier's clock, in microseconds since 1970.

    Attributes:
        data: The document's object.
        declared: The protocol's fields, typed.
        gathering: What was wrong or unknown about them.
        artifact: The whole schema-2 artifact, None where it is none or not well formed.
        malformed: Why there is no artifact although the document says that it is one.
    """

    def __init__(self, document: Document, requirements: Requirements, now_us: int) -> None:
        self.data: dict[str, Any] = document.data
        self.requirements = requirements
        self.now_us = now_us
        self.lenient_decoder = LenientDecoder(PLAIN)
        self.declared: Declared = self.lenient_decoder.read(FORM, document.data)
        self.artifact: StressArtifact | None = None
        self.malformed = ""
        if self.is_schema_2:
            try:
                self.artifact = msgspec.convert(document.data, StressArtifact, strict=True)
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
    def runs(self) -> list[DeclaredRun]:
        """The rounds that are there, none where the field is not a list."""
        return self.declared.runs or []

    @cached_property
    def captured_us(self) -> int | None:
        """When the capture ended."""
        return instant(self.declared.captured_at)

    @cached_property
    def run_captured_us(self) -> list[int | None]:
        """When each round was captured."""
        return [instant(run.captured_at) for run in self.runs]

    @cached_property
    def computable(self) -> StressArtifact | None:
        """The artifact where its histograms can be added up, None where they would not stand it.

        A bucket beyond the layout would be shifted by as many bits as a forger likes.
        """
        if self.artifact is None:
            return None
        for run in self.artifact.measurements.runs:
            for row in run.rows:
                for latency in (row.corrected, row.uncorrected):
                    if latency is not None and not _computable(latency):
                        return None
        return self.artifact

    @cached_property
    def endpoint_totals(self) -> list[list[Totals]]:
        """Each round's rows added up by endpoint; empty without a sound artifact."""
        if self.computable is None:
            return []
        endpoints = len(self.computable.workload.endpoints)
        return [derive.by_endpoint(run, endpoints) for run in self.computable.measurements.runs]

    @cached_property
    def round_totals(self) -> list[Totals]:
        """Each round's rows added up."""
        return [derive.combined(parts) for parts in self.endpoint_totals]

    @cached_property
    def recomputed_rounds(self) -> list[Results]:
        """Each round's figures from its measurements; empty without a sound artifact."""
        if self.computable is None:
            return []
        samples = [run.results.errors_sample for run in self.computable.runs]
        measured = self.computable.measurements.runs
        samples += [[]] * (len(measured) - len(samples))
        return [
            derive.round_results(totals, run.elapsed_us, sample)
            for totals, run, sample in zip(self.round_totals, measured, samples, strict=False)
        ]


UNSOUND = "no sound schema-2 artifact: stress.typed and stress.rows say why"
"""Why a rule that recomputes has nothing to compute with."""


def instant(text: str | None) -> int | None:
    """Return a timestamp in microseconds, None where it is absent or not one."""
    return None if text is None else parse_instant(text)


def _computable(latency: Latency) -> bool:
    pairs = latency.buckets
    return len(pairs) % 2 == 0 and max(pairs[::2], default=0) <= MAX_INDEX
