"""``stressproof inject``: break a service on purpose, keep proof."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stressproof.cli.ci_forms import CiForms, check_places, ci_options, write_forms
from stressproof.cli.examples import examples
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.param_types import Whole
from stressproof.cli.run import run
from stressproof.cli.sign_options import SignOptions, sign_options
from stressproof.cli.suite_choice import chosen_suite
from stressproof.exits import Exit

if TYPE_CHECKING:
    from stressproof.failures.artifact import FailureArtifact

_SEED_BITS = 32


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof inject --output failure.json --executed-by ada --approved-by grace",
        then="Exit codes: 0 all passed · 3 inconclusive · 5 a fault could not be applied or "
        "removed · 99 a scenario failed.",
    ),
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where the failure artifact goes; it is written whatever comes out.",
)
@click.option("--executed-by", required=True, metavar="NAME", help="Who runs this.")
@click.option("--approved-by", required=True, metavar="NAME", help="Somebody else, who approves.")
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="ID",
    help="Only this one (repeatable); release evidence needs all.",
)
@click.option(
    "--seed",
    type=Whole(0, 2**_SEED_BITS - 1),
    help="Of schedules and load; drawn and recorded where it is not given.",
)
@click.option(
    "--workers",
    type=Whole(2, 32),
    default=2,
    show_default=True,
    help="Processes of the service.",
)
@click.option("--quick", is_flag=True, help="One fault a scenario; never release evidence.")
@click.option("--force", is_flag=True, help="Discard a file that is in the way.")
@ci_options
@sign_options
def command(
    output: Path,
    executed_by: str,
    approved_by: str,
    scenarios: Sequence[str],
    seed: int | None,
    workers: int,
    *,
    quick: bool,
    force: bool,
    **options: Any,
) -> Exit:
    """Inject failures into a live service and its database, and keep the evidence.

    Starts the suite's service here, with a database of its own and the fault proxy between them,
    on free ports: nothing else is touched. Each scenario runs once without and once with its
    faults, under load. Ctrl-C undoes what holds and keeps what was concluded.
    """
    from stressproof.capture.inject import inject  # noqa: PLC0415  # --help needs none of it
    from stressproof.cli.report_page import write_beside  # noqa: PLC0415  # likewise
    from stressproof.cli.signed_run import signed_run  # noqa: PLC0415  # likewise

    forms = CiForms.of(options)
    check_places(forms)
    suite = chosen_suite()
    demanded = suite.failure_requirements().scenarios
    with signed_run(
        SignOptions.taken_from(options),
        output,
        kind="failure",
        profile=suite.failure_requirements().profile,
        scenarios=scenarios or [spec.id for spec in demanded],
    ) as signed:
        artifact = inject(
            output,
            suite,
            executed_by=executed_by,
            approved_by=approved_by,
            scenarios=scenarios,
            seed=seed,
            workers=workers,
            quick=quick,
            force=force,
            say=to_stderr,
        )
        whole = not quick and len(artifact.scenarios) == len(demanded)
        code = _exit_code(artifact, whole=whole)
        signed.end(code, output)
    lines = [f"{one.id}  {one.status:<12} {one.spec.title}" for one in artifact.scenarios]
    lines += [f"        {why}" for one in artifact.scenarios for why in one.reasons]
    summary = artifact.summary
    lines.append(
        f"{summary.passed_scenarios} of {summary.total_scenarios} passed, "
        f"{summary.inconclusive_scenarios} inconclusive; evidence in {output}, "
        f"report in {write_beside(output)}"
    )
    if not whole:
        lines.append("NOT RELEASE EVIDENCE: not all scenarios with all their faults")
    to_stdout("\n".join(lines))
    write_forms(forms, [output])
    return code


def _exit_code(artifact: "FailureArtifact", *, whole: bool) -> Exit:
    if any(one.status == "fail" for one in artifact.scenarios):
        return Exit.OBJECTIVES
    return Exit.PASS if artifact.summary.overall_passed and whole else Exit.INCONCLUSIVE


def script(name: str, suite: str) -> int:
    """Run as the protocol's script."""
    return run(command, name, suite=suite)
