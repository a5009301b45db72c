"""``stressproof inject``: break a service on purpose, keep proof."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stressproof.cli.ci_forms import CiForms, check_places, ci_options, write_forms
from stressproof.cli.default_out import default_out
from stressproof.cli.examples import examples
from stressproof.cli.output import to_stdout
from stressproof.cli.param_types import Whole
from stressproof.cli.run import run
from stressproof.cli.sign_options import SignOptions, sign_options
from stressproof.cli.suite_choice import chosen_subject
from stressproof.config.schema import EVIDENCE_FOLDER
from stressproof.exits import Exit

if TYPE_CHECKING:
    from stressproof.capture.injection import InjectionPlan
    from stressproof.failures.artifact import FailureArtifact
    from stressproof.report.injection_progress import InjectionProgress

_SEED_BITS = 32
_WORDS = {Exit.PASS: "PASS", Exit.OBJECTIVES: "FAIL", Exit.INCONCLUSIVE: "INCONCLUSIVE"}


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof inject --dry-run",
        "stressproof inject --executed-by ada --approved-by grace",
        "stressproof inject --scenario SHOP-001 --executed-by ada --approved-by grace",
        then="Exit codes: 0 all passed · 3 inconclusive, or the steady state is unhealthy · "
        "5 a fault could not be applied or removed · 99 a scenario failed.",
    ),
)
@click.option(
    "--out",
    "--output",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default=f"{EVIDENCE_FOLDER}TIME.failures.json",
    help="Where the failure artifact goes; it is written whatever comes out.",
)
@click.option("--executed-by", metavar="NAME", help="Who runs this; needed unless --dry-run.")
@click.option("--approved-by", metavar="NAME", help="Somebody else, who approves; likewise.")
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
    show_default="the file's",
    help="Processes of the service, where its command has {{workers}}.",
)
@click.option(
    "--break",
    "breaks",
    multiple=True,
    metavar="FAULT",
    help="Permit this fault, by its id, to hit what was not started here (repeatable).",
)
@click.option(
    "--allow-upstream",
    "upstreams",
    multiple=True,
    metavar="HOST",
    help="Let proxies lead to this host beyond this machine (repeatable).",
)
@click.option("--dry-run", is_flag=True, help="Start all of it, run the baselines, and stop there.")
@click.option("--quick", is_flag=True, help="One fault a scenario; never release evidence.")
@click.option("--force", is_flag=True, help="Discard a file that is in the way.")
@ci_options
@sign_options
def command(
    output: Path | None,
    executed_by: str | None,
    approved_by: str | None,
    scenarios: Sequence[str],
    seed: int | None,
    workers: int | None,
    breaks: Sequence[str],
    upstreams: Sequence[str],
    *,
    dry_run: bool,
    quick: bool,
    force: bool,
    **options: Any,
) -> Exit:
    """Inject failures into a live service and what it depends on, and keep the evidence.

    Starts what stressproof.toml names (or the suite's service) here, with fault proxies before its
    dependencies, on free ports: nothing else is touched. Each scenario runs once without and once
    with its faults, under load. Ctrl-C undoes what holds and keeps what was concluded.
    """
    from stressproof.capture.inject import plan_injection  # noqa: PLC0415  # --help needs none of it
    from stressproof.faults.permissions import Permissions  # noqa: PLC0415  # likewise

    forms = CiForms.of(options)
    check_places(forms)
    signing = SignOptions.taken_from(options)
    asked = partial(
        plan_injection,
        chosen_subject(),
        scenarios=scenarios,
        seed=seed,
        workers=workers,
        permissions=Permissions(tuple(breaks), tuple(upstreams)),
        quick=quick,
        force=force,
    )
    if dry_run:
        return _rehearse(asked(output or Path(), executed_by="", approved_by=""))
    for option, name in (("--executed-by", executed_by), ("--approved-by", approved_by)):
        if name is None:
            raise click.UsageError(f"Missing option '{option}'.")
    plan = asked(
        output or default_out("failures"),
        executed_by=executed_by or "",
        approved_by=approved_by or "",
    )
    return _inject(plan, forms, signing)


def _rehearse(plan: "InjectionPlan") -> Exit:
    """Run the baselines alone, and say what they show."""
    from stressproof.capture.injection import Injection  # noqa: PLC0415  # likewise

    with _shown(plan) as shown:
        baselines = Injection(plan, shown.say, watch=shown.watch).rehearse()
    lines = []
    outcomes = set()
    for name, trial in baselines.items():
        wrong = [check for check in trial.checks if check.outcome != "pass"]
        outcomes |= {check.outcome for check in wrong}
        lines.append(
            f"{name}  {len(trial.operations.rows)} requests, "
            f"{len(trial.checks) - len(wrong)} of {len(trial.checks)} checks hold"
        )
        lines += [
            f"        {check.outcome}: {check.title} ({check.violations} of {check.compared})"
            for check in wrong
        ]
    to_stdout("\n".join([*lines, "NOT RELEASE EVIDENCE: a rehearsal, nothing was broken"]))
    if "fail" in outcomes:
        return Exit.OBJECTIVES
    return Exit.INCONCLUSIVE if outcomes else Exit.PASS


def _inject(plan: "InjectionPlan", forms: CiForms, signing: SignOptions) -> Exit:
    """Inject, say what came out, and return the exit code."""
    from stressproof.capture.injection import (  # noqa: PLC0415  # likewise
        Injection,
        check_identities,
    )
    from stressproof.cli.signed_run import signed_run  # noqa: PLC0415  # likewise

    check_identities(plan.executed_by, plan.approved_by)  # a run that never was leaves no record
    output = plan.output
    run = signed_run(
        signing,
        output,
        kind="failure",
        profile=plan.suite.failure_requirements().profile,
        scenarios=[spec.id for spec in plan.stage.scenarios],
    )
    with run as signed:
        with _shown(plan) as shown:
            artifact = Injection(plan, shown.say, watch=shown.watch).run()
        whole = _is_whole(plan, artifact)
        code = _exit_code(artifact, whole=whole)
        signed.end(code, output)
    _conclude(artifact, plan, code)
    write_forms(forms, [output])
    return code


@contextlib.contextmanager
def _shown(plan: "InjectionPlan") -> "Iterator[InjectionProgress]":
    """Show on stderr how the injection goes."""
    from stressproof.report.injection_progress import (  # noqa: PLC0415  # likewise
        InjectionProgress,
    )
    from stressproof.report.progress import Progress  # noqa: PLC0415  # likewise

    scenarios = plan.stage.scenarios
    with Progress(sys.stderr) as progress, InjectionProgress(progress, scenarios) as shown:
        yield shown


def _conclude(artifact: "FailureArtifact", plan: "InjectionPlan", code: Exit) -> None:
    """Show what came out, and last the verdict with what to do next."""
    from stressproof.cli.report_page import write_beside  # noqa: PLC0415  # likewise
    from stressproof.report.injection_summary import summary  # noqa: PLC0415  # likewise
    from stressproof.report.lines import Line, shown, width_of, worded  # noqa: PLC0415  # likewise

    told = artifact.summary
    lines = summary(artifact, width_of(sys.stdout))
    lines += [Line(f"artifact: {plan.output}", whole=True)]
    lines += [Line(f"report: {write_beside(plan.output)}", whole=True)]
    why = f"{told.passed_scenarios} of {told.total_scenarios} passed"
    if told.inconclusive_scenarios:
        why += f", {told.inconclusive_scenarios} inconclusive"
    if not _is_whole(plan, artifact):
        lines.append(Line("NOT RELEASE EVIDENCE: not all scenarios with all their faults"))
        why += ", and not all faults of all scenarios were injected"
    last = f"{_WORDS[code]} (exit {code}): {why}. Next: stressproof verify {plan.output}"
    to_stdout(shown([*lines, *worded(last)], sys.stdout))


def _is_whole(plan: "InjectionPlan", artifact: "FailureArtifact") -> bool:
    """Return whether every fault of every scenario was injected."""
    left_out = {one.fault for one in artifact.stage.unsupported}
    asked = [fault.id for spec in plan.stage.scenarios for fault in spec.faults]
    return plan.stage.whole and not plan.quick and left_out.isdisjoint(asked)


def _exit_code(artifact: "FailureArtifact", *, whole: bool) -> Exit:
    if any(one.status == "fail" for one in artifact.scenarios):
        return Exit.OBJECTIVES
    return Exit.PASS if artifact.summary.overall_passed and whole else Exit.INCONCLUSIVE


def script(name: str, suite: str) -> int:
    """Run as the protocol's script."""
    return run(command, name, suite=suite)
