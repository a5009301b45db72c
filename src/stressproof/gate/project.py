"""The steps that a project names in ``stressproof.toml``; this one's own are built in."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from stressproof.errors import UsageError
from stressproof.gate.steps import OWN_STEPS, Step

FILE = "stressproof.toml"
_OUR_SOURCE = Path("src/stressproof/gate/steps.py")

EXAMPLE = 'steps = [{ name = "tests", run = ["python", "-m", "pytest", "-q"] }]'


class _GateTable(Struct, frozen=True, forbid_unknown_fields=True):
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=100)]


def read_steps(root: Path) -> tuple[Step, ...]:
    """Return the quality steps of a project.

    Args:
        root: Its folder.

    Raises:
        UsageError: It names none, or what it names cannot be meant: a gate that checks nothing
            would pass everything.
    """
    path = root / FILE
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if (root / _OUR_SOURCE).is_file():
            return OWN_STEPS
        raise UsageError(
            f"there is no {FILE} in {root}, so the gate has no quality steps",
            hint=f"Write one with: [gate] and {EXAMPLE}",
        ) from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="Make it a file that this user may read.",
        ) from error
    return _parse(raw, path)


def _parse(raw: bytes, path: Path) -> tuple[Step, ...]:
    import tomllib  # noqa: PLC0415  # 18 ms that only a project with such a file needs

    try:
        text = raw.decode()
        document = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}", hint="Correct the file; it must be TOML.") from error
    if "gate" not in document:
        raise UsageError(f"{path} has no [gate] table", hint=f"Add [gate] and {EXAMPLE}")
    try:
        steps = msgspec.convert(document["gate"], _GateTable, strict=True).steps
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: [gate]: {error}", hint=f"For example: {EXAMPLE}") from error
    names = [step.name for step in steps]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"{path}: [gate]: two steps are called {', '.join(twice)}",
            hint="Give every step a name of its own.",
        )
    return steps
