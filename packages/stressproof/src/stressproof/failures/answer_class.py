"""What an answer means: five classes, and what each lets anybody conclude.

| class | the effect asked for | a caller would call it service |
|---|---|---|
| ``ok`` | is there | yes |
| ``refused`` | is not there: the request asked for what it must not have | yes |
| ``rejected`` | is not there: nothing was sent, or the service says that it did nothing | no |
| ``unknown`` | may be there | no |
| ``degraded`` | may be there: a fallback was answered instead | no |
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

from msgspec import Struct

AnswerClass = Literal["ok", "refused", "rejected", "unknown", "degraded"]
ANSWER_CLASSES: Final[tuple[AnswerClass, ...]] = get_args(AnswerClass)

Ending = Literal["ok", "fail", "unknown"]
"""As in Jepsen's histories: acknowledged, surely without effect, or neither is known."""

CHECK_FAILED: Final = "check_failed"
"""The note of an answer that a check of its request does not hold of: whatever it is, it is
`unknown`."""

NOT_SENT: Final = frozenset({"connect_refused", "connect_timeout", "connect_reset"})
"""Codes of requests of which nothing had been sent."""

SENT: Final = frozenset({"timeout", "reset", "closed", "malformed"})
"""Codes of requests that were sent, and of whose answer nothing can be told."""


class Conclusions(Struct, frozen=True):
    """What follows from a class.

    Attributes:
        ending: What may be concluded about the effect asked for.
        healthy: Whether a caller would call this service.
    """

    ending: Ending
    healthy: bool


CONCLUDES: Final[Mapping[AnswerClass, Conclusions]] = {
    "ok": Conclusions("ok", healthy=True),
    "refused": Conclusions("fail", healthy=True),
    "rejected": Conclusions("fail", healthy=False),
    "unknown": Conclusions("unknown", healthy=False),
    "degraded": Conclusions("unknown", healthy=False),
}
