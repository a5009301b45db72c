"""The quality steps of this project's own enterprise gate, as data."""

from stressproof.objectives.steps import PYTHON, SECOND_US, Step

OFFLINE_SPINE = ("measure", "evidence", "objectives", "verify", "trust", "gate")
"""Rooms whose tests the gate counts: what a verdict and a decision rest on."""

COVERAGE_FLOOR_PERCENT = 90

OWN_STEPS = (
    Step(name="lint", run=(PYTHON, "-m", "ruff", "check", ".")),
    Step(name="format", run=(PYTHON, "-m", "ruff", "format", "--check", ".")),
    Step(name="types", run=(PYTHON, "-m", "mypy")),
    Step(
        name="imports",
        # The package cannot be run as a module; this is what its console script does.
        run=(PYTHON, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"),
        needs=("importlinter",),
    ),
    Step(
        name="tests",
        run=(
            *(PYTHON, "-m", "pytest", "-m", "gate", "-q", "-p", "no:cacheprovider"),
            # CI looks for new faults by chance; a decision on a commit is the same every time.
            *("-p", "no:randomly", "--hypothesis-seed=0", "-n", "auto"),
            *(f"--cov=stressproof.{room}" for room in OFFLINE_SPINE),
            "--cov-report=term",
            f"--cov-fail-under={COVERAGE_FLOOR_PERCENT}",
        ),
        timeout_us=1800 * SECOND_US,
        needs=("pytest_cov", "xdist", "hypothesis"),
    ),
)
"""This project's own: what its CI demands of a change, without servers."""
