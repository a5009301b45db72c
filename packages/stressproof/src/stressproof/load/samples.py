"""A few failures in words, so that a count has a face; bounded, and without secrets."""

from msgspec import Struct

from stressproof.load.recorder import RAMP, SETUP, TAIL
from stressproof.workload.redaction import Redactor

_PER_KIND = 2
_AT_MOST = 40
_DETAIL_CHARS = 200


class ErrorSample(Struct, frozen=True):
    """What one failure looked like.

    Attributes:
        outcome: As it is counted.
        endpoint: The endpoint's name.
        second: Of the measured window; `SETUP`, `RAMP` or `TAIL` outside of it.
        status: Status code, None where no whole answer came.
        detail: What was seen, cut short and cleaned of secrets.
    """

    outcome: str
    endpoint: str
    second: int
    status: int | None
    detail: str

    def __str__(self) -> str:
        moment = _OUTSIDE.get(self.second, f"in second {self.second}")
        return f"{self.outcome} at {self.endpoint} {moment}: {self.detail}"


_OUTSIDE = {SETUP: "in the setup", RAMP: "in the ramp", TAIL: "after the window"}


class Samples:
    """Keeps the first few failures of each outcome and endpoint.

    Args:
        redactor: Cleans what was seen.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._seen: dict[tuple[str, str], int] = {}
        self._new: list[ErrorSample] = []
        self._kept = 0

    def hide(self, secret: str) -> None:
        """Clean what is kept from now on of another secret."""
        self._redactor.learn([secret])

    def wants(self, outcome: str, endpoint: str) -> bool:
        """Return whether another failure of this kind would be kept."""
        return self._kept < _AT_MOST and self._seen.get((outcome, endpoint), 0) < _PER_KIND

    def add(self, sample: ErrorSample) -> None:
        """Keep a failure that is wanted."""
        kind = (sample.outcome, sample.endpoint)
        self._seen[kind] = self._seen.get(kind, 0) + 1
        self._kept += 1
        # Cleaned before it is cut: half a secret would not be recognised.
        detail = self._redactor.clean(sample.detail)[:_DETAIL_CHARS]
        self._new.append(
            ErrorSample(sample.outcome, sample.endpoint, sample.second, sample.status, detail)
        )

    def drain(self) -> list[ErrorSample]:
        """Return what was kept since last time."""
        new, self._new = self._new, []
        return new
