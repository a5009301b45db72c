"""A verdict as JUnit XML: a test case for each rule, so that CI shows which one and why."""

from html import escape

from stressproof.outcome import Outcome
from stressproof.report.verdict_text import one_figure, summary
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.rule import Result, Severity, printable
from stressproof.verify.verdict import Verdict


def attributes(**values: object) -> str:
    """Return attributes of an element, each beginning with a blank."""
    return "".join(f' {name}="{escape(str(value))}"' for name, value in values.items())


def render(verdict: Verdict) -> str:
    """Return the verdict as one test suite.

    What failed is a failure, what could not be decided is an error, what was not checked is
    skipped with the reason. A warning passes and says so in its output.
    """
    cases = [case(verdict.kind, result) for result in verdict.results]
    rehearsal = f"{NOT_RELEASE}: " if verdict.dry_run or verdict.loosened else ""
    blocking = [result for result in verdict.results if result.severity is Severity.BLOCKS]
    head = attributes(
        name=f"{rehearsal}stressproof {verdict.kind} evidence",
        tests=len(cases),
        failures=sum(result.outcome is Outcome.FAIL for result in blocking),
        errors=sum(result.outcome is Outcome.INCONCLUSIVE for result in blocking),
        skipped=sum(result.outcome is Outcome.NOT_CHECKED for result in verdict.results),
        timestamp=verdict.judged_at,
    )
    properties = {
        "path": printable(verdict.path),
        "sha256": verdict.sha256 or "",
        "outcome": verdict.outcome,
        "exit_code": int(verdict.exit_code),
        "level": verdict.level,
        "commit": printable(verdict.commit or ""),
        "release_evidence": str(verdict.is_release_evidence).lower(),
    }
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuite{head}>",
        "  <properties>",
        *(
            f"    <property{attributes(name=name, value=value)}/>"
            for name, value in properties.items()
        ),
        "  </properties>",
        *cases,
        "  <system-out>"
        + escape("\n".join([summary(verdict), *map(one_figure, verdict.figures)]))
        + "</system-out>",
        "</testsuite>",
    ]
    return "\n".join(lines) + "\n"


def case(kind: str, result: Result) -> str:
    """Return a result as a test case of a class of that kind."""
    head = attributes(
        classname=f"stressproof.{kind}", name=f"{result.rule}: {result.title}", time="0"
    )
    inner = _inner(result)
    return f"  <testcase{head}/>" if not inner else f"  <testcase{head}>{inner}</testcase>"


def _inner(result: Result) -> str:
    if result.outcome is Outcome.NOT_CHECKED:
        return f"<skipped{attributes(message=result.why_not or 'nothing to compare')}/>"
    if result.outcome is Outcome.PASS:
        return ""
    reasons = [
        f"{each.where}: {each.seen}; expected {each.expected} → {each.remedy}"
        for each in result.findings
    ]
    if result.more:
        reasons.append(f"and {result.more} more")
    text = escape("\n".join(reasons))
    if result.outcome is Outcome.WAIVED:
        return f"<system-out>WAIVED {text} ({escape(result.why_not)})</system-out>"
    if result.severity is Severity.WARNS:
        return f"<system-out>WARN {text}</system-out>"
    tag = "failure" if result.outcome is Outcome.FAIL else "error"
    message = attributes(message=reasons[0] if reasons else result.title, type=result.clause)
    return f"<{tag}{message}>{text}</{tag}>"
