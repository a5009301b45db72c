"""Leaves of a document against what the tool could have written there.

A path template names a leaf wherever it occurs: ``runs[].results.throughput_rps``, and ``*`` is any
name. A leaf that is absent, null or of another type is other rules' affair.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from stressproof.verify.rule import Judgement, prose
from stressproof.workload.names import is_readable


class Range(Struct, frozen=True):
    """A number from ``least`` to ``most``, or 0 where that means that there was nothing."""

    least: float
    most: float
    or_zero: bool = False

    def holds(self, value: Any) -> bool | None:
        """Return whether a value is one of them, None where it is no number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return self.least <= value <= self.most or (self.or_zero and value == 0)

    def __str__(self) -> str:
        zero = "0, or " if self.or_zero else ""
        return f"{zero}{self.least:g} to {self.most:g}"


class Form(Struct, frozen=True):
    """A text that a pattern (ASCII alone) matches as a whole.

    Attributes:
        pattern: The pattern.
        what: It in words.
    """

    pattern: str
    what: str

    def holds(self, value: Any) -> bool | None:
        """Return whether a value is such a text, None where it is none."""
        if not isinstance(value, str):
            return None
        return re.fullmatch(self.pattern, value, re.ASCII) is not None

    def __str__(self) -> str:
        return self.what


class EndpointName(Struct, frozen=True):
    """A text that may name an endpoint, as a capture demands it."""

    def holds(self, value: Any) -> bool | None:
        """Return whether a value is such a name, None where it is no text."""
        return is_readable(value) if isinstance(value, str) else None

    def __str__(self) -> str:
        return "a name in printable characters"


Bounds = Mapping[str, Range | Form | EndpointName]
"""What a leaf must be, by its path template."""

NAME = Form(r"[!-~](?:[ -~]{0,4094}[!-~])?", "a name in printable characters")
LINE = Form(r"[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*", "a line of text")
_SHA256 = Form(r"(?:sha256:)?[0-9a-f]{64}", "a SHA-256")
_PROCESSORS = Range(1, 65_536)

SUBJECT: Bounds = {
    "subject.git_commit": Form(r"[0-9a-f]{40}|[0-9a-f]{64}|unknown", "a full commit hash"),
    "subject.image_digest": _SHA256,
    "subject.artifact_digests.*": _SHA256,
}
"""Of both kinds of evidence."""


def of_target(where: str) -> Bounds:
    """Return what a service can have said of itself, at a path."""
    return {
        f"{where}.instance_id": NAME,
        f"{where}.started_at": NAME,
        f"{where}.uptime_seconds": Range(1e-6, 1e10, or_zero=True),
        f"{where}.workers": _PROCESSORS,
    }


def of_tool(where: str) -> Bounds:
    """Return what the tool can have said of itself, at a path."""
    return {
        f"{where}.tool": Form("stressproof", "stressproof"),
        f"{where}.version": Form(r"[0-9]+(?:\.[0-9]+)+[0-9A-Za-z.+-]*", "a version"),
        f"{where}.python": Form(r"3\.[0-9]+\.[0-9]+\S*", "a version of Python"),
        f"{where}.host": NAME,
        f"{where}.cpus": _PROCESSORS,
        f"{where}.workers": _PROCESSORS,
        f"{where}.postgres_binary_sha256": _SHA256,
    }


def judge_bounds(data: Any, bounds: Bounds, judgement: Judgement) -> None:
    """Every leaf that is there is what the tool could have written."""
    for template, bound in bounds.items():
        for where, value in _leaves(data, template.replace("[]", ".[]").split("."), ""):
            holds = bound.holds(value)
            if holds is not None:
                judgement.check(holds, where, value, prose(str(bound)))


def _leaves(value: Any, steps: list[str], where: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of every leaf that a template leads to."""
    if not steps:
        yield where, value
        return
    step, rest = steps[0], steps[1:]
    if step == "*":
        for name, item in value.items() if isinstance(value, dict) else ():
            yield from _leaves(item, rest, f"{where}.{name}")
    elif step == "[]":
        for place, item in enumerate(value if isinstance(value, list) else ()):
            yield from _leaves(item, rest, f"{where}[{place}]")
    elif isinstance(value, dict) and step in value:
        yield from _leaves(value[step], rest, f"{where}.{step}" if where else step)
