"""A flow: a coroutine of the user's own, one run of which is an iteration."""

import re

from msgspec import Struct
from msgspec.structs import force_setattr

from stressproof.errors import UsageError
from stressproof.workload.names import demand_name
from stressproof.workload.requests import demand_weight

_RUN = re.compile(r"[^/\x00:][^\x00:]*\.py:[^\W\d]\w*")


class Flow(Struct, frozen=True, tag="flow"):
    """One run of a coroutine is one iteration.

    Attributes:
        name: How evidence names it; the function's where it is empty.
        run: ``flows.py:checkout``: a file, relative to the workload's folder, and a function.
        weight: Its share of the scenario's iterations.
    """

    name: str
    run: str
    weight: int = 1

    def __post_init__(self) -> None:
        demand_run("a flow", self.run)
        if not self.name:
            force_setattr(self, "name", self.function)
        demand_name(self.name)
        demand_weight(self.name, self.weight)

    @property
    def file(self) -> str:
        """The file's path, relative to the workload's folder."""
        return self.run.rpartition(":")[0]

    @property
    def function(self) -> str:
        """The coroutine's name in it."""
        return self.run.rpartition(":")[2]


def demand_run(what: str, run: str) -> None:
    """Refuse what names no function of a Python file of the project.

    Raises:
        UsageError: It is absolute, leads out of the folder, or has no function.
    """
    if not _RUN.fullmatch(run) or ".." in run.rpartition(":")[0].split("/"):
        raise UsageError(
            f"{what} runs {run!r}, expected FILE.py:FUNCTION",
            hint='name a file beside stressproof.toml, such as "flows.py:checkout"',
        )
