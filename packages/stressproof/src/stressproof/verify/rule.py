"""What a rule is, and how it says what it found.

A rule compares; it never raises. `Judgement` counts the comparisons, so that a rule which found
nothing to compare is NOT_CHECKED and can never pass on an empty set.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from stressproof.evidence.level import Level
from stressproof.exits import Exit
from stressproof.outcome import Outcome

CaseT = TypeVar("CaseT")

FINDINGS_KEPT = 20
"""Of one rule; a forged row is as telling as ten thousand of them."""

_SHOWN = 120
_ITEMS_SHOWN = 8


class Severity(StrEnum):
    """Whether a rule that fails blocks, or is only told."""

    BLOCKS = "blocks"
    WARNS = "warns"


class Finding(Struct, frozen=True):
    """One comparison that did not come out well.

    Attributes:
        outcome: `Outcome.FAIL` or `Outcome.INCONCLUSIVE`.
        where: JSON path of the value judged, ``$`` for the whole document.
        seen: What was there.
        expected: What would have passed.
        remedy: What to do about it.
    """

    outcome: Outcome
    where: str
    seen: str
    expected: str
    remedy: str


class Judgement:
    """Collects what one rule finds.

    Attributes:
        compared: Comparisons made, whatever came out.
        findings: Those that did not come out well, the first `FINDINGS_KEPT` of them.
        failed: How many failed, kept or not.
        unsure: How many could not be decided, kept or not.
        why_not: Why nothing was compared, where the rule said so.
    """

    __slots__ = ("_remedy", "compared", "failed", "findings", "unsure", "why_not")

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy
        self.compared = 0
        self.failed = 0
        self.unsure = 0
        self.findings: list[Finding] = []
        self.why_not = ""

    def check(
        self,
        holds: bool,  # noqa: FBT001  # reads as a sentence: check(a == b, where, a, b)
        where: str,
        seen: Any,
        expected: Any,
        remedy: str = "",
    ) -> bool:
        """Count a comparison, note it where it does not hold, and return whether it holds.

        Args:
            holds: How the comparison came out.
            where: JSON path of the value.
            seen: The value; a `str` is quoted, use `words` for prose.
            expected: What would have passed, likewise.
            remedy: What to do, if it is not the rule's general remedy.
        """
        if holds:
            self.compared += 1
        else:
            self.fail(where, seen, expected, remedy)
        return holds

    def passed(self, comparisons: int = 1) -> None:
        """Count comparisons that came out well."""
        self.compared += comparisons

    def fail(self, where: str, seen: Any, expected: Any, remedy: str = "") -> None:
        """Count a comparison that does not hold, and note it."""
        self.compared += 1
        self.failed += 1
        self._keep(Outcome.FAIL, where, seen, expected, remedy)

    def inconclusive(self, where: str, seen: Any, expected: Any, remedy: str = "") -> None:
        """Note that there is nothing, or too little, to decide by; this blocks as well."""
        self.compared += 1
        self.unsure += 1
        self._keep(Outcome.INCONCLUSIVE, where, seen, expected, remedy)

    def skip(self, why: str) -> None:
        """Say why nothing is compared here."""
        self.why_not = self.why_not or why

    def _keep(self, outcome: Outcome, where: str, seen: Any, expected: Any, remedy: str) -> None:
        if len(self.findings) < FINDINGS_KEPT:
            self.findings.append(
                Finding(
                    outcome, printable(where), show(seen), show(expected), remedy or self._remedy
                )
            )

    @property
    def outcome(self) -> Outcome:
        """Failure outweighs doubt; no comparison at all is no pass."""
        if self.failed:
            return Outcome.FAIL
        if self.unsure:
            return Outcome.INCONCLUSIVE
        return Outcome.PASS if self.compared else Outcome.NOT_CHECKED


class Rule(Struct, Generic[CaseT], frozen=True):
    """One thing that must hold.

    Attributes:
        id: Stable name; what a suppression, a test or a conversation refers to.
        clause: What it serves: clauses and headings of the protocol page, or a page of docs and its
            heading, separated by semicolons.
        title: What holds where the rule passes, as one sentence.
        remedy: What to do where it does not.
        judge: Compares.
        severity: Whether failing blocks.
        exit_code: What a failure ends the process with.
        level: The assurance level that the rule belongs to.
    """

    id: str
    clause: str
    title: str
    remedy: str
    judge: Callable[[CaseT, Judgement], None]
    severity: Severity = Severity.BLOCKS
    exit_code: Exit = Exit.EVIDENCE
    level: Level = Level.DECLARED

    def apply(self, case: CaseT) -> "Result":
        """Judge one case."""
        judgement = Judgement(self.remedy)
        self.judge(case, judgement)
        return Result(
            rule=self.id,
            clause=self.clause,
            title=self.title,
            severity=self.severity,
            level=self.level,
            outcome=judgement.outcome,
            exit_code=self._exit_code(judgement.outcome),
            compared=judgement.compared,
            findings=judgement.findings,
            more=judgement.failed + judgement.unsure - len(judgement.findings),
            why_not=judgement.why_not if judgement.outcome is Outcome.NOT_CHECKED else "",
        )

    def _exit_code(self, outcome: Outcome) -> Exit:
        if self.severity is Severity.WARNS or outcome in {Outcome.PASS, Outcome.NOT_CHECKED}:
            return Exit.PASS
        return self.exit_code if outcome is Outcome.FAIL else Exit.INCONCLUSIVE


def rule(
    id: str,  # noqa: A002  # the field's own name
    *,
    clause: str,
    title: str,
    remedy: str,
    severity: Severity = Severity.BLOCKS,
    exit_code: Exit = Exit.EVIDENCE,
    level: Level = Level.DECLARED,
) -> Callable[[Callable[[CaseT, Judgement], None]], Rule[CaseT]]:
    """Make a rule of the function that judges it."""

    def decorator(judge: Callable[[CaseT, Judgement], None]) -> Rule[CaseT]:
        return Rule(id, clause, title, remedy, judge, severity, exit_code, level)

    return decorator


class Result(Struct, frozen=True):
    """How one rule came out.

    Attributes:
        rule: The rule's id.
        clause: Likewise its clause.
        title: Likewise.
        severity: Likewise.
        level: Likewise.
        outcome: Pass, fail, inconclusive, or not checked.
        exit_code: What this alone would end the process with.
        compared: Comparisons made.
        findings: What did not come out well.
        more: Findings beyond those kept.
        why_not: Why nothing was checked, empty where something was.
    """

    rule: str
    clause: str
    title: str
    severity: Severity
    level: Level
    outcome: Outcome
    exit_code: Exit
    compared: int
    findings: list[Finding]
    more: int = 0
    why_not: str = ""


class Prose(str):
    """Prose: shown as it is, where a plain `str` is a value and is quoted."""

    __slots__ = ()


def prose(text: str) -> Prose:
    """Mark a text as our own prose."""
    return Prose(text)


def show(value: Any) -> str:
    """Return a value as it may be printed anywhere: one line, quoted, bounded, no control codes.

    Evidence is written by others: nothing in it may move a cursor, start a workflow command or
    fill a log.
    """
    if isinstance(value, Prose):
        return printable(value)
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    if isinstance(value, list | tuple):
        if len(value) > _ITEMS_SHOWN:
            return f"an array of {len(value)}"
        return f"[{', '.join(show(item) for item in value)}]"[:_SHOWN]
    if isinstance(value, Struct):
        return f"a {type(value).__name__}"
    if isinstance(value, str):
        value = value[: _SHOWN + 1]
    import json  # noqa: PLC0415  # evidence that passes shows nothing

    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


_LINE = 300


def printable(text: str) -> str:
    """Return a text that may hold somebody else's words as one harmless, bounded line."""
    shown = text if len(text) <= _LINE else text[: _LINE - 1] + "…"
    return str(shown) if shown.isprintable() else shown.encode("unicode_escape").decode()
