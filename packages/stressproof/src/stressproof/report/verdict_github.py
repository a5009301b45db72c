"""A verdict as GitHub workflow commands: annotations, within the ten of a kind that are shown."""

from collections.abc import Sequence

from stressproof.report.verdict_text import summary
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.rule import Result, printable
from stressproof.verify.verdict import Verdict

ANNOTATIONS_MAX = 10
"""Of one kind in one step; GitHub drops further ones without a word."""


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def workflow_command(kind: str, title: str, text: str) -> str:
    """Return one command that GitHub shows as an annotation."""
    return f"::{kind} title={_property(title)}::{_data(text)}"


def annotations(kind: str, results: list[Result], prefix: str) -> list[str]:
    """Return a command for each result; the last one tells how many more there are."""
    return capped(kind, [(result.rule, reason_text(result)) for result in results], prefix)


def capped(kind: str, told: Sequence[tuple[str, str]], prefix: str = "") -> list[str]:
    """Return a command for each title and text, as many as are shown; the last names the rest."""
    shown = told if len(told) <= ANNOTATIONS_MAX else told[: ANNOTATIONS_MAX - 1]
    lines = [workflow_command(kind, f"{prefix}{title}", text) for title, text in shown]
    rest = [title for title, _ in told[len(shown) :]]
    if rest:
        more = f"{prefix}and {len(rest)} more"
        lines.append(workflow_command(kind, more, ", ".join(rest)))
    return lines


def reason_text(result: Result) -> str:
    """Return what a rule found first, and what to do about it."""
    if not result.findings:
        return result.title
    first = result.findings[0]
    others = len(result.findings) + result.more - 1
    more = f" (and {others} more)" if others else ""
    return f"{first.where}: {first.seen}; expected {first.expected}{more}. {first.remedy}"


def render(verdict: Verdict) -> str:
    """Return annotations for what blocks and what warns, and a notice with the verdict."""
    prefix = f"{NOT_RELEASE}: " if verdict.dry_run or verdict.loosened else ""
    digest = verdict.sha256 or "not read"
    notice = f"{summary(verdict)}; {printable(verdict.path)} sha256 {digest}"
    lines = [
        *annotations("error", verdict.blocking, prefix),
        *annotations("warning", verdict.warnings, prefix),
        *annotations("warning", verdict.waived, f"{prefix}WAIVED "),
        workflow_command("notice", f"{prefix}stressproof", notice),
    ]
    return "\n".join(lines) + "\n"
