"""The files that flows are in: found, run once, and known by what ran."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Coroutine
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import Struct

from stressproof.dotted_path import nearest
from stressproof.errors import StressproofError, UsageError
from stressproof.evidence.stress import Role
from stressproof.flow.files import files_read
from stressproof.flow.user import User

Run = Callable[[User], Coroutine[Any, Any, object]]
"""A flow: an ``async def`` that takes its user."""


class FileUsed(Struct, frozen=True):
    """A file that a round's requests came from.

    Attributes:
        path: Relative to the workload's folder; absolute where it is none of it.
        sha256: Of its content.
        role: ``flow``, ``module`` that a flow imports, or ``read`` by one.
    """

    path: str
    sha256: str
    role: Role


class FlowModules:
    """The modules of a workload's flows, each run once.

    Args:
        folder: What their paths are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._modules: dict[str, ModuleType] = {}
        self._digests: dict[str, str] = {}

    def load(self, run: str) -> Run:
        """Return the coroutine that ``flows.py:checkout`` names.

        Raises:
            UsageError: There is no such file or function, or running the file failed.
        """
        path, _, name = run.rpartition(":")
        if path not in self._modules:
            self._modules[path] = self._run(path)
        found = getattr(self._modules[path], name, None)
        if found is None:
            near = nearest(name, dir(self._modules[path]))
            raise UsageError(
                f"{path} has no {name}",
                hint=f"did you mean {near}?" if near else f"write async def {name}(user)",
            )
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

    def used(self) -> list[FileUsed]:
        """Return what was run, imported and read until now."""
        files = [FileUsed(path, digest, "flow") for path, digest in self._digests.items()]
        known = {str(self._folder / path) for path in self._digests}
        for module in list(sys.modules.values()):
            place = getattr(module, "__file__", None)
            if not place or not self._is_ours(Path(place)) or place in known:
                continue
            known.add(place)
            digest = sha256(Path(place).read_bytes()).hexdigest()
            files.append(FileUsed(self._shown(Path(place)), digest, "module"))
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
        return (
            place.is_absolute()
            and place.is_relative_to(self._folder)
            and "site-packages" not in place.parts
        )

    def _shown(self, place: Path) -> str:
        return str(place.relative_to(self._folder)) if self._is_ours(place) else str(place)
