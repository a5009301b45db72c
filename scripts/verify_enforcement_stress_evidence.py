"""The protocol's validation command: judge a stress artifact and say why."""

from stressproof.cli.fast_exit import run_briefly

if __name__ == "__main__":
    run_briefly(
        "stressproof.cli.verify_stress",
        "verify_enforcement_stress_evidence.py",
        suite="enforcement_suite.suite:SUITE",
    )
