"""The protocol's one-pass command: both kinds of evidence, every quality step, one decision."""

import sys

try:
    from stressproof.cli.gate_release import command
    from stressproof.cli.run import run
except ModuleNotFoundError as error:
    sys.stderr.write(f"{error}: this is not the workspace's environment\n")
    sys.stderr.write(
        "  Run it as: uv run python scripts/run_enforcement_release_evidence_gate.py\n"
    )
    sys.exit(2)

NAME = "run_enforcement_release_evidence_gate.py"

if __name__ == "__main__":
    sys.exit(run(command, NAME, suite="enforcement_suite.suite:SUITE"))
