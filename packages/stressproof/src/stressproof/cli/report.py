"""``stressproof report FILE…``: evidence as a page to hand on, or as CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stressproof.cli.ci_forms import CiForms, ci_options, write_forms
from stressproof.cli.examples import examples
from stressproof.cli.otlp_option import named_collector, otlp_option, sender_to
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.sign_options import POLICY, POLICY_REF, committed_policy
from stressproof.errors import UsageError
from stressproof.evidence.reading import read_document
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.writing import check_writable, write_atomic
from stressproof.exits import Exit, strongest
from stressproof.trust.policy import TrustPolicy

_STDOUT = "-"


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof report stressproof-results/*.json --html report.html",
        "stressproof report run.json --csv run.csv",
    ),
)
@click.argument("evidence", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the page: one file that needs nothing else.",
)
@click.option(
    "--csv",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Where to write a line for each endpoint in each second of stress evidence; - is stdout.",
)
@click.option(
    "--openmetrics",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Where to write stress evidence as OpenMetrics text; - is stdout.",
)
@otlp_option("Send stress evidence to this OpenTelemetry collector")
@click.option(
    "--site",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write a page for each artifact of a folder, and one over all of them.",
)
@ci_options
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    help="An earlier stress artifact to draw beside each.",
)
@POLICY
@POLICY_REF
def command(
    evidence: tuple[str, ...],
    html: Path | None,
    csv: Path | None,
    openmetrics: Path | None,
    otlp: str | None,
    site: Path | None,
    baseline: Path | None,
    trust_file: str,
    policy_ref: str,
    **options: Any,
) -> Exit:
    """Show evidence to whoever has to decide: what happened, why, and what to do next.

    Stress and failure evidence go into one page, in the order given. The page is made from the
    evidence alone, so the same files give the same bytes; how old evidence may be, a gate judges.
    """
    forms = CiForms.of(options)
    measurements = any(place is not None for place in (csv, openmetrics, otlp))
    if html is None and site is None and not measurements and not forms.wanted:
        raise UsageError(
            "no form of the report is named",
            hint="Add --html report.html, --csv run.csv, --junit run.xml, or --site out.",
        )
    if site is not None:
        if html is not None or baseline is not None or measurements or forms.wanted:
            raise UsageError("--site is a form of its own", hint="Give it alone.")
        return _write_site(evidence, site)
    if baseline is not None and html is None:
        raise UsageError("--baseline is drawn on a page", hint="Add --html report.html.")
    if (trust_file or policy_ref) and html is None:
        raise UsageError(
            "--policy and --policy-ref say on a page who signed", hint="Add --html report.html."
        )
    if measurements:
        _write_measurements(evidence, csv, openmetrics, otlp)
    write_forms(forms, [Path(path) for path in evidence])
    if html is None:
        return Exit.PASS
    policy = committed_policy(trust_file, policy_ref)[0] if trust_file or policy_ref else None
    return _write_page(evidence, html, baseline, policy)


def _write_site(folders: tuple[str, ...], out: Path) -> Exit:
    from stressproof.cli.report_site import INDEX, write_site  # noqa: PLC0415  # many pages

    if len(folders) != 1 or not Path(folders[0]).is_dir():
        raise UsageError(
            f"--site is about one folder of evidence, not {', '.join(folders)}",
            hint="Such as: stressproof report stressproof-results --site out",
        )
    for other in write_site(Path(folders[0]), out):
        to_stderr(f"left out, no evidence: {other}")
    to_stderr(f"site written; open {out / INDEX}")
    return Exit.PASS


def _write_measurements(
    evidence: tuple[str, ...], csv: Path | None, openmetrics: Path | None, otlp: str | None
) -> None:
    from stressproof.cli.artifact import artifact_of  # noqa: PLC0415  # the verifier, 40 ms
    from stressproof.verify.kinds import kind_of  # noqa: PLC0415  # likewise
    from stressproof.verify.stress.verifier import STRESS  # noqa: PLC0415  # likewise

    documents = [read_document(path) for path in evidence]
    for document in documents:
        if kind_of(document) is not STRESS:
            raise UsageError(
                f"{document.path} is no stress evidence, and --csv, --openmetrics and --otlp are "
                "about its measurements",
                hint="Leave it out; --html shows failure evidence as well.",
            )
    loads = [(one.path, artifact_of(one)) for one in documents]
    if csv is not None:
        from stressproof.report.measurements_csv import csv_text  # noqa: PLC0415  # only for CSV

        _write(csv, csv_text(loads), "CSV")
    if openmetrics is not None:
        from stressproof.report.openmetrics import render  # noqa: PLC0415  # likewise

        _write(openmetrics, render([artifact for _, artifact in loads]), "OpenMetrics")
    if otlp is not None:
        _send([artifact for _, artifact in loads], otlp)


def _send(loads: Sequence[StressArtifact], otlp: str) -> None:
    """Send the metrics of some loads, each as often as a collector would have got them."""
    sender = sender_to(named_collector(otlp))
    from stressproof.report.otlp_metrics import of_evidence  # noqa: PLC0415  # an extra

    try:
        for artifact in loads:
            for metrics in of_evidence(artifact):
                sender.send(metrics)
    finally:
        sender.close()
    to_stderr(f"metrics sent to {sender.shown}")


def _write(out: Path, text: str, what: str) -> None:
    if str(out) == _STDOUT:
        to_stdout(text)
        return
    write_atomic(out, text.encode())
    to_stderr(f"{what} written to {out}")


def _write_page(
    evidence: tuple[str, ...], out: Path, baseline: Path | None, policy: TrustPolicy | None
) -> Exit:
    from stressproof.cli.artifact import read_artifact  # noqa: PLC0415  # likewise
    from stressproof.cli.report_page import pages_of  # noqa: PLC0415  # likewise
    from stressproof.report.html.document import render  # noqa: PLC0415  # a template engine

    before = None if baseline is None else read_artifact(baseline)
    pages = pages_of([read_document(path) for path in evidence], before, policy)
    check_writable(out)
    write_atomic(out, render(pages).encode())
    to_stderr(f"report written to {out}")
    for page in pages:
        to_stderr(f"{page.word}  {page.verdict.path}: {page.sentence}")
    return strongest({page.verdict.exit_code for page in pages})
