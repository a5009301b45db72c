"""The protocol's one-pass command: both kinds of evidence, every quality step, one decision."""

import sys

from stressproof.cli.gate_release import command
from stressproof.cli.run import run

NAME = "run_enforcement_release_evidence_gate.py"

if __name__ == "__main__":
    sys.exit(run(command, NAME, suite="enforcement_suite.suite:SUITE"))
