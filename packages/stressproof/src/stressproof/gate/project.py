"""What a project's ``stressproof.toml`` says to its gate."""

from stressproof.config.compile import Project
from stressproof.config.schema import FILE_NAME
from stressproof.config.steps import Step
from stressproof.errors import UsageError

EXAMPLE = '[gate] steps = [{ name = "tests", run = ["python", "-m", "pytest", "-q"] }]'


def steps_of(project: Project) -> tuple[Step, ...]:
    """Return the quality steps of a project.

    Raises:
        UsageError: It names none: a gate that checks nothing would pass everything.
    """
    if not project.steps:
        path = project.folder / FILE_NAME
        # The policy is a commit's: a file that lies there may not be in it.
        seen = ", as committed, names no quality steps" if path.exists() else " is not there"
        raise UsageError(
            f"{path}{seen}, so the gate would check nothing",
            hint=f"Write and commit for example: {EXAMPLE}",
        )
    return project.steps
