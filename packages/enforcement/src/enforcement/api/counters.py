"""Counters shared by the parent and all workers: one file, one slot of 64-bit words a worker.

A slot has one writer, the worker that holds it, so nothing is locked. The file is mapped by
everyone; whoever is asked for ``/metrics`` sums the slots. A worker that dies leaves its counts
behind, and its replacement counts on from them.

::

    slot 0: | header (8 words) | words of family 1 | words of family 2 | ... |
    slot 1: | header (8 words) | ...

Every process computes the same layout from the same code.
"""

import bisect
import mmap
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

WORD_BYTES: Final = 8
_FULL: Final = 2**64 - 1
HEADER_WORDS: Final = 8
PID, READY, HEARTBEAT_NS = range(3)

Kind = Literal["counter", "gauge", "histogram"]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One metric with all its label combinations, known beforehand.

    Attributes:
        labels: Names of the labels.
        series: Values of the labels, one tuple a series; a family without labels has ``((),)``.
        bounds_us: Of a histogram: upper bounds of its buckets in microseconds, ascending; one
            bucket above the last is implied. Rendered in seconds.
        divisor: What a word counts parts of: 1,000,000 where microseconds are shown as seconds.
    """

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...] = ()
    series: tuple[tuple[str, ...], ...] = ((),)
    bounds_us: tuple[int, ...] = ()
    divisor: int = 1

    @property
    def words_per_series(self) -> int:
        """Return 1, or for a histogram its buckets and the sum of what was observed."""
        return len(self.bounds_us) + 2 if self.kind == "histogram" else 1


class Layout:
    """Where each series of each family lies in a slot."""

    def __init__(self, families: Sequence[Family]) -> None:
        self.families = tuple(families)
        self._offsets: dict[tuple[str, tuple[str, ...]], int] = {}
        at = HEADER_WORDS
        for family in families:
            for values in family.series:
                self._offsets[family.name, values] = at
                at += family.words_per_series
        self.slot_words = at

    def offset(self, name: str, values: tuple[str, ...] = ()) -> int:
        """Return the first word of a series within a slot.

        Raises:
            KeyError: The series was not declared.
        """
        return self._offsets[name, values]

    def file_bytes(self, slots: int) -> int:
        """Return the size of a file for that many workers."""
        return self.slot_words * slots * WORD_BYTES


class CounterFile:
    """The mapped file.

    Args:
        path: Made by :func:`create`.
        slots: As many as workers.
        layout: The same everywhere.
    """

    def __init__(self, path: Path, slots: int, layout: Layout) -> None:
        self.layout = layout
        self.slots = slots
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(descriptor, layout.file_bytes(slots))
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map).cast("Q")

    def close(self) -> None:
        """Unmap the file."""
        self._words.release()
        self._map.close()

    def read(self, slot: int, word: int) -> int:
        """Return one word of one slot."""
        return int(self._words[slot * self.layout.slot_words + word])

    def write(self, slot: int, word: int, value: int) -> None:
        """Set one word of one slot; only its worker, or the parent while it has none, may."""
        self._words[slot * self.layout.slot_words + word] = value

    def total(self, word: int) -> int:
        """Return a word summed over all slots."""
        return sum(self.read(slot, word) for slot in range(self.slots))

    def slot(self, number: int) -> "Slot":
        """Return a slot for its one writer."""
        begin = number * self.layout.slot_words
        return Slot(self._words[begin : begin + self.layout.slot_words], self.layout)

    def silence_ns(self, slot: int) -> int:
        """Return how long ago a worker last showed life."""
        return time.monotonic_ns() - self.read(slot, HEARTBEAT_NS)

    def render(self) -> str:
        """Write all families in the Prometheus text format, summed over slots."""
        size = self.layout.slot_words
        slots = [self._words[n * size : (n + 1) * size].tolist() for n in range(self.slots)]
        totals = [sum(words) for words in zip(*slots, strict=True)]
        lines: list[str] = []
        for family in self.layout.families:
            lines.append(f"# HELP {family.name} {family.help}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            for values in family.series:
                lines.extend(self._series(family, values, totals))
        return "\n".join(lines) + "\n"

    def _series(self, family: Family, values: tuple[str, ...], totals: Sequence[int]) -> list[str]:
        at = self.layout.offset(family.name, values)
        # Thousands of series that never happened would bury the few that did.
        of_many = len(family.series) > 1 and family.kind != "gauge"
        if of_many and not any(totals[at : at + family.words_per_series]):
            return []
        labels = [
            f'{name}="{_escaped(value)}"' for name, value in zip(family.labels, values, strict=True)
        ]
        if family.kind != "histogram":
            value = totals[at] / family.divisor if family.divisor > 1 else totals[at]
            return [f"{family.name}{_braces(labels)} {value}"]
        counts = totals[at : at + len(family.bounds_us) + 1]
        lines = []
        seen = 0
        bounds = [*(f"{bound / 1e6:g}" for bound in family.bounds_us), "+Inf"]
        for bound, count in zip(bounds, counts, strict=True):
            seen += count
            bucket = _braces([*labels, f'le="{bound}"'])
            lines.append(f"{family.name}_bucket{bucket} {seen}")
        total_us = totals[at + len(family.bounds_us) + 1]
        lines.append(f"{family.name}_sum{_braces(labels)} {total_us / 1e6:.6f}")
        lines.append(f"{family.name}_count{_braces(labels)} {seen}")
        return lines


class Slot:
    """The words of one worker, as that worker writes them."""

    def __init__(self, words: memoryview, layout: Layout) -> None:
        self._words = words
        self._layout = layout
        self._bounds = {family.name: family.bounds_us for family in layout.families}

    def add(self, name: str, values: tuple[str, ...] = (), amount: int = 1) -> None:
        """Count; a word that is full begins anew, as a counter does that was restarted.

        Raises:
            KeyError: The series was not declared.
        """
        at = self._layout.offset(name, values)
        self._words[at] = (self._words[at] + amount) & _FULL

    def set(self, name: str, value: int, values: tuple[str, ...] = ()) -> None:
        """Set a gauge, which is never below zero."""
        self._words[self._layout.offset(name, values)] = max(0, value)

    def observe(self, name: str, duration_us: int, values: tuple[str, ...] = ()) -> None:
        """Put a duration into a histogram."""
        bounds = self._bounds[name]
        at = self._layout.offset(name, values)
        self._words[at + bisect.bisect_left(bounds, duration_us)] += 1
        self._words[at + len(bounds) + 1] += max(0, duration_us)

    def beat(self) -> None:
        """Show life."""
        self._words[HEARTBEAT_NS] = time.monotonic_ns()

    def ready(self) -> None:
        """Say that requests are answered now."""
        self.beat()
        self._words[READY] = 1

    def close(self) -> None:
        """Let go of the words, so that the file can be unmapped."""
        self._words.release()


def create(path: Path, slots: int, layout: Layout) -> None:
    """Make the file, all zero, readable by its owner alone; a file of that name is replaced."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.truncate(descriptor, layout.file_bytes(slots))
    finally:
        os.close(descriptor)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _braces(labels: Sequence[str]) -> str:
    return "{" + ",".join(labels) + "}" if labels else ""
