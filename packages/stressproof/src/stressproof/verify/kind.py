"""A kind of evidence as one value: how it is read, judged, and told from another kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

from stressproof.evidence.reading import (
    AbsentEvidenceError,
    Document,
    UnreadableEvidenceError,
    read_document,
)
from stressproof.exits import Exit
from stressproof.suite import Suite
from stressproof.verify.case import EvidenceCase
from stressproof.verify.instants import HOUR_US, show_instant
from stressproof.verify.rule import Rule
from stressproof.verify.verdict import (
    Figure,
    Overview,
    Verdict,
    encodable,
    overall,
    reached_level,
    shown,
    unread,
)

if TYPE_CHECKING:
    from pathlib import Path

Unread = UnreadableEvidenceError | AbsentEvidenceError
CaseT = TypeVar("CaseT", bound=EvidenceCase[Any, Any])


class Evidence(Struct, frozen=True, kw_only=True):
    """One document with whatever else it is judged by, read at one time.

    Attributes:
        kind: What it must be evidence of.
        path: As the caller named it.
        document: What was read, or why nothing was.
        files: What its references to files lead to (`stressproof.evidence.references.look_up`).
    """

    kind: "EvidenceKind[Any]"
    path: str
    document: Document | Unread
    files: Mapping[str, str] = {}

    @property
    def sha256(self) -> str | None:
        """Digest of the bytes, None where they could not be read."""
        return getattr(self.document, "sha256", None)

    @property
    def data(self) -> Mapping[str, Any]:
        """The document's object, empty where it could not be read."""
        return self.document.data if isinstance(self.document, Document) else {}

    @property
    def claimed_commit(self) -> str | None:
        """The commit that the document says it is about; nothing is believed by this."""
        subject = self.data.get("subject")
        commit: Any = subject.get("git_commit") if isinstance(subject, dict) else None
        return commit if isinstance(commit, str) else None


def read_or_reason(path: "Path | str") -> Document | Unread:
    """Read a document once; what keeps it from being read is a verdict of its own, not an end."""
    try:
        return read_document(path)
    except (UnreadableEvidenceError, AbsentEvidenceError) as error:
        return error


def no_references(data: Mapping[str, Any]) -> list[str]:
    """Return the references of a kind of evidence that has none."""
    del data
    return []


class EvidenceKind(Struct, Generic[CaseT], frozen=True, kw_only=True, eq=False):
    """One kind of evidence.

    Attributes:
        name: As verdicts, decisions and flags call it.
        case: What its rules judge.
        rules: All of them, in the order in which a person would look.
        figures: Returns what a reader wants to know first.
        overview: Returns what whoever approves it has to know.
        requirements: Returns what a suite asks of it, of a profile where one is named.
        offered: Returns whether a gate of a suite asks for such evidence at all.
        at_gate: Returns what a gate of a suite asks beyond requirements.
        loosened: Returns what is asked less of than a floor, one line each.
        references: Returns the references of a document that lead out of it.
    """

    name: str
    case: type[CaseT]
    rules: Sequence[Rule[CaseT]]
    figures: Callable[[CaseT], list[Figure]]
    overview: Callable[[CaseT], list[Overview]]
    requirements: Callable[[Suite, str], Any]
    offered: Callable[[Suite], bool]
    at_gate: Callable[[Suite, Any], Any]
    loosened: Callable[[Any, Any], list[str]]
    references: Callable[[Mapping[str, Any]], list[str]] = no_references

    def evidence(
        self, document: Document | Unread, path: "Path | str", checkout: "Path | str"
    ) -> Evidence:
        """Return a document with what its references lead to, each looked up once.

        Args:
            document: What was read of the path.
            path: As the caller named it.
            checkout: The folder that references to files are relative to.
        """
        found = self.references(document.data) if isinstance(document, Document) else []
        if not found:
            return Evidence(kind=self, path=str(path), document=document)
        from pathlib import Path  # noqa: PLC0415  # stress evidence refers to no file

        from stressproof.evidence.references import look_up  # noqa: PLC0415  # likewise

        files = look_up(found, Path(checkout), Path(path))
        return Evidence(kind=self, path=str(path), document=document, files=files)

    def judge(
        self,
        evidence: Evidence,
        requirements: Any,
        now_us: int,
        *,
        dry_run: bool = False,
        loosened: Sequence[str] = (),
    ) -> Verdict:
        """Return the verdict on evidence, read or not.

        Args:
            evidence: What was read.
            requirements: What is asked of it.
            now_us: The time, in microseconds since 1970.
            dry_run: A rehearsal; the verdict says so.
            loosened: Floors that were loosened for it, one line each.
        """
        document = evidence.document
        if isinstance(document, Document):
            files = evidence.files
            return self.verify(
                document, requirements, now_us, files=files, dry_run=dry_run, loosened=loosened
            )
        return unread(
            self.name,
            document,
            path=evidence.path,
            required_level=requirements.minimum_level,
            now_us=now_us,
            dry_run=dry_run,
            loosened=loosened,
        )

    def verify(
        self,
        document: Document,
        requirements: Any,
        now_us: int,
        *,
        files: Mapping[str, str] | None = None,
        dry_run: bool = False,
        loosened: Sequence[str] = (),
    ) -> Verdict:
        """Judge one document, as `judge`, without I/O."""
        case = self.case(document, requirements, now_us, files)
        results = [each.apply(case) for each in self.rules]
        outcome, code = overall(results, loosened=loosened)
        captured, subject = case.captured_us, case.declared.subject
        return Verdict(
            kind=self.name,
            path=encodable(document.path),
            sha256=document.sha256,
            size=document.size,
            outcome=outcome,
            exit_code=code,
            level=reached_level(results, case.highest_level),
            required_level=requirements.minimum_level,
            profile=shown(case.declared.profile),
            commit=shown(None if subject is None else subject.git_commit),
            captured_at=shown(case.declared.captured_at),
            age_hours=None if captured is None else round((now_us - captured) / HOUR_US, 3),
            judged_at=show_instant(now_us),
            figures=self.figures(case),
            overview=self.overview(case),
            results=results,
            dry_run=dry_run,
            loosened=list(loosened),
            would_pass=overall(results)[1] is Exit.PASS,
        )
