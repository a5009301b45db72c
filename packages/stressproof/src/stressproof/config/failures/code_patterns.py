"""Whether patterns of a file can meet anything: codes of answers, and kinds of requests."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from stressproof.config.mistakes import there_are
from stressproof.errors import UsageError
from stressproof.failures.answer_class import ANSWER_CLASSES, CHECK_FAILED, NOT_SENT, SENT
from stressproof.failures.spec import RequestSpec
from stressproof.objectives.syntax import did_you_mean

_STATUSES = [str(status) for status in range(200, 600)]
_WITHOUT_ANSWER = sorted(NOT_SENT | SENT)
_RANGE = re.compile(r"(?P<stem>.*?)(?P<first>[0-9]{1,6})\.\.(?P<last>[0-9]{1,6})")
_MOST_OF_A_RANGE = 1000


def meet(one: str, other: str) -> bool:
    """Return whether some text is matched by both patterns; a ``*`` stands for anything."""
    reached = {0}
    for sign in one:
        reached = _after_stars(reached, other)
        if sign == "*":
            reached = set(range(min(reached, default=len(other) + 1), len(other) + 1))
        else:
            reached = {
                at if other[at] == "*" else at + 1
                for at in reached
                if at < len(other) and (other[at] in {"*", "?", sign} or sign == "?")
            }
    return len(other) in _after_stars(reached, other)


def _after_stars(places: set[int], pattern: str) -> set[int]:
    """Return places in a pattern, and those that stars which stand for nothing lead on to."""
    found = set(places)
    for at, sign in enumerate(pattern):
        if sign == "*" and at in found:
            found.add(at + 1)
    return found


def ranged(text: str) -> list[str]:
    """Return the names that a text such as ``race_1..5`` stands for; of another, itself.

    Raises:
        UsageError: The range is empty, or too long.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return [text]
    first, last = int(match["first"]), int(match["last"])
    if not 0 <= last - first < _MOST_OF_A_RANGE:
        raise UsageError(
            f"{text!r} is no range", hint=f"Such as {match['stem']}1..5, from low to high."
        )
    return [f"{match['stem']}{number}" for number in range(first, last + 1)]


def chosen(pattern: str, requests: Sequence[RequestSpec]) -> list[RequestSpec]:
    """Return the kinds of requests that a pattern names.

    Raises:
        UsageError: There is none.
    """
    found = [
        one
        for one in requests
        if fnmatchcase(one.kind, pattern) or (one.rows_of and meet(f"{one.kind}_*", pattern))
    ]
    if not found:
        kinds = [one.kind for one in requests]
        raise UsageError(
            f"no request is {pattern!r}",
            hint=did_you_mean(pattern, kinds) or there_are(kinds),
        )
    return found


def demand_code(pattern: str, requests: Sequence[RequestSpec], more: Sequence[str] = ()) -> None:
    """Refuse a pattern that no answer of some requests could have as its code.

    Args:
        pattern: Of a code, or a class.
        requests: Whose answers.
        more: Words that stand for something else.

    Raises:
        UsageError: None could.
    """
    if pattern in ANSWER_CLASSES or pattern in more:
        return
    status, slash, note = pattern.partition("/")
    if not slash and any(fnmatchcase(code, pattern) for code in _WITHOUT_ANSWER):
        return
    if not any(fnmatchcase(each, status) for each in _STATUSES):
        words = (*ANSWER_CLASSES, *more, *_WITHOUT_ANSWER)
        raise UsageError(
            f"no answer ends as {pattern!r}",
            hint=did_you_mean(pattern, words)
            or f"Write a status such as 503 or 503/retry, or one of {', '.join(words)}.",
        )
    said = (rule.note for one in requests for rule in one.answers)
    notes = [CHECK_FAILED, *dict.fromkeys(said)]
    if slash and not any(meet(re.sub(r"\{[^{}]*\}", "*", each), note) for each in notes):
        own = f"Their notes are {', '.join(notes[1:])}." if notes[1:] else ""
        raise UsageError(
            f"no answer of these requests has the note {note!r}",
            hint=did_you_mean(note, notes)
            or own
            or "They have none: write answers = [{ note = … }].",
        )
