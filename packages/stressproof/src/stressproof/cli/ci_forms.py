"""What CI systems read of evidence: options that commands share, and what they write."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from stressproof.cli.output import to_stderr
from stressproof.cli.output_options import CommandT, append_step_summary

if TYPE_CHECKING:
    from stressproof.evidence.stress import StressArtifact
    from stressproof.report.ci_report import CiReport

_OPTIONS = (
    click.option(
        "--junit",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Also write JUnit XML: a test for each objective or scenario.",
    ),
    click.option(
        "--gitlab",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Also write GitLab's load performance report (k6's metrics).",
    ),
    click.option(
        "--github",
        is_flag=True,
        help="Also write GitHub annotations to stderr, and the step's summary.",
    ),
)


class CiForms(Struct, frozen=True):
    """Which forms are wanted.

    Attributes:
        junit: Where JUnit XML goes, None for nowhere.
        gitlab: Where GitLab's report of a load goes, None for nowhere.
        github: Whether GitHub is told.
    """

    junit: Path | None = None
    gitlab: Path | None = None
    github: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "CiForms":
        """Return what a command's options ask for."""
        return cls(**{name: options[name] for name in cls.__struct_fields__})

    @property
    def wanted(self) -> bool:
        """Whether any is."""
        return self.github or self.junit is not None or self.gitlab is not None


def ci_options(command: CommandT) -> CommandT:
    """Add the options of `CiForms` to a command."""
    add: Callable[[CommandT], CommandT]
    for add in reversed(_OPTIONS):
        command = add(command)
    return command


def check_places(forms: CiForms) -> None:
    """Refuse places that cannot be written, before the long part.

    Raises:
        OutputError: One of them cannot.
    """
    from stressproof.evidence.writing import check_writable  # noqa: PLC0415  # few ask for it

    for place in (forms.junit, forms.gitlab):
        if place is not None:
            check_writable(place)


def write_forms(forms: CiForms, evidence: Sequence[Path]) -> None:
    """Write what is wanted of some evidence.

    Raises:
        OutputError: It cannot be written.
        StressproofError: The evidence cannot be read.
    """
    if not forms.wanted:
        return
    from stressproof.cli.artifact import artifact_of  # noqa: PLC0415  # few ask for it
    from stressproof.cli.report_page import pages_of  # noqa: PLC0415  # likewise
    from stressproof.evidence.reading import read_document  # noqa: PLC0415  # likewise
    from stressproof.report.ci_report import CiReport  # noqa: PLC0415  # likewise
    from stressproof.verify.kinds import kind_of  # noqa: PLC0415  # likewise
    from stressproof.verify.stress.verifier import STRESS  # noqa: PLC0415  # likewise

    documents = [read_document(path) for path in evidence]
    loads = [document for document in documents if kind_of(document) is STRESS]
    write_reports(
        forms,
        [CiReport.of(page) for page in pages_of(documents)],
        [artifact_of(document) for document in loads] if forms.gitlab is not None else [],
    )


def write_reports(
    forms: CiForms, reports: "Sequence[CiReport]", loads: "Sequence[StressArtifact]"
) -> None:
    """Write what is wanted of what was judged.

    Args:
        forms: Which forms, and where to.
        reports: What CI is told.
        loads: What GitLab compares with the target branch.

    Raises:
        OutputError: It cannot be written.
    """
    from stressproof.evidence.writing import write_atomic  # noqa: PLC0415  # likewise

    if forms.junit is not None:
        from stressproof.report import ci_junit  # noqa: PLC0415  # likewise

        write_atomic(forms.junit, ci_junit.render(reports).encode())
    if forms.gitlab is not None:
        from stressproof.report import gitlab_performance  # noqa: PLC0415  # likewise

        write_atomic(forms.gitlab, gitlab_performance.render(loads).encode())
    if forms.github:
        from stressproof.report import ci_github  # noqa: PLC0415  # likewise

        to_stderr(ci_github.render(reports))
        append_step_summary(ci_github.markdown(reports))
