"""Rules for answers, as a request of a file has them."""

import re
from typing import cast

from stressproof.config.plan_tables import AnswerTable, RequestTable
from stressproof.config.plans import statuses_of
from stressproof.errors import UsageError
from stressproof.failures.answer_class import ANSWER_CLASSES, AnswerClass
from stressproof.failures.spec import AnswerRule
from stressproof.objectives.syntax import did_you_mean
from stressproof.workload.checks import Checks

_KEEP = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63})=json:(?P<path>[^\s=]+)")
_BRACES = re.compile(r"\{[^{}]+\}")


def answer_rule(table: AnswerTable) -> AnswerRule:
    """Return a rule.

    Raises:
        UsageError: Something of it cannot be meant.
    """
    Checks.of((table.when,) if table.when else ())
    if "{" in _BRACES.sub("", table.note) or "}" in _BRACES.sub("", table.note):
        raise UsageError(
            f"the note {table.note!r} has a brace that names nothing",
            hint="Write {json.path} for what the answer has there.",
        )
    if table.class_ is not None and table.class_ not in ANSWER_CLASSES:
        offer = did_you_mean(table.class_, ANSWER_CLASSES)
        raise UsageError(
            f"there is no class of answers {table.class_!r}",
            hint=offer or f"There are {', '.join(ANSWER_CLASSES)}.",
        )
    if table.keep and not _KEEP.fullmatch(table.keep):
        raise UsageError(
            f"{table.keep!r} keeps nothing", hint="Such as decisions=json:decision_id."
        )
    return AnswerRule(table.note, table.when, cast("AnswerClass", table.class_ or ""), table.keep)


def kept_name(rule: AnswerRule | AnswerTable) -> str:
    """Return what a rule's values are called, empty where it keeps none."""
    return rule.keep.partition("=")[0]


def demand_definite(table: RequestTable) -> None:
    """Refuse statuses that promise no effect and yet mean what was asked for.

    Raises:
        UsageError: There is one.
    """
    both = sorted(set(table.definite).intersection(statuses_of(table.expect)))
    if both:
        raise UsageError(
            f"{both[0]} is expected, and promises to have had no effect",
            hint="An expected 4xx is refused as it is; leave it out of definite.",
        )
