"""A gate's decision for people: the evidence, the gate's own rules, the steps, the last word."""

from stressproof.gate.decision import Decision
from stressproof.gate.step_runner import StepReport
from stressproof.outcome import Outcome
from stressproof.report import verdict_text
from stressproof.report.verdict_text import WORD, reasons
from stressproof.report.verdicts import NOT_RELEASE
from stressproof.verify.kinds import KINDS
from stressproof.verify.rule import printable
from stressproof.verify.stress.verifier import STRESS

NOT_A_DECISION = "NOT A RELEASE DECISION"
"""What the last line says where nothing may be released on it, whatever came out."""

_NAME_WIDTH = 12


def render(decision: Decision) -> str:
    """Return the decision as lines of text, the verdict last."""
    lines = [
        f"gate      {decision.gate}  ({decision.tool}, {decision.decided_at})",
        f"commit    {decision.commit or 'not known'}",
        f"policy    {printable(decision.policy)}",
        f"trust     {printable(decision.trust)}",
    ]
    if decision.not_judged:
        lines.append(f"not judged: {printable(', '.join(decision.not_judged))}")
    for verdict in decision.verdicts:
        lines += ["", *_unmarked(verdict_text.render(verdict))]
    blocking = [check for check in decision.checks if check in decision.blocking]
    if blocking:
        lines.append("")
    for check in blocking:
        lines += reasons(check)
    for check in decision.waived:
        lines += [*reasons(check), f"      {printable(check.why_not)}"]
    if decision.steps:
        lines.append("")
    for step in decision.steps:
        lines += _step(step)
    lines += ["", summary(decision)]
    if decision.dry_run or decision.loosened:
        lines = [f"{NOT_RELEASE}  {line}".rstrip() for line in lines]
    return "\n".join(lines) + "\n"


def summary(decision: Decision) -> str:
    """Return the decision as one line: the same in every form."""
    parts = [_evidence(decision, kind.name) for kind in KINDS]
    shut = sum(check in decision.blocking for check in decision.checks)
    if shut:
        parts.append(f"{_count(shut, 'rule')} of the gate {_verb(shut, 'block')}")
    if decision.evidence_only:
        parts.append("quality steps left out")
    elif decision.steps:
        parts.append(_steps(decision.steps))
    why = _why_no_decision(decision)
    return (
        f"{why}{WORD[decision.outcome]}  {decision.gate} gate: {', '.join(parts)}  "
        f"exit {int(decision.exit_code)}"
    )


def _why_no_decision(decision: Decision) -> str:
    """Return the mark of a run that releases nothing by what was asked, empty for others."""
    if decision.evidence_only:
        return f"{NOT_A_DECISION} (evidence only)  "
    if STRESS.name in decision.not_asked:
        return f"{NOT_A_DECISION} (no stress evidence was asked for)  "
    return ""


def _evidence(decision: Decision, kind: str) -> str:
    if kind in decision.not_asked:
        return f"{kind} evidence not asked for"
    verdict = next((each for each in decision.verdicts if each.kind == kind), None)
    if verdict is None:
        return f"{kind} evidence missing"
    blocking = len(verdict.blocking)
    if blocking:
        rules = _count(blocking, "rule")
        return f"{kind} evidence blocked by {rules}"
    return f"{kind} evidence holds ({verdict.level})"


def _steps(steps: list[StepReport]) -> str:
    held = sum(step.outcome is Outcome.PASS for step in steps)
    idle = sum(step.outcome is Outcome.NOT_CHECKED for step in steps)
    if idle:
        return f"{idle} of {_count(len(steps), 'step')} not run"
    return f"{held} of {_count(len(steps), 'step')} hold"


def _step(step: StepReport) -> list[str]:
    took = "" if step.took_seconds is None else f"  ({step.took_seconds:g} s)"
    command = printable(" ".join(step.command))
    lines = [f"{WORD[step.outcome]}  {step.name:<{_NAME_WIDTH}} {step.seen}{took}  $ {command}"]
    if step.outcome not in {Outcome.PASS, Outcome.NOT_CHECKED}:
        lines += [f"      {line}" for line in step.tail]
        lines.append(f"      → {step.remedy}")
    return lines


def _unmarked(text: str) -> list[str]:
    """Return a verdict's lines without their mark: the decision's lines get one of their own."""
    return [line.removeprefix(f"{NOT_RELEASE}  ") for line in text.rstrip("\n").split("\n")]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _verb(number: int, verb: str) -> str:
    return f"{verb}s" if number == 1 else verb
