"""A folder of evidence as a static site: every build, and how each objective went."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import msgspec
from msgspec import Struct

from stressproof.cli.artifact import artifact_of
from stressproof.cli.report_page import asked_of, page_of
from stressproof.cli.suite_choice import chosen_project
from stressproof.errors import InconclusiveError, StressproofError
from stressproof.evidence.reading import Document, read_document
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.writing import write_atomic
from stressproof.objectives.evaluating import ask
from stressproof.objectives.objectives import Objectives
from stressproof.report.html.document import render, render_history
from stressproof.report.html.history import Build, beside
from stressproof.report.html.parts import Link
from stressproof.verify.kinds import kind_of
from stressproof.verify.rule import printable
from stressproof.verify.stress.verifier import STRESS

INDEX = "index.html"
_SHORT = 12


class _Captured(Struct, frozen=True):
    """One document with what it holds."""

    document: Document
    artifact: StressArtifact | None

    @property
    def captured_at(self) -> str:
        return str(self.document.data.get("captured_at"))

    @property
    def profile(self) -> str:
        return printable(str(self.document.data.get("profile")))

    @property
    def commit(self) -> str:
        subject = self.document.data.get("subject")
        commit = subject.get("git_commit") if isinstance(subject, dict) else None
        return printable(str(commit or "unknown"))[:_SHORT]


def write_site(folder: Path, out: Path) -> list[Path]:
    """Write a page for each artifact of a folder, and one over all; return what was left out.

    Args:
        folder: Holds evidence as ``*.json``; what is none is left out.
        out: Where the site goes; pages of the same names are replaced.

    Raises:
        InconclusiveError: The folder holds no evidence.
        OutputError: The site cannot be written.
    """
    found, others = _read(sorted(folder.glob("*.json")))
    if not found:
        raise InconclusiveError(
            f"{folder} holds no evidence", hint="Name the folder that captures are written to."
        )
    out.mkdir(parents=True, exist_ok=True)
    objectives = chosen_project().beyond_limits
    builds: list[Build] = []
    latest: dict[str, tuple[Build, StressArtifact]] = {}
    for one in sorted(found, key=lambda one: (one.captured_at, one.document.path)):
        before = latest.get(one.profile) if one.artifact is not None else None
        build = _build(one, objectives, None if before is None else before[1])
        if before is not None:
            sections = [beside(before[0], build), *build.page.sections]
            page = msgspec.structs.replace(build.page, sections=sections)
            build = msgspec.structs.replace(build, page=page)
        links = [Link("All builds", INDEX)]
        if before is not None:
            links.append(Link(f"The build before: {before[0].commit}", before[0].href))
        write_atomic(
            out / os.fsdecode(unquote_to_bytes(build.href)), render([build.page], links).encode()
        )
        builds.append(build)
        if one.artifact is not None:
            latest[one.profile] = build, one.artifact
    lead = f"{len(builds)} artifacts, judged by what is asked today."
    title = f"Builds in {printable(folder.resolve().name)}"
    write_atomic(out / INDEX, render_history(title, lead, builds).encode())
    return others


def _read(paths: Sequence[Path]) -> tuple[list[_Captured], list[Path]]:
    """Return the evidence among files, and the files that are none."""
    found, others = [], []
    for path in paths:
        try:
            document = read_document(path)
        except StressproofError:
            others.append(path)
            continue
        if not {"profile", "runner"} <= document.data.keys():
            others.append(path)
            continue
        found.append(_Captured(document, _artifact(document)))
    return found, others


def _artifact(document: Document) -> StressArtifact | None:
    """Return stress evidence whose figures can be believed."""
    if kind_of(document) is not STRESS:
        return None
    try:
        return artifact_of(document)
    except StressproofError:
        return None


def _build(one: _Captured, objectives: Objectives, baseline: StressArtifact | None) -> Build:
    artifact = one.artifact
    build = Build(
        href=_href(Path(one.document.path)),
        profile=one.profile,
        commit=one.commit,
        captured=printable(one.captured_at),
        page=page_of(one.document, "evidence", baseline),
    )
    if artifact is None:
        return build
    asked = asked_of(artifact, objectives)
    rounds = [ask(asked, single) for single in _rounds(artifact)]
    return msgspec.structs.replace(build, answers=ask(asked, artifact), rounds=rounds)


def _href(path: Path) -> str:
    """Return where the page of a file is, as a URL: names may hold what means something there."""
    name = f"{path.stem}.html"
    return quote(os.fsencode(f"{path.name}.html" if name == INDEX else name))


def _rounds(artifact: StressArtifact) -> Iterator[StressArtifact]:
    """Yield each round as if it were the only one."""
    for run in artifact.measurements.runs:
        measured = msgspec.structs.replace(artifact.measurements, runs=[run])
        yield msgspec.structs.replace(artifact, measurements=measured)
