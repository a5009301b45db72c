"""What was judged as JUnit XML: a suite for each report, a case for all that was asked."""

from collections.abc import Sequence
from html import escape

from stressproof.exits import Exit
from stressproof.outcome import Outcome
from stressproof.report.ci_report import CiReport, seen
from stressproof.report.html.parts import Judged, reason
from stressproof.report.verdict_junit import attributes
from stressproof.verify.rule import Result


def render(reports: Sequence[CiReport]) -> str:
    """Return what CI shows as tests.

    What failed is a failure, what could not be decided is an error. Rules that reject the evidence
    are a case of their own, so that objectives which hold on rejected evidence make no green suite.
    """
    suites = "\n".join(map(_suite, reports))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}\n</testsuites>\n'


def _suite(report: CiReport) -> str:
    cases, outcomes = [*map(_case, report.judged)], [one.outcome for one in report.judged]
    if report.blocking is not None:
        outcomes.append(_of_evidence(report.blocking))
        cases.append(_evidence(report.blocking))
    head = attributes(
        name=f"stressproof {report.title}",
        tests=len(cases),
        failures=outcomes.count(Outcome.FAIL),
        errors=outcomes.count(Outcome.INCONCLUSIVE),
        skipped=0,
    )
    told = escape(f"{report.word}: {report.sentence} Next: {report.next_step}")
    lines = [f"  <testsuite{head}>", *cases, f"    <system-out>{told}</system-out>"]
    return "\n".join([*lines, "  </testsuite>"])


def _of_evidence(blocking: Sequence[Result]) -> Outcome:
    """Return how the evidence came out beside its objectives, which have cases of their own."""
    codes = {result.exit_code for result in blocking} - {Exit.OBJECTIVES}
    if not codes:
        return Outcome.PASS
    return Outcome.INCONCLUSIVE if codes == {Exit.INCONCLUSIVE} else Outcome.FAIL


def _case(judged: Judged) -> str:
    return _element("objective", judged.name, judged.outcome, seen(judged))


def _evidence(blocking: Sequence[Result]) -> str:
    reasons = "\n".join(
        f"{one.title} ({one.rule}): {'; '.join(one.findings)}" for one in map(reason, blocking)
    )
    return _element("evidence", "the evidence can be believed", _of_evidence(blocking), reasons)


def _element(kind: str, name: str, outcome: Outcome, text: str) -> str:
    head = attributes(classname=f"stressproof.{kind}", name=name, time="0")
    if outcome is Outcome.PASS:
        return f"    <testcase{head}/>"
    tag = "failure" if outcome is Outcome.FAIL else "error"
    message = attributes(message=text.split("\n", 1)[0])
    return f"    <testcase{head}><{tag}{message}>{escape(text)}</{tag}></testcase>"
