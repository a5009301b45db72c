"""The verifier of failure evidence, as a script of its own and behind ``stressproof verify``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from stressproof.cli.param_types import LIMIT
from stressproof.cli.suite_choice import SuiteOption, chosen_suite
from stressproof.cli.verify_common import (
    CommandT,
    OutputOptions,
    Unread,
    check_commits,
    conclude,
    explain_option,
    now_us,
    read_or_reason,
    refuse_loosened,
    showing_options,
)
from stressproof.config.failure_requirements import FailureRequirements, loosened
from stressproof.evidence.level import Level
from stressproof.evidence.reading import Document
from stressproof.evidence.references import look_up
from stressproof.exits import Exit
from stressproof.suite import Suite
from stressproof.verify.failure.case import references_of
from stressproof.verify.failure.verifier import RULES, verify
from stressproof.verify.verdict import Verdict, unread

_OPTIONS: tuple[Callable[[CommandT], CommandT], ...] = (
    click.option(
        "--expected-profile",
        "profile",
        cls=SuiteOption,
        of_suite=lambda suite: suite.failure_requirements().profile,
        help="The profile that must have been run.",
    ),
    click.option(
        "--max-artifact-age-hours", type=LIMIT, help="Oldest evidence; no limit by default."
    ),
    click.option(
        "--expected-commit",
        "expected_commits",
        multiple=True,
        callback=check_commits,
        help="A commit that the evidence may be about; may be repeated.",
    ),
    click.option(
        "--minimum-level",
        type=click.Choice([Level.DECLARED.value, Level.RECOMPUTED.value]),
        help="Lowest assurance level that is enough  [default: declared]",
    ),
    click.option("--refuse-unknown-fields", is_flag=True, help="Refuse fields no rule reads."),
    click.option("--as-gate", is_flag=True, help="Ask everything that a release gate asks."),
)


def failure_options(command: CommandT) -> CommandT:
    """Add every requirement that can be asked on the command line."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def requirements_from(suite: Suite, flags: dict[str, Any]) -> FailureRequirements:
    """Return the requirements that the flags ask for."""
    given = {
        name: value
        for name, value in flags.items()
        if name in FailureRequirements.__struct_fields__
        and not (value is None or value is False or value == ())
    }
    if "minimum_level" in given:
        given["minimum_level"] = Level(given["minimum_level"])
    asked = msgspec.structs.replace(suite.failure_requirements(), **given)
    return asked.for_gate() if flags["as_gate"] else asked


def judge_failure(
    path: Path,
    document: Document | Unread,
    suite: Suite,
    asked: FailureRequirements,
    *,
    checkout: Path,
    dry_run: bool,
) -> Verdict:
    """Return the verdict on failure evidence, read or not."""
    less = loosened(asked, suite.failure_requirements())
    refuse_loosened(less, dry_run=dry_run)
    if isinstance(document, Document):
        files = look_up(references_of(document.data), checkout, path)
        return verify(document, asked, now_us(), files=files, dry_run=dry_run, loosened=less)
    return unread(
        "failure",
        document,
        path=str(path),
        required_level=asked.minimum_level,
        now_us=now_us(),
        dry_run=dry_run,
        loosened=less,
    )


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: --evidence-path stressproof-results/failure.json",
)
@click.option(
    "--evidence-path",
    required=True,
    type=click.Path(path_type=Path),
    help="The artifact to judge.",
)
@click.option(
    "--checkout",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    show_default="the working directory",
    help="The folder that references to files are relative to.",
)
@failure_options
@showing_options
@explain_option(RULES)
def command(
    evidence_path: Path,
    checkout: Path,
    form: str,
    decision_out: str | None,
    dry_run: bool,  # noqa: FBT001  # a flag
    **flags: Any,
) -> Exit:
    """Judge a failure-injection artifact against the protocol, and say why."""
    suite = chosen_suite()
    asked = requirements_from(suite, flags)
    verdict = judge_failure(
        evidence_path,
        read_or_reason(evidence_path),
        suite,
        asked,
        checkout=checkout,
        dry_run=dry_run,
    )
    return conclude(verdict, OutputOptions(form, decision_out, dry_run))
