"""The verifier of stress evidence, as a script of its own and behind ``stressproof verify``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
import msgspec

from stressproof.cli.param_types import LIMIT, WHOLE
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
from stressproof.config.stress_requirements import Requirements, loosened
from stressproof.evidence.level import Level
from stressproof.evidence.reading import Document
from stressproof.exits import Exit
from stressproof.suite import Suite
from stressproof.verify.stress.verifier import RULES, verify
from stressproof.verify.verdict import Verdict, unread

if TYPE_CHECKING:
    from pathlib import Path

_OPTIONS: tuple[Callable[[CommandT], CommandT], ...] = (
    click.option(
        "--expected-profile",
        "profile",
        cls=SuiteOption,
        of_suite=lambda suite: suite.stress_requirements().profile,
        help="The profile that must have been run.",
    ),
    click.option("--min-rounds", type=WHOLE, help="Fewest rounds."),
    click.option("--min-duration-seconds", type=WHOLE, help="Shortest round."),
    click.option("--min-concurrent-users", type=WHOLE, help="Fewest concurrent users."),
    click.option("--required-database-engine", "database_engine", help="The engine, exactly."),
    click.option("--max-p95-seconds", type=LIMIT, help="Limit of p95 in every round."),
    click.option("--max-error-rate-percent", type=LIMIT, help="Limit of errors in every round."),
    click.option("--min-throughput-rps", type=LIMIT, help="Least throughput of every round."),
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
        "--target", "targets", multiple=True, help="An origin that may be the target; repeatable."
    ),
    click.option("--no-loopback", is_flag=True, help="Refuse a target on the same machine."),
    click.option(
        "--minimum-level",
        type=click.Choice([Level.DECLARED.value, Level.RECOMPUTED.value]),
        help="Lowest assurance level that is enough  [default: declared]",
    ),
    click.option("--require-counters", is_flag=True, help="Demand the target's own counters."),
    click.option("--require-identity", is_flag=True, help="Demand the target's instance id."),
    click.option("--refuse-unsafe", is_flag=True, help="Refuse a target with protections off."),
    click.option("--refuse-unknown-fields", is_flag=True, help="Refuse fields no rule reads."),
    click.option("--as-gate", is_flag=True, help="Ask everything that a release gate asks."),
)


def stress_options(command: CommandT) -> CommandT:
    """Add every requirement that can be asked on the command line."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def requirements_from(suite: Suite, flags: dict[str, Any]) -> Requirements:
    """Return the profile's requirements with what the flags say instead."""
    base = suite.stress_requirements(flags["profile"] or "")
    given = {
        name: value
        for name, value in flags.items()
        # By identity: 0 is a limit that was asked for, the strictest one.
        if name in Requirements.__struct_fields__
        and not (value is None or value is False or value == ())
    }
    if flags["no_loopback"]:
        given["allow_loopback"] = False
    if "minimum_level" in given:
        given["minimum_level"] = Level(given["minimum_level"])
    asked = msgspec.structs.replace(base, **given)
    return asked.for_gate() if flags["as_gate"] else asked


def judge_stress(
    path: "Path | str",
    document: Document | Unread,
    suite: Suite,
    asked: Requirements,
    *,
    dry_run: bool,
) -> Verdict:
    """Return the verdict on stress evidence, read or not."""
    less = loosened(asked, suite.stress_requirements(asked.profile))
    refuse_loosened(less, dry_run=dry_run)
    if isinstance(document, Document):
        return verify(document, asked, now_us(), dry_run=dry_run, loosened=less)
    return unread(
        "stress",
        document,
        path=str(path),
        required_level=asked.minimum_level,
        now_us=now_us(),
        dry_run=dry_run,
        loosened=less,
    )


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: --evidence-path stressproof-results/stress.json --max-p95-seconds 1.5",
)
@click.option(
    "--evidence-path",
    required=True,
    type=click.Path(),
    help="The artifact to judge.",
)
@stress_options
@showing_options
@explain_option(RULES)
def command(
    evidence_path: str,
    form: str,
    decision_out: str | None,
    dry_run: bool,  # noqa: FBT001  # a flag
    **flags: Any,
) -> Exit:
    """Judge a stress artifact against the protocol, and say why."""
    suite = chosen_suite()
    asked = requirements_from(suite, flags)
    verdict = judge_stress(
        evidence_path, read_or_reason(evidence_path), suite, asked, dry_run=dry_run
    )
    return conclude(verdict, OutputOptions(form, decision_out, dry_run))
