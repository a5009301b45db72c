"""The files that flows are in: found, run once, and known by what ran."""

import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Coroutine, Sequence
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import Struct

from stressproof.dotted_path import nearest
from stressproof.errors import StressproofError, UsageError
from stressproof.evidence.project_files import project_file
from stressproof.evidence.workload import Role
from stressproof.flow.files import files_read, read_below
from stressproof.flow.user import User

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_STANDARD = frozenset(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
_OURS = __name__.partition(".")[0]

Run = Callable[[User], Coroutine[Any, Any, object]]
"""A flow: an ``async def`` that takes its user."""


class FileUsed(Struct, frozen=True):
    """A file that a round's requests came from.

    Attributes:
        path: Relative to the workload's folder; of a module elsewhere its name after ``../``.
        sha256: Of its content.
        role: ``flow``, ``module`` that a flow imports, or ``read`` by one.
    """

    path: str
    sha256: str
    role: Role


class _OwnImports(MetaPathFinder):
    """Refuses modules of a project that a link leads out of it to, before they are opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Leave every other module to those who find them."""
        del target
        found = PathFinder.find_spec(fullname, path)
        if found is None:
            return
        for place in (found.origin, *(found.submodule_search_locations or ())):
            if place and is_own(self.folder, Path(place)):
                project_file(self.folder, str(_plain(Path(place)).relative_to(self.folder)))


def is_own(folder: Path, place: Path) -> bool:
    """Return whether a path is below a project's folder, and nothing that was installed there."""
    place = _plain(place)
    return (
        place.is_absolute()
        and place.is_relative_to(folder)
        and place != folder
        and not _INSTALLED.intersection(place.parts)
    )


def _plain(place: Path) -> Path:
    """Return a path without ``..``, which an entry of ``sys.path`` may hold; links stay."""
    return Path(os.path.normpath(place))


class FlowModules:
    """The modules of a workload's flows, each run once.

    Args:
        folder: What their paths are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._loaded_before = frozenset(sys.modules)
        read_below(self._folder)
        self._modules: dict[str, ModuleType] = {}
        self._digests: dict[str, str] = {}

    def load(self, run: str) -> Run:
        """Return the coroutine that ``flows.py:checkout`` names.

        Raises:
            UsageError: There is no such file or function, or running the file failed.
        """
        name = run.rpartition(":")[2]
        found = self.find(run, f"write async def {name}(user)")
        if not inspect.iscoroutinefunction(found):
            raise UsageError(
                f"{run} is no coroutine function, so nothing in it could be awaited",
                hint=f"write async def {name}(user: User) -> None",
            )
        try:
            inspect.signature(found).bind(None)
        except TypeError as error:
            raise UsageError(
                f"{run} cannot be called with its user alone: {error}",
                hint=f"write async def {name}(user: User) -> None",
            ) from error
        run_it: Run = found
        return run_it

    def find(self, named: str, hint: str) -> Any:
        """Return what ``file.py:name`` names, having run the file once.

        Args:
            named: In a file of the folder.
            hint: What to do where there is no such name.

        Raises:
            UsageError: There is no such file or name, or running the file failed.
        """
        path, _, name = named.rpartition(":")
        if path not in self._modules:
            self._modules[path] = self._run(path)
        found = getattr(self._modules[path], name, None)
        if found is None:
            near = nearest(name, dir(self._modules[path]))
            raise UsageError(
                f"{path} has no {name}",
                hint=f"did you mean {near}?" if near else hint,
            )
        return found

    def used(self) -> list[FileUsed]:
        """Return what was run, imported and read until now."""
        files = [FileUsed(path, digest, "flow") for path, digest in self._digests.items()]
        known = {str(self._folder / path) for path in self._digests}
        for module in list(sys.modules.values()):
            place = getattr(module, "__file__", None)
            if not place or place in known:
                continue
            if self._is_ours(Path(place)):
                shown = self._shown(Path(place))
            elif self._is_elsewhere(module.__name__, Path(place)):
                # Named, so that a gate refuses it; where it lies is this machine's affair.
                shown = f"../{module.__name__.replace('.', '/')}.py"
            else:
                continue
            known.add(place)
            digest = sha256(Path(place).read_bytes()).hexdigest()
            files.append(FileUsed(shown, digest, "module"))
        files += [
            FileUsed(self._shown(Path(place)), digest, "read")
            for place, digest in files_read().items()
        ]
        return sorted(files, key=lambda file: (file.path, file.role))

    def line_of(self, error: BaseException) -> str:
        """Return where in the flow's own files an exception came from, empty where in none."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if self._is_ours(Path(frame.filename)):
                return f"{self._shown(Path(frame.filename))}:{frame.lineno}"
        return ""

    def _run(self, path: str) -> ModuleType:
        project_file(self._folder, path)
        finders = [one.folder for one in sys.meta_path if isinstance(one, _OwnImports)]
        if self._folder not in finders:
            sys.meta_path.insert(0, _OwnImports(self._folder))
        place = self._folder / path
        try:
            content = place.read_bytes()
        except OSError as error:
            raise UsageError(
                f"the flows in {path} cannot be read: {error.strerror or error}",
                hint=f"it is looked for at {place}",
            ) from error
        name = f"stressproof_flows_{len(self._modules)}"
        spec = importlib.util.spec_from_file_location(name, place)
        if spec is None:
            raise UsageError(f"{path} is no Python file", hint="its name ends in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        if str(place.parent) not in sys.path:
            sys.path.insert(0, str(place.parent))  # as Python does for a script
        try:
            exec(compile(content, str(place), "exec"), module.__dict__)  # noqa: S102  # what was hashed
        except StressproofError:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
            where = f"{path}:{line}" if line else self.line_of(error) or path
            raise UsageError(
                f"{where}: {type(error).__name__}: {error}",
                hint="the file is run once before the load; make python run it without an error",
            ) from error
        self._digests[path] = sha256(content).hexdigest()
        return module

    def _is_ours(self, place: Path) -> bool:
        return is_own(self._folder, place)

    def _is_elsewhere(self, name: str, place: Path) -> bool:
        """Return whether a module that flows imported is neither the project's nor installed."""
        return (
            name not in self._loaded_before
            and name.partition(".")[0] != _OURS
            and not _INSTALLED.intersection(place.parts)
            and not any(place.is_relative_to(path) for path in _STANDARD)
        )

    def _shown(self, place: Path) -> str:
        place = _plain(place)
        below = place.is_relative_to(self._folder)
        return str(place.relative_to(self._folder)) if below else f"../{place.name}"
