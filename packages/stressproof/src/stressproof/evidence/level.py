"""How far evidence can be believed, as one ordered word."""

from enum import StrEnum


class Level(StrEnum):
    """What a verdict rests on, lowest first (docs/evidence.md, Assurance)."""

    NONE = "none"
    DECLARED = "declared"
    RECOMPUTED = "recomputed"
    ATTESTED = "attested"

    @property
    def rank(self) -> int:
        """Its place in the order; a higher one includes the lower ones."""
        return list(Level).index(self)
