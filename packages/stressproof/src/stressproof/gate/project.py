"""The steps that a project names in ``stressproof.toml``; this one's own are built in."""

from pathlib import Path

from stressproof.errors import UsageError
from stressproof.gate.steps import OWN_STEPS
from stressproof.objectives.config import FILE_NAME
from stressproof.objectives.steps import Step

_OUR_SOURCE = Path("src/stressproof/gate/steps.py")

EXAMPLE = '[gate] steps = [{ name = "tests", run = ["python", "-m", "pytest", "-q"] }]'


def read_steps(root: Path) -> tuple[Step, ...]:
    """Return the quality steps of a project.

    Args:
        root: Its folder.

    Raises:
        UsageError: It names none, or what it names cannot be meant: a gate that checks nothing
            would pass everything.
    """
    path = root / FILE_NAME
    if path.exists():
        # Thresholds and their grammar come with it; a project without the file needs none of that.
        from stressproof.objectives.compile import load  # noqa: PLC0415

        steps = load(path).steps
    else:
        steps = OWN_STEPS if (root / _OUR_SOURCE).is_file() else ()
    if not steps:
        raise UsageError(
            f"{path} names no quality steps, so the gate would check nothing",
            hint=f"Write for example: {EXAMPLE}",
        )
    return steps
