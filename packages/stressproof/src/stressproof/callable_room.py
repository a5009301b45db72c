"""Rooms that are also functions: ``stressproof.capture`` is a package, and it can be called.

Three of the public functions bear the name of the room that they live in. A module's attribute can
be only one of the two, whichever was imported last, so the room itself can be called.
"""

import importlib
import sys
from types import ModuleType
from typing import Any


def let_call(room: str, function: str) -> None:
    """Let a package be called as one of its functions.

    Args:
        room: The package's name, which is being imported.
        function: ``module:name`` of the function, imported when it is first called.
    """

    def find() -> Any:
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)

    class Room(ModuleType):
        """A package that can be called."""

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return find()(*args, **kwargs)

        @property
        def __wrapped__(self) -> Any:
            """The function, for ``inspect.signature`` and ``help``."""
            return find()

    sys.modules[room].__class__ = Room
