"""One document of evidence before its rules: read once, so that every rule sees the same."""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from stressproof.evidence.level import Level
from stressproof.evidence.reading import Document
from stressproof.evidence.versions import SCHEMA_VERSION, is_current
from stressproof.verify.instants import parse_instant
from stressproof.verify.lenient_decoder import Form, LenientDecoder, Plain

NO_ARTIFACT = f"no well-formed schema-{SCHEMA_VERSION} artifact"
"""Why a rule about a full artifact has nothing to judge."""

RequirementsT = TypeVar("RequirementsT")
ArtifactT = TypeVar("ArtifactT", bound=msgspec.Struct)


class EvidenceCase(Generic[RequirementsT, ArtifactT]):
    """A document, what is asked of it, what its references lead to, and the time.

    Args:
        document: What was read.
        requirements: What is asked.
        now_us: The verifier's clock, in microseconds since 1970.
        files: For each reference to a file why it does not resolve, empty where it does
            (`stressproof.evidence.references.look_up`).

    Attributes:
        plain: What a plain document of this kind is.
        form: Its fields, all optional.
        data: The document's object.
        size: Its bytes.
        declared: The protocol's fields, in that form.
        lenient_decoder: What was wrong or unknown about them.
        artifact: The whole full artifact, None where it is none or not well formed.
        malformed: Why there is no artifact although the document says that it is one.
    """

    plain: ClassVar[Plain]
    form: ClassVar[Form]

    def __init__(
        self,
        document: Document,
        requirements: RequirementsT,
        now_us: int,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.data: dict[str, Any] = document.data
        self.size = document.size
        self.requirements = requirements
        self.now_us = now_us
        self.files = files or {}
        self.lenient_decoder = LenientDecoder(self.plain)
        self.declared: Any = self.lenient_decoder.read(self.form, document.data)
        self.artifact: ArtifactT | None = None
        self.malformed = ""
        if self.is_full:
            schema: Any = self.plain.schema
            try:
                self.artifact = msgspec.convert(document.data, schema, strict=True)
            except msgspec.ValidationError as error:
                self.malformed = str(error)

    @property
    def is_full(self) -> bool:
        """Whether the document says that it is a full artifact of the version known here."""
        return is_current(self.data.get("schema_version"))

    @property
    def highest_level(self) -> Level:
        """The level that the document can reach, if all of its rules hold."""
        return Level.DECLARED if self.artifact is None else Level.RECOMPUTED

    @property
    def captured_us(self) -> int | None:
        """When the evidence was complete."""
        return instant(self.declared.captured_at)

    @property
    def aged_from(self) -> tuple[str, str | None]:
        """From which of its times the age counts, by path, and that time."""
        return "captured_at", self.declared.captured_at

    @property
    def drift_us(self) -> int:
        """By how much the wall clock was ahead of the run's own in the end, 0 where not stated."""
        full: Any = self.artifact
        return 0 if full is None else int(full.clock.drift_us)


def instant(text: str | None) -> int | None:
    """Return a timestamp in microseconds, None where it is absent or not one."""
    return None if text is None else parse_instant(text)
