"""The protocol's failure-evidence validation: judge an injection artifact and say why."""

import sys

try:
    from stressproof.cli.fast_exit import run_briefly
except ModuleNotFoundError as error:
    sys.stderr.write(f"{error}: this is not the workspace's environment\n")
    sys.stderr.write(
        "  Run it as: uv run python scripts/verify_enforcement_failure_injection_evidence.py\n"
    )
    sys.exit(2)

if __name__ == "__main__":
    run_briefly(
        "stressproof.cli.verify_failure",
        "verify_enforcement_failure_injection_evidence.py",
        suite="enforcement_suite.suite:SUITE",
    )
