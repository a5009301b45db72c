"""The protocol's validation command: judge a stress artifact and say why."""

import sys

try:
    from stressproof.cli.fast_exit import run_briefly
except ModuleNotFoundError as error:
    sys.stderr.write(f"{error}: this is not the workspace's environment\n")
    sys.stderr.write("  Run it as: uv run python scripts/verify_enforcement_stress_evidence.py\n")
    sys.exit(2)

if __name__ == "__main__":
    run_briefly(
        "stressproof.cli.verify_stress",
        "verify_enforcement_stress_evidence.py",
        suite="enforcement_suite.suite:SUITE",
    )
