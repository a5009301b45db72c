"""How an answer ended a request, by the rules that a file has for it."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from stressproof.failures.answer_class import CHECK_FAILED
from stressproof.failures.spec import AnswerRule, RequestSpec
from stressproof.faults.client import Answer
from stressproof.workload.checks import Checks
from stressproof.workload.json_paths import ABSENT, member

_BRACES = re.compile(r"\{([^{}]+)\}")
_UNFIT = re.compile(r"[^!-~]+")
_NOTE_CHARACTERS = 120
_KEPT = 100_000


class RuleReader:
    """Reads the answers to one kind of request.

    Args:
        spec: With its rules; the first that holds adds its note to the status.
        checks: What every answer must hold.
        kept: Takes what rules keep, by name.
    """

    def __init__(
        self, spec: RequestSpec, checks: Sequence[str], kept: dict[str, list[Any]]
    ) -> None:
        self._spec = spec
        self._check = Checks.of(checks)
        self._rules = [
            (Checks.of((rule.when,) if rule.when else ()), rule) for rule in spec.answers
        ]
        self._kept = kept

    def __call__(self, answer: Answer) -> str:
        """Return the code of an answer: its status, and what it says beside that."""
        note = self._note(answer)
        return f"{answer.status}/{note}" if note else f"{answer.status}"

    def _note(self, answer: Answer) -> str:
        # A refusal says why, and not what was asked for; an answer of another status fails by it.
        done = self._spec.classify(answer.status, "") == "ok"
        if done and self._check and self._check(answer.body, answer.headers) is not None:
            return CHECK_FAILED
        for check, rule in self._rules:
            if check is None or check(answer.body, answer.headers) is None:
                if rule.keep:
                    self._keep(rule, answer)
                return noted(rule.note, answer.body)
        return ""

    def _keep(self, rule: AnswerRule, answer: Answer) -> None:
        name, _, path = rule.keep.partition("=json:")
        found = member(_document(answer.body), path.split("."))
        values = self._kept.setdefault(name, [])
        if found is not ABSENT and len(values) < _KEPT:
            values.append(found)


def noted(note: str, body: bytes) -> str:
    """Return a note with members of a JSON body for its braces, ``-`` for what is not there."""
    if "{" not in note:
        return note
    document = _document(body)

    def value(match: re.Match[str]) -> str:
        found = member(document, match[1].split("."))
        if found is ABSENT:
            return "-"
        return found if isinstance(found, str) else msgspec.json.encode(found).decode()

    return _UNFIT.sub("_", _BRACES.sub(value, note))[:_NOTE_CHARACTERS]


def _document(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
