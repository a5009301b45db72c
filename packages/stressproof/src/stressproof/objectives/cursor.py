"""A place in a text of the threshold language: what comes next, and what cannot come there."""

from fractions import Fraction
from typing import NoReturn

from stressproof.objectives.expression import US_PER, Unit
from stressproof.objectives.syntax import ExpressionError, Token, tokens

UNIT_WORDS: dict[str, Unit] = {
    "us": "us",
    "µs": "us",  # U+00B5, the micro sign
    "μs": "us",  # U+03BC, the Greek letter, which many keyboards produce
    "ms": "ms",
    "s": "s",
    "m": "m",
    "h": "h",
    "pp": "pp",
}
_MAX_DIGITS = 24  # exact in a Decimal, which keeps 28


class Cursor:
    """Goes from token to token; words, numbers and durations are read here, their meaning above.

    Args:
        source: The text.
        start: Where in it the first token is.
    """

    def __init__(self, source: str, start: int = 0) -> None:
        self.source = source
        self.tokens = list(tokens(source, start))
        self.position = 0

    @property
    def next(self) -> Token:
        """The token that comes now; the last is the end."""
        return self.tokens[self.position]

    def take(self) -> Token:
        """Return it, and go on to the one after."""
        token = self.next
        if token.kind != "end":
            self.position += 1
        return token

    def accept(self, *texts: str) -> Token | None:
        """Take it where it is one of these, and return it."""
        return self.take() if self.next.text in texts and self.next.kind != "end" else None

    def fail(self, reason: str, token: Token | None = None, hint: str = "") -> NoReturn:
        """Refuse the text, at a token of it."""
        at = token or self.next
        raise ExpressionError(reason, self.source, at.start, at.end, hint=hint)

    def expect(self, text: str, what: str) -> Token:
        """Take this one, and refuse any other."""
        return self.accept(text) or self.fail(f"expected {what}, {seen(self.next)}")

    def number(self, what: str) -> Token:
        """Take a number; what one is, is told by ``what``."""
        token = self.take()
        if token.kind != "number":
            self.fail(f"expected {what}, {seen(token)}", token)
        if len(token.text) > _MAX_DIGITS:
            self.fail(f"a number has at most {_MAX_DIGITS} characters", token)
        return token

    def duration(self) -> int:
        """Parse ``number unit { number unit }`` into microseconds."""
        total = Fraction(0)
        start = self.next
        while not total or self.next.kind == "number":
            value = self.number("a duration such as 10s")
            unit = self.take()
            name = UNIT_WORDS.get(unit.text, "")
            if name not in US_PER:
                self.fail(
                    f"expected a unit of time (us, ms, s, m, h), {seen(unit)}",
                    unit,
                    "Durations have a unit: 10s, 1m30s.",
                )
            total += Fraction(value.text) * US_PER[name]
            if not total:
                break
        if total.denominator != 1:
            self.fail("a duration is a whole number of microseconds", start)
        return int(total)

    def whole_duration(self) -> int:
        """Parse a duration that is all of the text."""
        duration_us = self.duration()
        if self.next.kind != "end":
            self.fail(f"expected the end of the duration, {seen(self.next)}")
        return duration_us


def seen(token: Token) -> str:
    """Return a token as errors tell of it."""
    return "the text ends here" if token.kind == "end" else f"found {token.text!r}"
