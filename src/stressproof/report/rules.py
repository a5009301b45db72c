"""The rules, listed: for ``--explain`` and for docs/rules.md."""

from collections.abc import Iterable
from typing import Any

from stressproof.exits import Exit
from stressproof.verify.rule import Rule, Severity


def explain_rules(rules: Iterable[Rule[Any]]) -> str:
    """Return the rules as text, three lines each."""
    lines = []
    for one in rules:
        lines += [
            f"{one.id}  [{one.clause}]  {consequence(one)}",
            f"    {one.title}.",
            f"    → {one.remedy}",
        ]
    return "\n".join(lines) + "\n"


def consequence(one: Rule[Any]) -> str:
    """Return what a failure of the rule does."""
    if one.severity is Severity.WARNS:
        return "warns"
    return f"exit {int(one.exit_code)} ({_SHORT[one.exit_code]})"


_SHORT = {Exit.EVIDENCE: "evidence rejected", Exit.OBJECTIVES: "objectives not met"}
