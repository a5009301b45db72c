"""What is asked of the service, and what its answers mean."""

from typing import Any, Final

from stressproof.failures.spec import AnswerRule, RequestSpec

_EXPECTED: Final = (200, 401, 403, 409, 429)
"""A refusal says that the service works: it was asked for what it must not do."""

_RETRY: Final = AnswerRule("retry", "header:retry-after")


def request(kind: str, weight: int = 0, **others: Any) -> RequestSpec:
    """Return a request of whose answer only the status matters."""
    return RequestSpec(kind, weight, expect=_EXPECTED, answers=(_RETRY,), **others)


def gate(kind: str, weight: int = 0, **others: Any) -> RequestSpec:
    """Return a gate, whose answer says what was decided, and whether the database decided it."""
    return RequestSpec(
        kind,
        weight,
        keyed=True,
        expect=_EXPECTED,
        answers=(
            AnswerRule(
                "failsafe:{decision}:{fail_safe_trigger}:{reason_codes.-1}",
                "json:fail_safe=true",
                "degraded",
                "failsafes=json:decision_id",
            ),
            AnswerRule("{decision}:replayed", "json:replayed=true"),
            AnswerRule("{decision}", "json:decision"),
            _RETRY,
        ),
        **others,
    )


def settlement(kind: str, weight: int = 0, **others: Any) -> RequestSpec:
    """Return a settlement, whose answer says whether it was one already."""
    return RequestSpec(
        kind,
        weight,
        expect=_EXPECTED,
        answers=(
            AnswerRule("settled:replayed", "json:replayed=true"),
            AnswerRule("settled", "json:replayed=false"),
            _RETRY,
        ),
        **others,
    )
