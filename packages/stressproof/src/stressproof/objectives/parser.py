"""The threshold language: k6's, unchanged, and what its users ask for on top of it.

::

    threshold  = selector ":" expression | recovery-expression
    selector   = metric [ "{" tag ":" value { "," tag ":" value } "}" ]
    expression = measure ( operator limit [ versus ] | versus ) { [","] modifier }
    measure    = "avg" | "min" | "max" | "med" | "p" "(" number ")"
               | "count" | "rate" | "value" | "recovery" "(" fault ")"
    operator   = "<" | "<=" | ">" | ">=" | "==" | "===" | "!="
    limit      = [ "-" ] number [ unit ] | baseline
    baseline   = "baseline" [ ( "+" | "-" ) number [ unit ] ]
    versus     = "vs" "baseline" ( "+" | "-" ) number [ unit ]
    modifier   = "over" duration | "n" ">=" integer
    duration   = number unit { number unit }
    unit       = "us" | "µs" | "ms" | "s" | "m" | "h" | "%" | "pp" | "/s"

``vs baseline + 10%`` is ``<= baseline + 10%`` and ``vs baseline - 10%`` is ``>= baseline - 10%``:
the sign says which way is worse.
"""

from decimal import Decimal
from typing import NoReturn, cast

from stressproof.objectives.cursor import UNIT_WORDS, Cursor, seen
from stressproof.objectives.expression import (
    US_PER,
    Baseline,
    Comparison,
    Expression,
    Measure,
    MeasureName,
    Number,
    Operator,
    Selector,
    Threshold,
    Unit,
)
from stressproof.objectives.metrics import MEASURES, METRICS, UNITS, Dimension, Metric
from stressproof.objectives.selectors import parse_selector, split_selector
from stressproof.objectives.syntax import (
    Token,
    did_you_mean,
)

_MEASURES = ("avg", "min", "max", "med", "p", "count", "rate", "value", "recovery")
_UNITS_SHOWN = "us, ms, s, m, h, %"
_MODIFIERS = ("over", "n", "vs")
_MAX_PERCENT = 100


def parse_threshold(
    text: str, *, abort_on_fail: bool = False, delay_abort_us: int = 0
) -> Threshold:
    """Return a threshold given in one text, such as a flag: ``http_reqs: rate > 10/s``.

    Raises:
        ExpressionError: It cannot be meant.
    """
    selector, expression = _parts(text, _Parser)
    return Threshold(selector, expression, abort_on_fail, delay_abort_us=delay_abort_us)


def parse_judged(text: str) -> Threshold:
    """Return a threshold that somebody was held to, by its canonical spelling.

    Nothing can miss a suite's floor of 0; to ask for one is a mistake, to have asked is none.

    Raises:
        ExpressionError: It is no threshold.
    """
    return Threshold(*_parts(text, _JudgedParser))


def _parts(text: str, parser: type["_Parser"]) -> tuple[Selector, Expression]:
    selector_text, position = split_selector(text)
    if selector_text is None:
        return parse_selector("recovery"), parser(text, 0, METRICS["recovery"]).expression()
    selector = parse_selector(selector_text)
    return selector, parser(text, position, METRICS[selector.metric]).expression()


def parse_expression(text: str, metric: Metric | None = None) -> Expression:
    """Return an expression such as ``p(95) < 200ms over 10s n >= 300``.

    Args:
        text: The expression.
        metric: What it is about; measures and units that this metric does not have are refused.
            None accepts those of any metric.

    Raises:
        ExpressionError: It cannot be meant.
    """
    return _Parser(text, 0, metric).expression()


def parse_duration_us(text: str) -> int:
    """Return a duration such as ``10s``, ``1m30s`` or ``500ms`` in microseconds.

    Raises:
        ExpressionError: It is none, or not a whole number of microseconds.
    """
    return Cursor(text).whole_duration()


