"""Reports as JUnit XML: a suite for each artifact, a case for each objective or scenario."""

from collections.abc import Sequence
from html import escape

from stressproof.exits import Exit
from stressproof.outcome import Outcome
from stressproof.report.html.parts import Judged, Page
from stressproof.report.verdict_junit import attributes


def render(pages: Sequence[Page]) -> str:
    """Return what CI shows as tests.

    What failed is a failure, what could not be decided is an error. Rules that reject the evidence
    are a case of their own, so that objectives which hold on rejected evidence make no green suite.
    """
    suites = "\n".join(_suite(page) for page in pages)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}\n</testsuites>\n'


def _suite(page: Page) -> str:
    cases = [*map(_case, page.judged), _evidence(page)]
    outcomes = [one.outcome for one in page.judged] + [_of_evidence(page)]
    head = attributes(
        name=f"stressproof {page.title}",
        tests=len(cases),
        failures=outcomes.count(Outcome.FAIL),
        errors=outcomes.count(Outcome.INCONCLUSIVE),
        skipped=0,
    )
    told = escape(f"{page.word}: {page.sentence} Next: {page.next_step}")
    lines = [f"  <testsuite{head}>", *cases, f"    <system-out>{told}</system-out>"]
    return "\n".join([*lines, "  </testsuite>"])


def _of_evidence(page: Page) -> Outcome:
    """Return how the evidence came out beside its objectives, which have cases of their own."""
    codes = {result.exit_code for result in page.verdict.blocking} - {Exit.OBJECTIVES}
    if not codes:
        return Outcome.PASS
    return Outcome.INCONCLUSIVE if codes == {Exit.INCONCLUSIVE} else Outcome.FAIL


def _case(judged: Judged) -> str:
    text = f"{judged.observed} against {judged.limit}, n={judged.samples} {judged.note}".strip()
    return _element("objective", judged.name, judged.outcome, text)


def _evidence(page: Page) -> str:
    reasons = "\n".join(
        f"{one.title} ({one.rule}): {'; '.join(one.findings)}" for one in page.reasons
    )
    return _element("evidence", "the evidence can be believed", _of_evidence(page), reasons)


def _element(kind: str, name: str, outcome: Outcome, text: str) -> str:
    head = attributes(classname=f"stressproof.{kind}", name=name, time="0")
    if outcome is Outcome.PASS:
        return f"    <testcase{head}/>"
    tag = "failure" if outcome is Outcome.FAIL else "error"
    message = attributes(message=text.split("\n", 1)[0])
    return f"    <testcase{head}><{tag}{message}>{escape(text)}</{tag}></testcase>"
