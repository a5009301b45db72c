"""The protocol's enterprise gate: what the environment names, then every quality step."""

import sys

try:
    from stressproof.cli.gate_enterprise import command
    from stressproof.cli.run import run
except ModuleNotFoundError as error:
    sys.stderr.write(f"{error}: this is not the workspace's environment\n")
    sys.stderr.write("  Run it as: uv run python scripts/run_enterprise_tdd_gate.py\n")
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(run(command, "run_enterprise_tdd_gate.py", suite="enforcement_suite.suite:SUITE"))