class _Parser(Cursor):
    """Recursive descent over the tokens; each method's docstring is its rule of the grammar."""

    def __init__(self, source: str, start: int, metric: Metric | None) -> None:
        super().__init__(source, start)
        self.metric = metric

    def expression(self) -> Expression:
        """Parse ``measure ( operator limit [ versus ] | versus ) { [","] modifier }``."""
        first = self.next
        measure = self.measure()
        self.check_measure(measure, first)
        comparisons = []
        if self.next.text != "vs":
            operator = self.operator()
            at = self.next
            comparisons.append(Comparison(operator, self.limit(measure)))
            self.check_limit(measure, comparisons[0], at)
        over_us = least_n = None
        while True:
            comma = self.accept(",")
            word = self.next
            if word.kind == "end" and comma is None:
                break
            if word.text == "vs" and not any(_is_relative(one) for one in comparisons):
                comparisons.append(self.versus(measure))
            elif word.text == "over" and over_us is None:
                over_us = self.over()
            elif word.text == "n" and least_n is None:
                least_n = self.least_n()
            else:
                self.refuse_modifier(word)
        expression = Expression(measure, tuple(comparisons), over_us, least_n)
        self.check_together(expression, first)
        return expression

    def refuse_modifier(self, word: Token) -> NoReturn:
        if word.text in _MODIFIERS:
            self.fail(f"'{word.text}' is given twice", word)
        if word.kind == "end":
            self.fail("expected a modifier after the comma: over, n or vs", word)
        hint = did_you_mean(word.text, _MODIFIERS) or (
            "After the limit may follow: over 10s, n >= 300, vs baseline + 10%."
        )
        self.fail(f"{word.text!r} cannot follow a limit", word, hint)

    def measure(self) -> Measure:
        """Parse ``"avg" | … | "p" "(" number ")" | "recovery" "(" fault ")"``."""
        word = self.take()
        if word.kind == "end":
            self.fail("expected a measure such as p(95), rate or count, the text ends here", word)
        if word.text not in _MEASURES:
            self.fail(
                f"there is no measure {word.text!r}", word, _measure_hint(word.text, self.metric)
            )
        name = cast("MeasureName", word.text)
        if name == "p":
            if self.next.kind == "number":
                joined = Token("word", f"p{self.next.text}", word.start, self.next.end)
                hint = f"Did you mean 'p({self.next.text})'?"
                self.fail(f"there is no measure {joined.text!r}", joined, hint)
            self.expect("(", "'(' after p, as in p(95)")
            number = self.number("the percentile, a number from 0 to 100")
            percent = Decimal(number.text)
            if percent > _MAX_PERCENT:
                self.fail(f"a percentile lies within 0 to 100, not {number.text}", number)
            self.expect(")", "')'")
            return Measure("p", percent=percent.normalize() if percent else Decimal(0))
        if name == "recovery":
            return Measure("recovery", fault=self.fault())
        return Measure(name)

    def fault(self) -> str:
        """Parse ``"(" fault ")"``; a fault's name may hold signs, as in ``FI-001``."""
        opening = self.expect("(", "'(' and the fault's name, as in recovery(FI-001)")
        start = self.next.start
        while self.next.text != ")" and self.next.kind != "end":
            self.take()
        closing = self.expect(")", "')' after the fault's name")
        name = self.source[start : closing.start].strip()
        if not name:
            self.fail(
                "recovery needs the name of a fault",
                opening,
                "recovery(fault) stands for every fault of the run.",
            )
        return name

    def operator(self) -> Operator:
        """Parse ``"<" | "<=" | ">" | ">=" | "==" | "===" | "!="``."""
        token = self.take()
        if token.kind != "operator":
            self.fail(
                f"expected an operator (<, <=, >, >=, ==, !=), {seen(token)}",
                token,
                "A threshold says what must hold, as in p(95) < 200ms.",
            )
        return "==" if token.text == "===" else cast("Operator", token.text)

    def limit(self, measure: Measure) -> Number | Baseline:
        """Parse ``[ "-" ] number [ unit ] | "baseline" [ ( "+" | "-" ) number [ unit ] ]``."""
        if self.accept("baseline"):
            return self.margin(measure) if self.next.text in {"+", "-"} else Baseline()
        sign = self.accept("-", "+")
        first = self.number("a limit")
        value = Decimal(first.text)
        unit = self.unit(measure, self.dimension(measure))
        return Number(-value if sign and sign.text == "-" and value else value.normalize(), unit)

    def check_limit(self, measure: Measure, comparison: Comparison, at: Token) -> None:
        """Refuse a limit that nothing can miss: it judges nothing."""
        dimension = self.dimension(measure)
        if dimension is None or not isinstance(comparison.limit, Number):
            return
        value = comparison.limit.value
        share = value / _MAX_PERCENT if comparison.limit.unit in {"%", "pp"} else value
        most = Decimal(1) if dimension == "share" else None
        if _is_met_by_all(comparison.operator, share, most):
            why = "a share lies within 0 and 1" if dimension == "share" else "it is never below 0"
            meant = dimension == "share" and not comparison.limit.unit and 1 < value < _MAX_PERCENT
            hint = f"Did you mean {value}%?" if meant else ""
            self.fail(f"nothing can miss '{measure} {comparison}': {why}", at, hint)

    def versus(self, measure: Measure) -> Comparison:
        """Parse ``"vs" "baseline" ( "+" | "-" ) number [ unit ]``."""
        self.expect("vs", "'vs'")
        self.expect("baseline", "'baseline' after 'vs'")
        if self.next.text not in {"+", "-"}:
            self.fail(
                f"'vs baseline' needs a margin, {seen(self.next)}",
                hint="'vs baseline + 10%' bounds it from above, 'vs baseline - 10%' from below.",
            )
        operator: Operator = "<=" if self.next.text == "+" else ">="
        return Comparison(operator, self.margin(measure))

    def margin(self, measure: Measure) -> Baseline:
        """Parse ``( "+" | "-" ) number [ unit ]``; without a unit it is k6's own."""
        sign = self.take()
        value = Decimal(self.number("a margin").text).normalize()
        unit = "%" if self.accept("%") else self.unit(measure, self.dimension(measure))
        return Baseline(-value if sign.text == "-" else value, unit)

    def over(self) -> int:
        """Parse ``"over" duration``."""
        self.expect("over", "'over'")
        at = self.next
        window_us = self.duration()
        if window_us == 0 or window_us % US_PER["s"]:
            self.fail("a window is a whole number of seconds, at least one", at)
        return window_us

    def least_n(self) -> int:
        """Parse ``"n" ">=" integer``."""
        self.expect("n", "'n'")
        self.expect(">=", "'>=' after n, as in n >= 300")
        number = self.number("the fewest samples, a whole number")
        if not number.text.isdecimal() or int(number.text) < 1:
            self.fail("the fewest samples are a whole number of at least 1", number)
        return int(number.text)

    def unit(self, measure: Measure, dimension: Dimension | None) -> Unit:
        """Parse ``"us" | … | "%" | "/s"``, nothing if none follows."""
        token = self.next
        if self.accept("%"):
            unit: Unit = "%"
        elif self.accept("/"):
            self.expect("s", "'s' after '/', as in 10/s")
            unit = "/s"
        elif token.kind != "word" or token.text in _MODIFIERS:
            return ""
        elif token.text in UNIT_WORDS:
            unit = UNIT_WORDS[self.take().text]
        else:
            self.fail(
                f"there is no unit {token.text!r}",
                token,
                did_you_mean(token.text, UNIT_WORDS) or f"Units are {_UNITS_SHOWN}.",
            )
        if dimension is not None and unit not in UNITS[dimension]:
            about = f"{measure} of {self.metric.name}" if self.metric else str(measure)
            allowed = ", ".join(UNITS[dimension]) or "none"
            self.fail(f"{about} has no unit {unit!r}; its units: {allowed}", token)
        return unit

    def dimension(self, measure: Measure) -> Dimension | None:
        return None if self.metric is None else self.metric.dimension(measure.name)

    def check_measure(self, measure: Measure, token: Token) -> None:
        if self.metric is None or measure.name in MEASURES[self.metric.kind]:
            return
        self.fail(
            f"{self.metric.name} is a {self.metric.kind}: it has no {measure.name}",
            token,
            f"It has {', '.join(MEASURES[self.metric.kind])}.",
        )

    def check_together(self, expression: Expression, first: Token) -> None:
        """Refuse what is well-formed but has no meaning."""
        rules: tuple[tuple[bool, str], ...] = (
            (
                expression.measure.name == "recovery"
                and (
                    expression.over_us is not None
                    or expression.least_n is not None
                    or expression.needs_baseline
                ),
                "a recovery is one time: it has no window, no samples and no baseline",
            ),
            (
                expression.needs_baseline and expression.over_us is not None,
                "a window has no baseline: compare whole rounds, or give the window a limit",
            ),
            (
                any(
                    _is_relative(one) and one.operator in {"==", "!="}
                    for one in expression.comparisons
                ),
                "two measured figures are never exactly equal: use <= or >= with a baseline",
            ),
        )
        for broken, reason in rules:
            if broken:
                self.fail(reason, Token("", "", first.start, len(self.source.rstrip())))


def _is_met_by_all(operator: Operator, value: Decimal, most: Decimal | None) -> bool:
    """Return whether every figure from 0 to ``most`` meets a limit."""
    below, above = value < 0, most is not None and value > most
    return {
        "<": above,
        "<=": above or value == most,
        ">": below,
        ">=": below or value == 0,
        "!=": below or above,
    }.get(operator, False)


def _is_relative(comparison: Comparison) -> bool:
    return isinstance(comparison.limit, Baseline)


def _measure_hint(word: str, metric: Metric | None) -> str:
    common: dict[str, str] = {
        "mean": "avg",
        "average": "avg",
        "median": "med",
        "minimum": "min",
        "maximum": "max",
        "percentile": "p(95)",
        "errors": "rate of http_req_failed",
    }
    if word.lower() in common:
        return f"Did you mean '{common[word.lower()]}'?"
    names = MEASURES[metric.kind] if metric else _MEASURES
    return did_you_mean(word, names) or f"There are {', '.join(names)}."


class _JudgedParser(_Parser):
    def check_limit(self, measure: Measure, comparison: Comparison, at: Token) -> None:
        """Let every limit stand."""
