"""A gate's decision as JUnit XML: a suite for each evidence, for the gate, and for its steps."""

from stressproof.gate.decision import Decision
from stressproof.outcome import Outcome
from stressproof.report import verdict_junit
from stressproof.report.gate_text import summary
from stressproof.report.verdict_junit import attributes, case
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.rule import Result


def render(decision: Decision) -> str:
    """Return the decision as test suites; the gate's own result is a case, so that none is green
    where the gate stays shut.
    """  # noqa: D205  # one sentence
    rehearsal = f"{NOT_RELEASE}: " if decision.dry_run or decision.loosened else ""
    parts = [
        verdict_junit.render(verdict).split("\n", 1)[1].rstrip("\n")
        for verdict in decision.verdicts
    ]
    parts.append(_suite(f"{rehearsal}stressproof {decision.gate} gate", "gate", decision.checks))
    steps = [step.result for step in decision.steps]
    parts.append(_suite(f"{rehearsal}stressproof quality steps", "steps", steps))
    parts.append(_decision(decision, rehearsal))
    inner = "\n".join(filter(None, parts))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{inner}\n</testsuites>\n'


def _suite(name: str, kind: str, results: list[Result]) -> str:
    if not results:
        return ""
    outcomes = [result.outcome for result in results]
    head = attributes(
        name=name,
        tests=len(results),
        failures=outcomes.count(Outcome.FAIL),
        errors=outcomes.count(Outcome.INCONCLUSIVE),
        skipped=outcomes.count(Outcome.NOT_CHECKED),
    )
    return "\n".join([f"<testsuite{head}>", *(case(kind, one) for one in results), "</testsuite>"])


def _decision(decision: Decision, rehearsal: str) -> str:
    released = decision.accepted
    head = attributes(
        name=f"{rehearsal}stressproof decision",
        tests=1,
        failures=int(not released),
        errors=0,
        skipped=0,
    )
    inner = "" if released else f"<failure{attributes(message=summary(decision))}/>"
    name = attributes(classname="stressproof.gate", name="the build may be released", time="0")
    return f"<testsuite{head}>\n  <testcase{name}>{inner}</testcase>\n</testsuite>"
