"""The protocol's failure-evidence validation: judge an injection artifact and say why."""

from stressproof.cli.fast_exit import run_briefly

if __name__ == "__main__":
    run_briefly(
        "stressproof.cli.verify_failure",
        "verify_enforcement_failure_injection_evidence.py",
        suite="enforcement_suite.suite:SUITE",
    )
