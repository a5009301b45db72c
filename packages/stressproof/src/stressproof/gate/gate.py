"""A gate from beginning to end: read, judge, run what else must hold, decide."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from stressproof.config.steps import Step
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.gate.checkout import Checkout, read_checkout, same_builds
from stressproof.gate.decision import Decision, decide
from stressproof.gate.evidence import judge, read_evidence
from stressproof.gate.files import generated_files
from stressproof.gate.policy import Policy, read_policy
from stressproof.gate.project import steps_of
from stressproof.gate.request import GateRequest
from stressproof.gate.rules import BEFORE_STEPS, GateCase, PostRunState, unchanged
from stressproof.gate.step_environment import NESTING_MARKER
from stressproof.gate.step_runner import (
    StepReport,
    missing_tool,
    not_run,
    run_steps,
    without_tool,
)
from stressproof.gate.trust import TRUST_RULES, Trust, TrustCase, read_trust, tightened
from stressproof.trust.attestation import attest, waive
from stressproof.trust.case import AttestationCase, attestation_case
from stressproof.trust.ledger import ledger_path
from stressproof.trust.ledger import read_or_reason as read_ledger
from stressproof.verify.instants import now_us
from stressproof.verify.kind import Evidence
from stressproof.verify.rule import Result
from stressproof.verify.stress.verifier import STRESS
from stressproof.verify.verdict import Verdict

RELEASE = "release"
ENTERPRISE = "enterprise"


class Judged(Struct, frozen=True, kw_only=True):
    """The evidence steps of a gate, done.

    Attributes:
        policy: What its file says, and who owns that.
        checkout: What is checked out.
        evidence: What was read of each path.
        verdicts: On each of them.
        checks: Of the gate's own rules.
        not_judged: What of the checkout and of the load was compared with no commit.
        trust: What must be signed, and where that was read.
        cases: What is known of who signed each evidence; none without a trust policy.
    """

    policy: Policy
    trust: Trust
    cases: list[AttestationCase]
    checkout: Checkout
    evidence: list[Evidence]
    verdicts: list[Verdict]
    checks: list[Result]
    not_judged: list[str]

    @property
    def blocks(self) -> bool:
        """Whether any of it keeps the gate shut; what only a rehearsal may ask less of does not."""
        return not (
            all(verdict.would_pass for verdict in self.verdicts)
            and all(check.exit_code is Exit.PASS for check in self.checks)
        )


def refuse_to_nest(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse to run inside of a gate's own step.

    Raises:
        UsageError: A gate is running this.
    """
    if environment.get(NESTING_MARKER):
        raise UsageError(
            f"a gate is already running ({NESTING_MARKER} is set), and this would be one inside it",
            hint="Take the gate out of its own steps.",
        )


def judge_evidence(asked: GateRequest, folder: Path) -> Judged:
    """Read all evidence and judge it, every reason kept.

    Args:
        asked: What the gate asks.
        folder: Where the gate runs; paths are relative to the working directory.
    """
    policy = read_policy(folder, asked.policy_ref)
    trust = read_trust(folder, asked.policy_ref, asked.trust_file)
    if trust.policy is not None:
        asked = tightened(asked, trust.policy)
    project = policy.project
    checkout = read_checkout(folder, project.evidence, asked.named_files)
    evidence = read_evidence(asked, Path(checkout.root))
    commits = same_builds(checkout, (each.claimed_commit for each in evidence))
    at_us = now_us()
    verdicts = [judge(each, asked, commits, at_us) for each in evidence]
    case = GateCase(
        asked=asked,
        checkout=checkout,
        evidence=evidence,
        objectives=project.at_gate,
        plan=project.plan,
    )
    checks = [each.apply(case) for each in BEFORE_STEPS]
    cases: list[AttestationCase] = []
    if trust.policy is not None:
        ledger = read_ledger(ledger_path(Path(checkout.root) / project.evidence[0]))
        cases = [attestation_case(each, trust.policy, ledger, commits, at_us) for each in evidence]
        verdicts = [attest(*pair) for pair in zip(verdicts, cases, strict=True)]
        checks = [waive(each, *cases) for each in checks]
    told = TrustCase(trust=trust, asked=asked, verdicts=verdicts, checks=checks)
    return Judged(
        policy=policy,
        trust=trust,
        cases=cases,
        checkout=checkout,
        evidence=evidence,
        verdicts=verdicts,
        checks=[*checks, *(each.apply(told) for each in TRUST_RULES)],
        not_judged=[
            *checkout.not_judged,
            *(
                name
                for each in evidence
                if each.kind is STRESS
                for name in generated_files(project.plan, each.data.get("profile"))
            ),
        ],
    )


def gate(
    request: GateRequest,
    folder: Path | None = None,
    *,
    name: str = RELEASE,
    evidence_only: bool = False,
    on_judged: Callable[[Judged], None] = lambda _: None,
    on_line: Callable[[str], None] = lambda _: None,
) -> Decision:
    """Decide whether a build may be released: judge the evidence, then run the quality steps.

    The steps run only where the evidence holds.

    Args:
        request: What is asked (`stressproof.release_request`).
        folder: The checkout of the build, the working directory if None.
        name: What the gate is called.
        evidence_only: Leave the quality steps out; what comes out releases nothing.
        on_judged: Is given the evidence steps' outcome before any quality step runs.
        on_line: Is given the lines of the quality steps.

    Raises:
        UsageError: The gate would nest, or the project names no steps.
        InconclusiveError: There is no policy where it should be read.
    """
    refuse_to_nest()
    where = folder or Path()
    judged = judge_evidence(request, where)
    steps = () if evidence_only else steps_of(judged.policy.project)
    on_judged(judged)
    reports = _run_or_say_why_not(steps, request, judged, on_line)
    checks = list(judged.checks)
    if any(report.returncode is not None for report in reports):
        checks.append(_look_again(request, where, judged))
    return decide(
        name,
        request,
        judged.checkout,
        judged.policy,
        judged.trust,
        verdicts=judged.verdicts,
        checks=checks,
        not_judged=judged.not_judged,
        steps=reports,
        evidence_only=evidence_only,
        now_us=now_us(),
    )


def _run_or_say_why_not(
    steps: Sequence[Step], asked: GateRequest, judged: Judged, on_line: Callable[[str], None]
) -> list[StepReport]:
    missing = {step.name: missing_tool(step) for step in steps}
    if judged.blocks:
        why = "the evidence blocks"
    elif asked.dry_run:
        why = "a rehearsal runs no steps"
    elif any(missing.values()):
        why = "tools are missing"
    else:
        return list(run_steps(steps, Path(judged.checkout.root), on_line))
    return [
        without_tool(step, missing[step.name]) if missing[step.name] else not_run(step, why)
        for step in steps
    ]


def _look_again(asked: GateRequest, folder: Path, judged: Judged) -> Result:
    """Judge whether evidence and checkout are what they were before the quality steps."""
    after = read_checkout(folder, judged.policy.project.evidence, asked.named_files)
    now = read_evidence(asked, Path(judged.checkout.root))
    return unchanged.apply(
        PostRunState(before=judged.checkout, after=after, judged=judged.evidence, now=now)
    )
