"""The corpus: each forgery is a good artifact with one lie, and the rule that must catch it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from forgeries import honest, honest_failure, honest_injection

from stressproof.evidence.encoding import encode
from stressproof.exits import Exit

Mutation = Callable[[dict[str, Any]], Any]


@cache
def _base_text(name: str) -> str:
    return json.dumps(BASES[name]())


@cache
def _base_bytes(name: str) -> bytes:
    return msgspec.json.encode(base(name))


def base(name: str) -> dict[str, Any]:
    """A fresh copy of a good artifact."""
    made: dict[str, Any] = json.loads(_base_text(name))
    return made


BASES: dict[str, Callable[[], dict[str, Any]]] = {
    "plain": honest.plain,
    "minimal": honest.minimal,
    "full": honest.full,
    "open": lambda: honest.full(honest.Plan(closed_loop=False, seed=3)),
    "sparse": lambda: honest.full(honest.Plan(rate_per_user=0.95, seed=7)),
    "failing": lambda: honest.full(honest.Plan(failures=0.005, seed=5)),
    "failure": honest_failure.plain,
    "injection": honest_injection.full,
    "one injection": honest_injection.one,
}
"""Good artifacts by name: plain and full stress evidence, and plain failure evidence."""


@dataclass(frozen=True)
class Forgery:
    """One lie.

    Attributes:
        name: What was forged, as a phrase.
        of: The base that it was made from.
        mutate: Changes a copy of the base, or returns what to use instead (an object, or bytes).
        rule: The rule that must object.
        code: What the verdict must end with.
        asked: Requirements beyond the defaults, as the struct's fields.
    """

    name: str
    of: str
    mutate: Mutation
    rule: str
    code: Exit = Exit.EVIDENCE
    asked: dict[str, Any] = field(default_factory=dict)

    def forged(self) -> bytes:
        """The forged artifact's bytes, which are proved to differ from the good one's."""
        work = base(self.of)
        changed = self.mutate(work)
        if isinstance(changed, bytes):
            assert changed != encode(base(self.of)), f"{self.name}: nothing was forged"
            return changed
        raw = msgspec.json.encode(work if changed is None else changed)
        assert raw != _base_bytes(self.of), f"{self.name}: nothing was forged"
        return raw


@dataclass(frozen=True)
class Honest:
    """A variant that must pass.

    Attributes:
        name: What is unusual about it.
        make: Builds it: an object, or bytes.
        kind: ``stress`` or ``failure``.
        asked: Requirements beyond the defaults.
    """

    name: str
    make: Callable[[], Any]
    kind: str = "stress"
    asked: dict[str, Any] = field(default_factory=dict)

    def raw(self) -> bytes:
        """The variant's bytes."""
        made = self.make()
        return made if isinstance(made, bytes) else msgspec.json.encode(made)


class Corpus:
    """Forgeries, collected by a decorator so that each stands beside its lie."""

    def __init__(self) -> None:
        self.forgeries: list[Forgery] = []

    def add(
        self,
        name: str,
        of: str,
        rule: str,
        mutate: Mutation,
        *,
        code: Exit = Exit.EVIDENCE,
        asked: dict[str, Any] | None = None,
    ) -> None:
        """Add a forgery."""
        assert all(each.name != name for each in self.forgeries), f"two forgeries named {name}"
        self.forgeries.append(Forgery(name, of, mutate, rule, code, asked or {}))

    def forge(
        self,
        name: str,
        of: str,
        rule: str,
        *,
        code: Exit = Exit.EVIDENCE,
        asked: dict[str, Any] | None = None,
    ) -> Callable[[Mutation], Mutation]:
        """Add the decorated mutation as a forgery."""

        def keep(mutate: Mutation) -> Mutation:
            self.add(name, of, rule, mutate, code=code, asked=asked)
            return mutate

        return keep

    def set_(self, name: str, of: str, rule: str, path: str, value: Any, **more: Any) -> None:
        """Add a forgery that puts a value at a path (``runs.0.results.p95_response_time``)."""
        self.add(name, of, rule, lambda data: put(data, path, value), **more)

    def drop(self, name: str, of: str, rule: str, path: str, **more: Any) -> None:
        """Add a forgery that removes what is at a path."""
        self.add(name, of, rule, lambda data: remove(data, path), **more)


def _step(holder: Any, step: str) -> Any:
    return holder[int(step)] if isinstance(holder, list) else holder[step]


def at(data: Any, path: str) -> Any:
    """What is at a path."""
    for step in path.split("."):
        data = _step(data, step)
    return data


def put(data: Any, path: str, value: Any) -> None:
    """Put a value at a path."""
    *way, last = path.split(".")
    holder = at(data, ".".join(way)) if way else data
    holder[int(last) if isinstance(holder, list) else last] = value


def remove(data: Any, path: str) -> None:
    """Remove what is at a path."""
    *way, last = path.split(".")
    holder = at(data, ".".join(way)) if way else data
    del holder[int(last) if isinstance(holder, list) else last]


def drop(row: dict[str, Any]) -> None:
    """Take back that anything of a row was sent."""
    nothing = {"n": 0, "sum_us": 0, "min_us": None, "max_us": None, "buckets": []}
    row.update(started=0, outcomes={}, corrected=nothing)
    if row.get("uncorrected") is not None:
        row["uncorrected"] = dict(nothing)
