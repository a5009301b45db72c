"""``metric{tag:value,…}``: k6's sub-metrics, read as k6 reads them."""

import re

from stressproof.objectives.expression import Selector
from stressproof.objectives.metrics import ALIASES, METRICS
from stressproof.objectives.syntax import MAX_LENGTH, ExpressionError, did_you_mean, nearest

_METRIC = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*")
_TAG = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*:")
_QUOTES = "\"'"


def split_selector(text: str) -> tuple[str | None, int]:
    """Return the selector of ``selector: expression`` and where the expression begins.

    The last closing brace ends the tags, as in k6, so that a value may hold braces:
    ``http_req_duration{name:/orders/{id}}: p(95) < 200ms``. Without a selector, which only
    ``recovery(…)`` can do without, the first of the pair is None.

    Raises:
        ExpressionError: There is neither a selector nor a recovery.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"a threshold has at most {MAX_LENGTH} characters", text[:60] + "…", 60, 61
        )
    match = _METRIC.match(text)
    name_end = match.end() if match else 0
    if match and match[1] == "recovery" and text[name_end : name_end + 1] == "(":
        return None, 0
    end = text.rfind("}") + 1 if text[name_end : name_end + 1] == "{" else name_end
    colon = end + len(text[end:]) - len(text[end:].lstrip())
    if not match or text[colon : colon + 1] != ":":
        raise ExpressionError(
            "expected a metric, a colon and an expression",
            text,
            colon if match else 0,
            len(text),
            hint="For example: http_req_duration{name:/path}: p(95) < 200ms.",
        )
    return text[:end], colon + 1


def parse_selector(text: str) -> Selector:
    """Return a metric with its tags.

    Quotes around a name or a value are dropped, as k6 does; within quotes a comma is a comma.

    Raises:
        ExpressionError: The metric is unknown, or the tags are no list of ``name:value``.
    """
    match = _METRIC.match(text)
    if match is None or len(text) > MAX_LENGTH:
        raise ExpressionError("expected the name of a metric", text[:80], 0, 1)
    name = match[1]
    if name not in METRICS:
        hint = (
            f"Did you mean '{ALIASES[name.lower()]}'?"
            if name.lower() in ALIASES
            else did_you_mean(name, METRICS)
        )
        raise ExpressionError(
            f"there is no metric {name!r}",
            text,
            match.start(1),
            match.end(1),
            hint=hint
            or f"There are {', '.join(one.name for one in METRICS.values() if one.recorded)}; "
            "metrics that a k6 script makes itself have no counterpart here.",
        )
    rest = text[match.end() :].rstrip()
    if not rest:
        return Selector(name)
    if not (rest.startswith("{") and rest.endswith("}")):
        raise ExpressionError(
            "tags are given in braces", text, match.end(), len(text), hint="As in {name:/path}."
        )
    tags = _tags(text, match.end() + 1, match.end() + len(rest) - 1)
    return Selector(name, tags)


def _tags(text: str, start: int, end: int) -> tuple[tuple[str, str], ...]:
    tags: dict[str, str] = {}
    position = start
    while position < end and text[position:end].strip():
        match = _TAG.match(text, position, end)
        if match is None:
            raise ExpressionError(
                "a tag is a name, a colon and a value",
                text,
                position,
                end,
                hint="As in name:/path.",
            )
        if match[1] in tags:
            raise ExpressionError(
                f"the tag {match[1]!r} is given twice", text, match.start(1), match.end(1)
            )
        value, position = _value(text, match.end(), end)
        if not value and match[1] != "group":
            raise ExpressionError(
                f"the tag {match[1]!r} has no value", text, match.start(1), match.end()
            )
        tags[match[1]] = value
    return tuple(tags.items())


def _value(text: str, start: int, end: int) -> tuple[str, int]:
    """Return one value and where the next tag begins."""
    first = start + len(text[start:end]) - len(text[start:end].lstrip())
    quote = text[first : first + 1]
    closing = text.find(quote, first + 1, end) if quote and quote in _QUOTES else -1
    if closing >= 0 and text[closing + 1 : end].lstrip()[:1] in {"", ","}:
        comma = text.find(",", closing, end)
        return text[first + 1 : closing], end if comma < 0 else comma + 1
    comma = text.find(",", start, end)
    stop = end if comma < 0 else comma
    return text[start:stop].strip().strip(_QUOTES).strip(), end if comma < 0 else comma + 1


def suggest_tag(word: str, known: tuple[str, ...]) -> str:
    """Return the tag or value that a word may be a misspelling of, or an empty text."""
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else ""
