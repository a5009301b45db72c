"""``stressproof compare``: is B slower than A, and how sure is that."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from stressproof.cli.artifact import read_artifact
from stressproof.cli.examples import examples
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.param_types import Choice
from stressproof.config.compile import load_config
from stressproof.config.objective_amounts import quantile_ppm, share_of
from stressproof.config.schema import FILE_NAME
from stressproof.errors import StressproofError, UsageError
from stressproof.exits import Exit
from stressproof.objectives.comparability import Capture
from stressproof.objectives.comparison import Comparison, Question, compare
from stressproof.outcome import Outcome


def _share(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        _parse(context, parameter, value)
    return value


def _parse(context: click.Context, parameter: click.Parameter, value: str) -> None:
    try:
        share_of(value)
    except StressproofError as error:
        raise click.BadParameter(f"{error.message}\n{error.hint}", context, parameter) from error


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("stressproof compare a1.json b1.json --pair a2.json b2.json --margin 5%"),
)
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--pair",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="A B",
    type=click.Path(path_type=Path),
    help="Further captures of both, taken alternately; repeatable.",
)
@click.option("--config", type=click.Path(path_type=Path), help=f"Margins of a {FILE_NAME}.")
@click.option("--margin", callback=_share, help="Slowdown that is tolerated  [default: 5%]")
@click.option(
    "--quantile", "quantiles", multiple=True, help="Such as 'p(95)'; repeatable, three by default."
)
@click.option(
    "--format",
    "form",
    type=Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to show the answer on stdout.",
)
def command(
    before: Path,
    after: Path,
    pairs: Sequence[tuple[Path, Path]],
    config: Path | None,
    margin: str | None,
    quantiles: Sequence[str],
    form: str,
) -> Exit:
    """Compare stress evidence of build B with that of build A, the baseline.

    A must have passed its own limits. A slowdown is called one where both were captured
    alternately (A B A B, one round each time, or more) and where it exceeds what samples and
    rounds explain; anything less is inconclusive.
    """
    question = load_config(config).objectives.question if config else Question()
    if margin is not None:
        question = msgspec.structs.replace(question, margin=share_of(margin))
    if quantiles:
        known = tuple(sorted({quantile_ppm(text) for text in quantiles}))
        question = msgspec.structs.replace(question, quantiles_ppm=known)
    sides = [[before, *(a for a, _ in pairs)], [after, *(b for _, b in pairs)]]
    paths = [path.resolve() for side in sides for path in side]
    if len(set(paths)) < len(paths):
        raise UsageError(
            "the same file is given twice", hint="A capture compared with itself proves nothing."
        )
    a, b = ([Capture(str(path), read_artifact(path)) for path in side] for side in sides)
    found = compare(a, b, question)
    if form == "json":
        to_stdout(msgspec.json.encode(found).decode())
        to_stderr(_verdict(found))
    else:
        to_stdout("\n".join([*(figures.sentence for figures in found.figures), _verdict(found)]))
    return found.outcome.exit


def _verdict(found: Comparison) -> str:
    rounds = f"{found.rounds_before} and {found.rounds_after} rounds"
    how = (
        "interleaved" if found.interleaved else f"not interleaved: {found.not_interleaved_because}"
    )
    counts = [one.outcome for one in found.figures]
    words = {
        Outcome.PASS: f"nothing became slower by more than {found.margin * 100:g} %",
        Outcome.FAIL: f"{counts.count(Outcome.FAIL)} of {len(counts)} figures became worse",
        Outcome.INCONCLUSIVE: (
            f"{counts.count(Outcome.INCONCLUSIVE)} of {len(counts)} figures cannot be decided; "
            f"it takes {found.rounds_needed} interleaved rounds a side to call one slower"
        ),
    }
    return (
        f"{found.outcome.upper()}: {words[found.outcome]} ({rounds}, {how}; "
        f"exit {int(found.outcome.exit)})"
    )
