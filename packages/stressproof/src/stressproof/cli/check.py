"""``stressproof check``: read a configuration, say what it asks, and ask it of evidence."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from stressproof.cli.examples import examples
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.param_types import Choice
from stressproof.config.compile import Project, load_config
from stressproof.config.schema import FILE_NAME, schema_text
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.objectives.burn import SloResult
from stressproof.objectives.explaining import explain_slo, explain_threshold
from stressproof.objectives.objectives import Objectives
from stressproof.objectives.results import ThresholdResult
from stressproof.outcome import Outcome

FORMATS = ("text", "json")
_SCHEMA = "stressproof.objectives/1"


class Answer(Struct, frozen=True):
    """Every objective and how it came out.

    Attributes:
        schema: Identifies this form.
        outcome: The worst of all.
        exit_code: What the process ends with.
        evidence: The artifact that was asked.
        thresholds: Each threshold's result.
        slos: Each objective's result.
        lines: All of it for people.
    """

    schema: str
    outcome: Outcome
    exit_code: int
    evidence: str
    thresholds: tuple[ThresholdResult, ...]
    slos: tuple[SloResult, ...]
    lines: list[str]


def _print_schema(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  # click's own signature
    del parameter
    if not wanted or context.resilient_parsing:
        return
    to_stdout(schema_text())
    context.exit(Exit.PASS)


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof check",
        "stressproof check --once",
        "stressproof check --profile health --url http://127.0.0.1:8080 --once",
        "stressproof check stressproof.toml --evidence stressproof-results/e.json",
        "stressproof check --threshold 'http_req_duration: p(95) < 200ms' --evidence e.json",
    ),
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    "texts",
    multiple=True,
    metavar="METRIC: EXPRESSION",
    help="One more threshold, such as 'http_req_failed: rate < 1%'; repeatable.",
)
@click.option(
    "--evidence", type=click.Path(path_type=Path), help="A stress artifact to ask it all of."
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="An artifact that passed, for limits relative to a baseline.",
)
@click.option(
    "--failure-evidence",
    type=click.Path(path_type=Path),
    help="A failure-injection artifact, for recovery(fault).",
)
@click.option(
    "--format",
    "form",
    type=Choice(FORMATS),
    default="text",
    show_default=True,
    help="How to show the answer on stdout.",
)
@click.option(
    "--profile",
    metavar="NAME",
    help="Show what this profile would send.  [default: the file's, where there is one alone]",
)
@click.option("--url", help="Base URL of the service instead of the file's.")
@click.option(
    "--once",
    is_flag=True,
    help="Send each request and flow once, and show questions and answers, secrets masked.",
)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of the file and exit.",
)
def command(
    file: Path | None,
    texts: Sequence[str],
    evidence: Path | None,
    baseline: Path | None,
    failure_evidence: Path | None,
    form: str,
    profile: str | None,
    url: str | None,
    *,
    once: bool,
) -> Exit:
    """Say what a project asks and would send; send it once; or judge evidence by its objectives.

    FILE is ./stressproof.toml where there is one and no --threshold is given. Nothing is sent
    without --once, which ends with 4 where there is no answer and with 99 where one is not as
    expected.
    """
    if once and evidence is not None:
        raise UsageError(
            "--once sends requests, and --evidence judges what was sent",
            hint="Leave one of them out.",
        )
    if once:
        from stressproof.cli.check_once import send_once, workload_of  # noqa: PLC0415  # the engine

        return send_once(workload_of(file, profile, url))
    project = gather(file, texts)
    if evidence is None and (baseline is not None or failure_evidence is not None):
        raise UsageError(
            "--baseline and --failure-evidence need --evidence",
            hint="Name the stress artifact that is judged.",
        )
    if evidence is None and form == "json":
        to_stdout(_as_json(project.objectives))
        return Exit.PASS
    if evidence is None:
        to_stdout(_in_words(project, _sent(file, profile, url)))
        return Exit.PASS
    found = answer(project.objectives, evidence, baseline, failure_evidence)
    if form == "text":
        to_stdout("\n".join([*found.lines, _summary(found)]))
    else:
        to_stdout(msgspec.json.encode(found).decode())
        to_stderr(_summary(found))
    return Exit(found.exit_code)


def _sent(file: Path | None, profile: str | None, url: str | None) -> list[str]:
    """Return what would be sent, line by line; nothing where no profile is meant."""
    if profile is None:
        return []
    from stressproof.cli.check_once import shown, workload_of  # noqa: PLC0415  # the engine

    return [*shown(workload_of(file, profile, url))]


def gather(file: Path | None, texts: Sequence[str]) -> Project:
    """Return what a file says, with the thresholds of flags added.

    Raises:
        UsageError: There is neither, or one of them cannot be meant.
    """
    if file is None and not texts:
        file = Path(FILE_NAME)
        if not file.exists():
            raise UsageError(
                f"there is no {FILE_NAME} here, and no --threshold was given",
                hint="Name a file, or let stressproof init write one.",
            )
    project = Project() if file is None else load_config(file)
    return msgspec.structs.replace(project, objectives=project.objectives.with_thresholds(texts))


def answer(
    objectives: Objectives,
    evidence: Path,
    baseline: Path | None = None,
    failure_evidence: Path | None = None,
) -> Answer:
    """Judge objectives on an artifact.

    Raises:
        StressproofError: The evidence or the baseline cannot be used.
    """
    from stressproof.cli.artifact import (  # noqa: PLC0415  # the verifier, 40 ms
        read_artifact,
        read_recoveries,
    )
    from stressproof.objectives.comparability import (  # noqa: PLC0415  # likewise
        Capture,
        check_alike,
        check_baseline,
    )
    from stressproof.objectives.evaluating import ask  # noqa: PLC0415  # likewise

    artifact = read_artifact(evidence)
    before = None if baseline is None else read_artifact(baseline)
    if before is not None:
        earlier = [Capture(str(baseline), before)]
        check_baseline(earlier)
        check_alike(earlier, [Capture(str(evidence), artifact)])
    recoveries = () if failure_evidence is None else read_recoveries(failure_evidence)
    found = ask(objectives, artifact, baseline=before, recoveries=recoveries)
    return Answer(
        schema=_SCHEMA,
        outcome=found.outcome,
        exit_code=int(found.outcome.exit),
        evidence=str(evidence),
        thresholds=found.thresholds,
        slos=found.slos,
        lines=found.lines,
    )


def _summary(found: Answer) -> str:
    outcomes = [*(one.outcome for one in found.thresholds), *(one.outcome for one in found.slos)]
    if not outcomes:
        return "INCONCLUSIVE: nothing was asked (exit 3)"
    counts = ", ".join(
        f"{outcomes.count(outcome)} {word}"
        for outcome, word in (
            (Outcome.PASS, "hold"),
            (Outcome.FAIL, "do not"),
            (Outcome.INCONCLUSIVE, "inconclusive"),
        )
        if outcomes.count(outcome)
    )
    total = len(outcomes)
    return f"{found.outcome.upper()}: of {total} objectives {counts} (exit {found.exit_code})"


def _in_words(project: Project, sent: Sequence[str]) -> str:
    objectives = project.objectives
    lines = [f"suite {project.suite}"] if project.suite else []
    target = project.plan.target
    lines += sent or ([f"target {target.url}"] if target is not None and target.url else [])
    for threshold in objectives.thresholds:
        lines += [str(threshold), f"  {explain_threshold(threshold)}"]
    for slo in objectives.slos:
        head, *pairs = explain_slo(slo)
        lines += [head, *(f"  {pair}" for pair in pairs)]
    lines += [f"gate step {step.name}: {' '.join(step.run)}" for step in project.steps]
    asked = len(objectives.thresholds) + len(objectives.slos)
    return "\n".join([*lines, f"valid: {asked} objectives" if asked else "valid: asks nothing"])


def _as_json(objectives: Objectives) -> str:
    told: dict[str, Any] = {
        "schema": _SCHEMA,
        "thresholds": [
            {"threshold": str(one), "means": explain_threshold(one)}
            for one in objectives.thresholds
        ],
        "slos": [{"name": slo.name, "means": explain_slo(slo)} for slo in objectives.slos],
    }
    return msgspec.json.encode(told).decode()
