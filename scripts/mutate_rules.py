"""Mutation testing of the verifiers' rules, with the corpus of forgeries, in process.

    uv run python scripts/mutate_rules.py [--sample 1500] [--seed 1] [--module NAME]

A mutant is a rule module with one operator, number or statement changed. It is killed where a
forgery is no longer caught by its rule, an honest variant no longer passes, or a rule no longer
compares anything. What survives is printed, and ends with 1 unless
tests/conformance/surviving_mutants.txt lists it with a reason.
"""

import importlib
import random
import sys
import time
from pathlib import Path

import click

from stressproof.cli.output import to_stderr
from stressproof.cli.run import run

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS / "conformance"), str(TESTS / "support")]


@click.command()
@click.option("--sample", type=click.IntRange(1), default=1500, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--module", "only", help="Mutate only modules whose name ends so.")
def command(sample: int, seed: int, only: str | None) -> int:
    """Mutate rules, and list what no forgery and no honest variant notices."""
    mutants = importlib.import_module("mutation.mutants")
    killing = importlib.import_module("mutation.killing")
    begin = time.monotonic()
    every = [
        mutant
        for module in mutants.MODULES
        if only is None or module.endswith(only)
        for mutant in mutants.of_module(module)
    ]
    chosen = random.Random(seed).sample(every, min(sample, len(every)))  # noqa: S311  # a sample
    sources = killing.corpus()
    known = [source.known() for source in sources]
    to_stderr(f"{len(chosen)} of {len(every)} mutants against {len(known)} cases")
    allowed = killing.listed()
    alive = [mutant for mutant in chosen if killing.survives(mutant, sources, known)]
    unlisted = [mutant for mutant in alive if mutant.name not in allowed]
    for mutant in sorted(unlisted, key=lambda each: (each.module, each.line)):
        to_stderr(f"survived, line {mutant.line}:\n{mutant.name}")
    to_stderr(
        f"{len(chosen) - len(alive)} killed, {len(alive)} survived "
        f"({len(alive) - len(unlisted)} of them listed) in {time.monotonic() - begin:.0f} s"
    )
    return int(bool(unlisted))


if __name__ == "__main__":
    sys.exit(run(command, "mutate_rules.py"))
