"""``stressproof slo``: error budgets in production and in a run."""

from pathlib import Path

import click
from msgspec.structs import replace

from stressproof.cli.examples import examples
from stressproof.cli.output import to_stdout
from stressproof.config.compile import YAML, load_config
from stressproof.config.reading import read_bytes
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.objectives.objectives import Objectives


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof slo rules stressproof.toml > rules.yml",
        "stressproof slo judge stressproof.toml stressproof-results/e.json",
    ),
)
def command() -> None:
    """Error budgets: rules for production, and what a run says of them.

    FILE is a stressproof.toml, or OpenSLO v1 where it ends in .yaml or .yml.
    """


def _load(path: Path) -> Objectives:
    """Return a file's objectives.

    Raises:
        UsageError: It cannot be read, or has none.
    """
    objectives = load_config(path).objectives
    if not objectives.slos:
        raise UsageError(f"{path}: has no objectives", hint="Add a [[slo]] table.")
    return objectives


@command.command(epilog=examples("stressproof slo rules stressproof.toml > rules.yml"))
@click.argument("file", type=click.Path(path_type=Path))
def rules(file: Path) -> Exit:
    """Write Prometheus recording and alerting rules for the objectives of FILE.

    FILE may also hold queries of production: OpenSLO's ratios of PromQL, Sloth's prometheus/v1.
    """
    from stressproof.objectives.production import read_production  # noqa: PLC0415  # on use
    from stressproof.objectives.prometheus import rules as rule_file  # noqa: PLC0415  # on use

    if file.suffix.lower() in YAML and b"type: stressproof" not in (data := read_bytes(file)):
        to_stdout(rule_file(read_production(data, str(file))))
    else:
        to_stdout(rule_file(_load(file).slos))
    return Exit.PASS


@command.command(epilog=examples("stressproof slo judge openslo.yaml stressproof-results/e.json"))
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("evidence", type=click.Path(path_type=Path))
def judge(file: Path, evidence: Path) -> Exit:
    """Judge the objectives of FILE on the stress artifact EVIDENCE."""
    from stressproof.cli.artifact import read_artifact  # noqa: PLC0415  # the verifier, 40 ms
    from stressproof.objectives.evaluating import ask  # noqa: PLC0415  # likewise

    objectives = replace(_load(file), thresholds=())
    found = ask(objectives, read_artifact(evidence))
    code = found.outcome.exit
    to_stdout("\n".join([*found.lines, f"{found.outcome.upper()} (exit {int(code)})"]))
    return code
