"""One decision: what was judged, by digest, how every part came out, and whether it releases."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from stressproof.exits import Exit, strongest
from stressproof.gate.checkout import Checkout
from stressproof.gate.policy import Policy
from stressproof.gate.request import GateRequest
from stressproof.gate.step_runner import StepReport
from stressproof.gate.trust import Trust
from stressproof.outcome import Outcome
from stressproof.verify.instants import show_instant
from stressproof.verify.rule import Result
from stressproof.verify.stress.verifier import STRESS
from stressproof.verify.verdict import Verdict
from stressproof.version import __version__

DECISION_SCHEMA = "stressproof.gate-decision/1"


class Decision(Struct, frozen=True, kw_only=True):
    """What a gate decided.

    Attributes:
        schema: Identifies this form.
        tool: What decided, with its version.
        gate: ``release`` or ``enterprise``.
        decided_at: The gate's clock, RFC 3339.
        commit: The commit checked out; null where git does not say.
        policy: Where the project's policy was read, and who owns it.
        policy_commit: The commit it was read from; null where there is no repository.
        trust: Where the trust policy was read, and who owns that.
        trust_digest: sha256 of it, null where there is none.
        not_judged: What of the tree and of the load was compared with no commit.
        asked: What the caller tightened or named, by kind of evidence and requirement.
        outcome: All parts together.
        exit_code: What the process ends with.
        evidence_only: Whether the quality steps were left out.
        dry_run: A rehearsal; never release evidence.
        loosened: What was asked less of than the floors allow; only in a rehearsal.
        would_pass: Whether everything asked for held, loosened or not.
        not_asked: Kinds of evidence that were neither named nor required.
        verdicts: On each evidence that has a path.
        checks: Of the gate's own rules.
        steps: How each quality step came out.
    """

    schema: str = DECISION_SCHEMA
    tool: str = f"stressproof {__version__}"
    gate: str
    decided_at: str
    commit: str | None
    policy: str
    policy_commit: str | None
    trust: str
    trust_digest: str | None
    not_judged: list[str]
    asked: dict[str, dict[str, Any]]
    outcome: Outcome
    exit_code: Exit
    evidence_only: bool
    dry_run: bool
    loosened: list[str]
    would_pass: bool
    not_asked: list[str]
    verdicts: list[Verdict]
    checks: list[Result]
    steps: list[StepReport]

    @property
    def is_release_decision(self) -> bool:
        """Whether this may release anything: stress evidence and the quality steps were asked."""
        return not (self.dry_run or self.evidence_only or STRESS.name in self.not_asked)

    @property
    def accepted(self) -> bool:
        """Whether a promotion may go on."""
        return (
            self.exit_code is Exit.PASS
            and self.is_release_decision
            and not self.loosened
            and all(verdict.is_release_evidence for verdict in self.verdicts)
            and STRESS.name in {verdict.kind for verdict in self.verdicts}
            and bool(self.steps)
            and all(step.outcome is Outcome.PASS for step in self.steps)
        )

    @property
    def waived(self) -> list[Result]:
        """The gate's own rules that did not hold, and that an approver signed need not."""
        return [check for check in self.checks if check.outcome is Outcome.WAIVED]

    @property
    def blocking(self) -> list[Result]:
        """Every result that keeps the gate shut, in the order in which they were judged."""
        results = [result for verdict in self.verdicts for result in verdict.results]
        results += [*self.checks, *(step.result for step in self.steps)]
        return [result for result in results if result.exit_code is not Exit.PASS]


def decide(
    gate: str,
    asked: GateRequest,
    checkout: Checkout,
    policy: Policy,
    trust: Trust,
    *,
    verdicts: Sequence[Verdict],
    checks: Sequence[Result],
    not_judged: Sequence[str],
    steps: Sequence[StepReport],
    evidence_only: bool,
    now_us: int,
) -> Decision:
    """Return the decision that all parts add up to.

    A pass needs evidence or a step that passed: a gate that judged nothing is inconclusive.

    Args:
        gate: What the gate is called.
        asked: What it asked.
        checkout: What is checked out.
        policy: The project's, and where it was read.
        trust: What must be signed, and where that was read.
        verdicts: On each evidence that has a path.
        checks: Of the gate's own rules.
        not_judged: What was compared with no commit.
        steps: Of the quality steps, run or not.
        evidence_only: Whether the steps were left out on purpose.
        now_us: The time, in microseconds since 1970.
    """
    loosened = [f"{each.kind.name}: {line}" for each in asked.evidence for line in each.loosened]
    codes = [verdict.exit_code for verdict in verdicts]
    codes += [check.exit_code for check in checks]
    codes += [step.exit_code for step in steps]
    if not (evidence_only or asked.dry_run or _all_ran(steps)):
        codes.append(Exit.INCONCLUSIVE)
    held = Outcome.PASS in {
        *(verdict.outcome for verdict in verdicts),
        *(step.outcome for step in steps),
    }
    code = strongest(codes if held else [*_without_pass(codes), Exit.INCONCLUSIVE])
    would_pass = (
        (held or any(verdict.would_pass for verdict in verdicts))
        and all(verdict.would_pass for verdict in verdicts)
        and all(check.exit_code is Exit.PASS for check in checks)
        and all(step.exit_code is Exit.PASS for step in steps)
    )
    if code is Exit.PASS and loosened:
        code = Exit.INCONCLUSIVE
    return Decision(
        gate=gate,
        decided_at=show_instant(now_us),
        commit=checkout.head,
        policy=policy.owner,
        policy_commit=policy.commit,
        trust=trust.source,
        trust_digest=trust.policy.digest if trust.policy else None,
        not_judged=list(not_judged),
        asked={each.kind.name: each.settings for each in asked.evidence if each.is_asked},
        outcome=_OUTCOMES.get(code, Outcome.FAIL),
        exit_code=code,
        evidence_only=evidence_only,
        dry_run=asked.dry_run,
        loosened=loosened,
        would_pass=would_pass,
        not_asked=[each.kind.name for each in asked.evidence if not each.is_asked],
        verdicts=list(verdicts),
        checks=list(checks),
        steps=list(steps),
    )


_OUTCOMES = {Exit.PASS: Outcome.PASS, Exit.INCONCLUSIVE: Outcome.INCONCLUSIVE}


def _all_ran(steps: Sequence[StepReport]) -> bool:
    return bool(steps) and all(step.outcome is not Outcome.NOT_CHECKED for step in steps)


def _without_pass(codes: Sequence[Exit]) -> list[Exit]:
    return [code for code in codes if code is not Exit.PASS]
