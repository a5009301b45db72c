"""A machine on which nothing may be broken, whoever asks and whatever a file says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from stressproof.errors import UsageError

VARIABLE: Final = "STRESSPROOF_REFUSE"
FILE: Final = Path("/etc/stressproof/refuse")


def demand_no_refusal(environment: Mapping[str, str], file: Path = FILE) -> None:
    """Make sure that things may be broken on this machine at all.

    Args:
        environment: Ours; `VARIABLE` refuses with any value that is not empty.
        file: Refuses by being there, whatever is in it.

    Raises:
        UsageError: They may not.
    """
    if environment.get(VARIABLE):
        raise _refused(f"{VARIABLE} is set to {environment[VARIABLE]!r}", f"unset {VARIABLE}")
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        # Whoever may not even look has not been told yes.
        raise _refused(f"{file}: {error.strerror}", f"let this user look into {file.parent}") from (
            error
        )
    raise _refused(f"{file} is there", f"remove {file}")


def _refused(why: str, remedy: str) -> UsageError:
    return UsageError(
        f"nothing may be broken on this machine: {why}",
        hint=f"Break it elsewhere; if this machine was meant, {remedy}.",
    )
