"""What there is to know of a kind of fault."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from stressproof.evidence.failure import Parameter
from stressproof.failures.fault_witnesses import Witnesses
from stressproof.failures.parameters import ParameterSpec, completed
from stressproof.failures.spec import TargetKind

Targets = frozenset[TargetKind | Literal["any"]]


class FaultKind(Struct, frozen=True):
    """One kind of fault.

    Attributes:
        name: As files and evidence have it.
        targets: What it can hit; ``proxy`` stands for a proxy of any protocol, ``any`` for
            everything.
        parameters: All that there are.
        witnesses: What must be counted of a fault; None where the file names it.
        says: What is done, a sentence.
        undo: What ends it, a sentence.
        limits: What it is not, a sentence; empty where nobody would mistake it.
        sends: Whether requests are sent by it: it must, it may, or it cannot.
        ends_early: Whether it is spent once it did what it can, before its time.
    """

    name: str
    targets: Targets
    parameters: tuple[ParameterSpec, ...]
    witnesses: Witnesses | None
    says: str
    undo: str
    limits: str = ""
    sends: Literal["must", "may", "never"] = "never"
    ends_early: bool = False

    @property
    def of_proxy(self) -> bool:
        """Whether a proxy makes it."""
        return any(target.startswith("proxy") for target in self.targets)

    def fits(self, target: TargetKind) -> bool:
        """Return whether it can hit a target of that kind."""
        return bool(self.targets & {"any", target, target.partition(":")[0]})

    def complete(
        self, given: Mapping[str, Parameter] = MappingProxyType({})
    ) -> dict[str, Parameter]:
        """Return parameters of a spec with every default filled in."""
        return completed(self.parameters, given)
