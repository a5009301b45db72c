"""``stressproof check``: read a configuration, say what it asks, and ask it of evidence."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from msgspec import Struct

from stressproof.cli.ci_forms import CiForms, check_places, ci_options
from stressproof.cli.examples import examples
from stressproof.cli.file_names import profile_names, target_names
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.param_types import Choice
from stressproof.config.compile import Project, load_config
from stressproof.config.schema import FILE_NAME
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.objectives.burn import SloResult
from stressproof.objectives.explaining import explain_slo, explain_threshold
from stressproof.objectives.expression import Threshold
from stressproof.objectives.results import ThresholdResult
from stressproof.outcome import Outcome
from stressproof.quantities import count_of

if TYPE_CHECKING:
    from stressproof.config.failures.plan import FailurePlan
    from stressproof.evidence.stress import StressArtifact
    from stressproof.objectives.evaluating import Answers

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
    from stressproof.config.whole_file import schema_text  # noqa: PLC0415  # 20 ms, only for this

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
    shell_complete=profile_names,
    help="Show what this profile would send.  [default: all of the file's; with --once the "
    "gate's, or the only one]",
)
@click.option(
    "--target",
    metavar="NAME",
    shell_complete=target_names,
    help="Which of [targets] is asked.  [default: [target]]",
)
@click.option("--url", help="Base URL of the service instead of the target's.")
@click.option(
    "--once",
    is_flag=True,
    help="Send each request and flow once, and show questions and answers, secrets masked.",
)
@ci_options
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
    target: str | None,
    url: str | None,
    *,
    once: bool,
    **options: Any,
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
    forms = CiForms.of(options)
    _demand_forms_of_something(forms, once=once, judged=evidence is not None)
    if once:
        from stressproof.cli.check_once import send_once, workload_of  # noqa: PLC0415  # the engine

        return send_once(workload_of(file, profile, target, url), forms)
    project = gather(file, texts)
    if evidence is None and (baseline is not None or failure_evidence is not None):
        raise UsageError(
            "--baseline and --failure-evidence need --evidence",
            hint="Name the stress artifact that is judged.",
        )
    if evidence is None and form == "json":
        to_stdout(_as_json(project))
        return Exit.PASS
    if evidence is None:
        to_stdout(_in_words(project, _sent(project, file, profile, target, url)))
        return Exit.PASS
    artifact, answers = judge(project, evidence, baseline, failure_evidence)
    found = _answer(evidence, answers)
    if form == "text":
        to_stdout("\n".join([*found.lines, _summary(found)]))
    else:
        to_stdout(msgspec.json.encode(found).decode())
        to_stderr(_summary(found))
    if forms.wanted:
        from stressproof.cli.check_forms import write_answers  # noqa: PLC0415  # few ask for it

        write_answers(forms, artifact, answers, _counted(found))
    return Exit(found.exit_code)


def _demand_forms_of_something(forms: CiForms, *, once: bool, judged: bool) -> None:
    """Refuse forms for CI of what has no outcome, and places that cannot be written.

    Raises:
        UsageError: Nothing is judged, or GitLab wants a load and none is there.
        OutputError: A place cannot be written.
    """
    if forms.wanted and not (once or judged):
        raise UsageError(
            "--junit, --gitlab and --github tell what came of evidence, or of sending once",
            hint="Add --evidence FILE, or --once.",
        )
    if once and forms.gitlab is not None:
        raise UsageError(
            "--gitlab compares loads, and --once sends none", hint="Use --junit for GitLab."
        )
    check_places(forms)


def _sent(
    project: Project, file: Path | None, profile: str | None, target: str | None, url: str | None
) -> Sequence[str]:
    """Return what would be sent, line by line; where no profile is meant, to whom."""
    if profile is None and not project.plan.profiles:
        table = project.plan.target_of(target or "")
        whom = url or table.url
        return [f"target {whom}"] if whom else []
    from stressproof.cli.check_file import sent_lines  # noqa: PLC0415  # the engine

    return sent_lines(project, file, profile, target, url)


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


def judge(
    project: Project,
    evidence: Path,
    baseline: Path | None = None,
    failure_evidence: Path | None = None,
) -> "tuple[StressArtifact, Answers]":
    """Judge a project's objectives, and those of an artifact's own profile, on the artifact.

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
    own = project.profile_thresholds.get(artifact.profile, ())
    objectives = project.objectives.with_more(own)
    recoveries = () if failure_evidence is None else read_recoveries(failure_evidence)
    return artifact, ask(objectives, artifact, baseline=before, recoveries=recoveries)


