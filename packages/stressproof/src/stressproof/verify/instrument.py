"""What any evidence says of the tool that wrote it and the machine that it ran on."""

from typing import Protocol

from stressproof.verify.rule import Judgement, prose

_TOOL = "stressproof"
_CPUS_MAX = 100_000


class Instrument(Protocol):
    """The record of a tool."""

    @property
    def tool(self) -> str:
        """What it calls itself."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def python(self) -> str:
        """The interpreter's."""

    @property
    def cpus(self) -> int:
        """Processors that could be used."""


def judge_instrument(where: str, told: Instrument, judgement: Judgement) -> None:
    """The tool is ours, its versions are some, and the machine is one that there can be."""
    judgement.check(told.tool == _TOOL, f"{where}.tool", told.tool, _TOOL)
    judgement.check(
        1 <= told.cpus <= _CPUS_MAX, f"{where}.cpus", told.cpus, prose(f"1 to {_CPUS_MAX}")
    )
    for name, seen in (("version", told.version), ("python", told.python)):
        judgement.check(
            seen[:1].isdigit(), f"{where}.{name}", seen, prose("a version, such as 3.11.7")
        )
