"""Values that no other request has."""

from os import urandom
from random import Random


class UniqueValues:
    """Values that no other request of the round has.

    UUIDs come from the system's randomness and not from the workload's seed: an idempotency key
    that a second run repeats would be answered from memory.

    Args:
        worker: This worker's number; sequence numbers of different workers never meet.
        workers: How many there are.
    """

    def __init__(self, worker: int, workers: int) -> None:
        self._random = Random(urandom(32))  # noqa: S311  # unique, and nobody's secret
        self._sequence = worker
        self._step = workers

    def next_number(self) -> int:
        """Return the next sequence number."""
        number = self._sequence
        self._sequence += self._step
        return number

    def uuid(self) -> str:
        """Return a new UUID, version 4."""
        digits = f"{self._random.getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) & 3]
        return (
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
        )

    def effect(self) -> str:
        """Return the text of a new effect: 32 hexadecimal digits."""
        return self.uuid().replace("-", "")
