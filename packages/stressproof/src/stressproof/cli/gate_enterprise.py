"""The protocol's enterprise gate (``scripts/run_enterprise_tdd_gate.py``)."""

import os
from pathlib import Path

import click

from stressproof.cli.gate_common import GateOutputOptions, run_and_conclude, showing_options
from stressproof.exits import Exit
from stressproof.gate.environment import SETTINGS, read_settings
from stressproof.gate.gate import ENTERPRISE
from stressproof.gate.request import GateRequest

_VARIABLES = "\n".join(f"{setting.variable}: {setting.meaning}" for setting in SETTINGS)


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\nThe environment says which evidence is judged, and how strictly:\n{_VARIABLES}",
)
@showing_options
def command(
    form: str,
    decision_out: Path | None,
    dry_run: bool,  # noqa: FBT001  # a flag
) -> Exit:
    """Judge the evidence that the environment names, then run every quality step."""

    def ask() -> GateRequest:
        return read_settings(os.environ, {}, dry_run=dry_run)

    return run_and_conclude(ENTERPRISE, GateOutputOptions(form, decision_out, dry_run), ask)
