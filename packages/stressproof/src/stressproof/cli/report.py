"""``stressproof report FILE…``: evidence as a page that can be handed on."""

from pathlib import Path

import click

from stressproof.cli.output import to_stderr
from stressproof.evidence.reading import read_document
from stressproof.evidence.writing import check_writable, write_atomic
from stressproof.exits import Exit, strongest


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: stressproof report stressproof-results/*.json --html report.html",
)
@click.argument("evidence", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--html",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where to write the page: one file that needs nothing else.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="An earlier stress artifact to draw beside each.",
)
def command(evidence: tuple[str, ...], out: Path, baseline: Path | None) -> Exit:
    """Show evidence to whoever has to decide: what happened, why, and what to do next.

    Stress and failure evidence go into one page, in the order given. The page is made from the
    evidence alone, so the same files give the same bytes; how old evidence may be, a gate judges.
    """
    from stressproof.cli.artifact import read_artifact  # noqa: PLC0415  # the verifier, 40 ms
    from stressproof.cli.report_page import pages_of  # noqa: PLC0415  # likewise
    from stressproof.report.html.document import render  # noqa: PLC0415  # a template engine

    before = None if baseline is None else read_artifact(baseline)
    pages = pages_of([read_document(path) for path in evidence], before)
    check_writable(out)
    write_atomic(out, render(pages).encode())
    to_stderr(f"report written to {out}")
    for page in pages:
        to_stderr(f"{page.word}  {page.verdict.path}: {page.sentence}")
    return strongest({page.verdict.exit_code for page in pages})
