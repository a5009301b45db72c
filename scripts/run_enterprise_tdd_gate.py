"""The protocol's enterprise gate: what the environment names, then every quality step."""

import sys

from stressproof.cli.gate_enterprise import command
from stressproof.cli.run import run

if __name__ == "__main__":
    sys.exit(run(command, "run_enterprise_tdd_gate.py", suite="enforcement_suite.suite:SUITE"))
