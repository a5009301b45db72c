"""What is named by dotted path (``package.module:NAME``) and imported when it is used."""

import importlib
from collections.abc import Iterable
from typing import TypeVar

from stressproof.errors import StressproofError, UsageError

KindT = TypeVar("KindT")


class NotInstalledError(UsageError):
    """Something is named whose package is not installed here."""


def resolve(path: str, kind: type[KindT], *, of: str) -> KindT:
    """Import what a dotted path names.

    Args:
        path: ``package.module:NAME``.
        kind: What it must be.
        of: Who names it, for messages.

    Raises:
        NotInstalledError: Its module is not installed.
        UsageError: It cannot be loaded, is not there, or is something else.
    """
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise UsageError(
            f"{of} names {path!r}, expected package.module:NAME",
            hint="Write the module and the name in it, with a colon between them.",
        )
    try:
        imported = importlib.import_module(module)
    except StressproofError as error:
        raise UsageError(f"{of} is {path}: {error.message}", hint=error.hint) from error
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise NotInstalledError(
                f"{of} is {path}, and no module {error.name} is installed here",
                hint=f"Install the package that holds {error.name} into this environment.",
            ) from error
        raise broken(path, of, error) from error
    except (Exception, SystemExit) as error:
        raise broken(path, of, error) from error
    if not hasattr(imported, name):
        near = nearest(name, dir(imported))
        raise UsageError(
            f"{of} is {path}, and {module} has no {name}",
            hint=f"Did you mean {near}?" if near else "Name what the module has.",
        )
    found = getattr(imported, name)
    if not isinstance(found, kind):
        raise UsageError(
            f"{of} is {path}, which is a {type(found).__name__}, expected a {kind.__name__}",
            hint=f"Name a {kind.__name__} there.",
        )
    return found


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the name that was meant, as far as spelling tells; empty where it does not."""
    import difflib  # noqa: PLC0415  # only for a typing mistake

    return next(iter(difflib.get_close_matches(name, names, n=1)), "")


def broken(path: str, of: str, error: BaseException) -> UsageError:
    """Return the error of something that was found and could not be loaded."""
    return UsageError(
        f"{of} is {path}, and loading that failed: {type(error).__name__}: {error}",
        hint="Repair or reinstall it; STRESSPROOF_DEBUG=1 shows where it failed.",
    )
