"""What remains of a file once what its types do not allow is taken out.

Whoever mends a file mends it once: what is right of it is looked at for its meaning, although other
parts are wrong. Entries of lists are taken out one by one; those behind them keep, in messages, the
numbers that they have in the file.
"""

from collections.abc import Iterable
from typing import Any

from stressproof.config.positions import Place


class Remains:
    """The tables of a file, of which parts can be taken out.

    Args:
        data: As they are written; what is taken out is taken out of them.

    Attributes:
        taken: Places in the file of what was taken out.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.taken: set[Place] = set()
        self._kept: dict[Place, list[int]] = {}

    def in_file(self, place: Place) -> Place:
        """Return where in the file something stands that remains."""
        found: Place = ()
        for key in place:
            kept = self._kept.get(found)
            found = (*found, kept[key] if kept is not None and isinstance(key, int) else key)
        return found

    def take_out(self, places: Iterable[Place]) -> None:
        """Take out what is at some places, or the nearest above each that can be."""
        nearest = {self._nearest(place) for place in places}
        taken = {one for one in nearest if not any(one[:at] in nearest for at in range(len(one)))}
        self.taken |= {self.in_file(place) for place in taken}
        gone: dict[Place, set[int]] = {}
        for place in taken:
            if place and isinstance(place[-1], int):
                gone.setdefault(place[:-1], set()).add(place[-1])
            elif place:
                self._at(place[:-1]).pop(place[-1])
            else:
                self.data.clear()
        # The longest first: what lies in a list that is renumbered is renumbered before.
        for place in sorted(gone, key=len, reverse=True):
            self._renumber(place, gone[place])

    def _renumber(self, place: Place, gone: set[int]) -> None:
        entries = self._at(place)
        in_file = self.in_file(place)
        kept = self._kept.get(in_file, list(range(len(entries))))
        self._kept[in_file] = [number for at, number in enumerate(kept) if at not in gone]
        entries[:] = [entry for at, entry in enumerate(entries) if at not in gone]

    def _at(self, place: Place) -> Any:
        value: Any = self.data
        for key in place:
            value = value[key]
        return value

    def _nearest(self, place: Place) -> Place:
        """Return the nearest part at or above a place that can be taken out: a key, or a table."""
        value: Any = self.data
        found: Place = ()
        for at, key in enumerate(place):
            if isinstance(value, dict) and key in value:
                value = value[key]
                found = place[: at + 1]
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
                if isinstance(value, dict):
                    found = place[: at + 1]
            else:
                break
        return found
