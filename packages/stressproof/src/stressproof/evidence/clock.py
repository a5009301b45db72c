"""The clock of a run: one reading of the wall, and every time that the wall was set meanwhile."""

from typing import Annotated

from msgspec import Meta, Struct

from stressproof.evidence.fields import SignedMicros, Text

STEP_US = 250_000
"""A wall clock that moves by more than this against the other while a run lasts is recorded."""


CLOCK_STEPS_KEPT = 100
"""Of one run; a clock that is set more often than this is known to be no clock."""


class ClockStep(Struct, frozen=True, forbid_unknown_fields=True):
    """The wall clock was set while a run lasted, or the machine slept.

    Attributes:
        seen_at: RFC 3339, by the run's own clock.
        by_us: How far it moved, negative where it was set back.
    """

    seen_at: Text
    by_us: SignedMicros


class ClockRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """How the wall clock went on after the one reading that all times of the document follow from.

    Attributes:
        drift_us: By how much it was ahead of the run's own clock in the end.
        steps: When it was set meanwhile.
    """

    drift_us: SignedMicros
    steps: Annotated[list[ClockStep], Meta(max_length=CLOCK_STEPS_KEPT)]