def _answer(evidence: Path, found: "Answers") -> Answer:
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
    return f"{found.outcome.upper()}: {_counted(found)} (exit {found.exit_code})"


def _counted(found: Answer) -> str:
    outcomes = [*(one.outcome for one in found.thresholds), *(one.outcome for one in found.slos)]
    if not outcomes:
        return "nothing was asked"
    counts = ", ".join(
        f"{outcomes.count(outcome)} {word}"
        for outcome, word in (
            (Outcome.PASS, "hold"),
            (Outcome.FAIL, "do not"),
            (Outcome.INCONCLUSIVE, "inconclusive"),
        )
        if outcomes.count(outcome)
    )
    return f"of {len(outcomes)} objectives {counts}"


def _in_words(project: Project, sent: Sequence[str]) -> str:
    objectives, profiles = project.objectives, project.profile_thresholds
    lines = [f"suite {project.suite}"] if project.suite else []
    lines += sent
    lines += _thresholds(objectives.thresholds)
    for name, thresholds in profiles.items():
        lines += _thresholds(thresholds, f"profile {name}: ")
    for slo in objectives.slos:
        head, *pairs = explain_slo(slo)
        lines += [head, *(f"  {pair}" for pair in pairs)]
    if project.gate.profile:
        from stressproof.cli.check_file import gate_lines  # noqa: PLC0415  # the engine

        lines += gate_lines(project)
    lines += _thresholds(project.gate_thresholds, "gate: ")
    lines += [f"gate step {step.name}: {' '.join(step.run)}" for step in project.steps]
    plan = _failures(project)
    failures = 0 if plan is None else len(plan.scenarios)
    if plan is not None:
        from stressproof.report.failure_text import failure_lines  # noqa: PLC0415  # few have any

        lines += failure_lines(plan)
    each = (*profiles.values(), objectives.thresholds, objectives.slos, project.gate_thresholds)
    counted = (
        (len(profiles), "profile"),
        (sum(map(len, each)), "objective"),
        (failures, "failure"),
    )
    asked = [count_of(number, word) for number, word in counted if number]
    return "\n".join([*lines, f"valid: {', '.join(asked) or 'asks nothing'}"])


def _thresholds(thresholds: Sequence[Threshold], whose: str = "") -> Iterator[str]:
    for threshold in thresholds:
        yield f"{whose}{threshold}"
        yield f"  {explain_threshold(threshold)}"


def _as_json(project: Project) -> str:
    def means(thresholds: Sequence[Threshold]) -> list[dict[str, str]]:
        return [{"threshold": str(one), "means": explain_threshold(one)} for one in thresholds]

    objectives = project.objectives
    told: dict[str, Any] = {
        "schema": _SCHEMA,
        "thresholds": means(objectives.thresholds),
        "slos": [{"name": slo.name, "means": explain_slo(slo)} for slo in objectives.slos],
        "profiles": {name: means(own) for name, own in project.profile_thresholds.items()},
        "gate": means(project.gate_thresholds),
    }
    plan = _failures(project)
    if plan is not None:
        from stressproof.report.failure_text import failure_records  # noqa: PLC0415  # likewise

        told["failures"] = failure_records(plan)
    return msgspec.json.encode(told).decode()


def _failures(project: Project) -> "FailurePlan | None":
    """Return what would be broken, as it is written: nothing is set yet.

    Raises:
        UsageError: The file names a suite that cannot be loaded.
    """
    if project.failures is None:
        from stressproof.suite import suite_of  # noqa: PLC0415  # only where the file has none

        suite = suite_of(project) if project.suite else None
        if suite is None or not suite.failure_file:
            return None
        project = suite.failure_project()
    from stressproof.config.file_failures import plan_failures  # noqa: PLC0415  # few have any

    return plan_failures(project)
