"""What a gate itself demands, beside what the verifiers demand of evidence."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from stressproof.config.failure_requirements import FailureRequirements
from stressproof.config.plan_file import PlanFile
from stressproof.config.schema import EVIDENCE_FOLDER, FILE_NAME
from stressproof.evidence.reading import Document
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.exits import Exit
from stressproof.gate.checkout import Checkout, knows
from stressproof.gate.environment import SETTINGS, Form
from stressproof.gate.files import judge_failure_files, judge_files
from stressproof.gate.objectives import answers, stress_artifact
from stressproof.gate.request import GateRequest
from stressproof.objectives.objectives import Objectives
from stressproof.outcome import Outcome
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.kind import Evidence, EvidenceKind
from stressproof.verify.kinds import KINDS
from stressproof.verify.rule import Judgement, Rule, prose, rule
from stressproof.verify.stress.verifier import STRESS

_NOTHING_JUDGED = "no evidence was asked for"
_PATHS_SHOWN = 5
_BINDING = "gate.md, Which build"


class GateCase(Struct, frozen=True, kw_only=True):
    """What the gate's own rules look at.

    Attributes:
        asked: What the gate asks.
        checkout: What is checked out.
        evidence: What was read of each path.
        objectives: The project's own.
        plan: Targets, tables and profiles of the project's file.
    """

    asked: GateRequest
    checkout: Checkout
    evidence: Sequence[Evidence]
    objectives: Objectives = Objectives()
    plan: PlanFile = PlanFile()


def _judge_path(case: GateCase, kind: EvidenceKind[Any], judgement: Judgement) -> None:
    asked = case.asked.of(kind)
    flag, variable = next(
        (each.flag, each.variable(asked.suite.variables))
        for each in SETTINGS
        if each.kind is kind and each.form is Form.PATH
    )
    if asked.path:
        judgement.passed()
    elif asked.required:
        judgement.inconclusive(
            variable,
            prose("no path"),
            prose("the path of the artifact"),
            f"Set it, or add {flag} {EVIDENCE_FOLDER}NAME.json: the last lines of the capture or "
            "injection say where it wrote.",
        )
    else:
        judgement.skip(f"{kind.name} evidence was not asked for")


@rule(
    "gate.stress-path",
    clause="protocol, The enterprise gate",
    title="Stress evidence is named where it is required",
    remedy="Name the artifact.",
)
def stress_path(case: GateCase, judgement: Judgement) -> None:
    """Required evidence has a path."""
    _judge_path(case, STRESS, judgement)


@rule(
    "gate.failure-path",
    clause="protocol, The one-pass command",
    title="Failure evidence is named where it is required",
    remedy="Name the artifact.",
)
def failure_path(case: GateCase, judgement: Judgement) -> None:
    """Required evidence has a path."""
    _judge_path(case, FAILURE, judgement)


@rule(
    "gate.checkout",
    clause=_BINDING,
    title="The commit to be promoted is known",
    remedy="Run the gate in a git checkout of the commit to be promoted.",
)
def known_commit(case: GateCase, judgement: Judgement) -> None:
    """Git names the commit that is checked out."""
    if not case.asked.judges_evidence:
        judgement.skip(_NOTHING_JUDGED)
    elif case.checkout.head is None:
        judgement.inconclusive(
            "HEAD", prose(case.checkout.why_unknown or "unknown"), prose("a commit")
        )
    else:
        judgement.passed()


@rule(
    "gate.clean",
    clause=_BINDING,
    title="The checkout is the commit to be promoted, without local changes",
    remedy="Commit or stash the changes, then capture on that commit.",
)
def clean(case: GateCase, judgement: Judgement) -> None:
    """Every file is what HEAD has, and no other file could be imported or configure a step."""
    if not case.asked.judges_evidence:
        judgement.skip(_NOTHING_JUDGED)
        return
    if case.checkout.head is None:
        judgement.skip("the commit is not known")
        return
    changes = case.checkout.changes
    judgement.passed()
    for change in changes[:_PATHS_SHOWN]:
        judgement.fail(change.path, prose(change.seen), prose("as HEAD has it"), change.remedy)
    if len(changes) > _PATHS_SHOWN:
        more = prose(f"{len(changes) - _PATHS_SHOWN} more that differ")
        judgement.fail("$", more, prose("as HEAD has them"))


@rule(
    "gate.history",
    clause=_BINDING,
    title="History reaches back to the commits that the evidence names",
    remedy="Fetch the whole history (git fetch --unshallow; fetch-depth: 0 in actions/checkout).",
)
def history(case: GateCase, judgement: Judgement) -> None:
    """A shallow clone without the commit cannot tell an older one from a foreign one."""
    if not case.checkout.shallow:
        judgement.skip("the clone is not shallow")
        return
    for each in case.evidence:
        commit = each.claimed_commit
        if commit is not None and not knows(case.checkout, commit):
            judgement.inconclusive(each.path, prose(f"about {commit}"), prose("a known commit"))
        else:
            judgement.passed()


@rule(
    "gate.two-documents",
    clause="protocol, The one-pass command",
    title="The two kinds of evidence are two documents",
    remedy="Name the stress artifact and the failure artifact.",
)
def two_documents(case: GateCase, judgement: Judgement) -> None:
    """The same bytes serve for one kind only."""
    digests = [each.sha256 for each in case.evidence if isinstance(each.document, Document)]
    if len(digests) < len(KINDS):
        judgement.skip("there are no two documents")
        return
    judgement.check(
        len(set(digests)) == len(digests), "sha256", digests[0], prose("two different documents")
    )


@rule(
    "gate.objectives",
    clause="evidence.md, Figures; objectives.md, Thresholds",
    title="The objectives of the project's stressproof.toml hold",
    remedy="Make the service meet them; `stressproof check --evidence FILE` shows every figure.",
    exit_code=Exit.OBJECTIVES,
)
def objectives(case: GateCase, judgement: Judgement) -> None:
    """Each threshold and service level objective, recomputed from the measurements carried."""
    if not (case.objectives.thresholds or case.objectives.slos):
        judgement.skip("the project has no stressproof.toml with objectives")
        return
    if not case.asked.of(STRESS).path:
        judgement.skip("stress evidence was not asked for")
        return
    found = answers(case.objectives, case.evidence)
    if found is None:
        judgement.inconclusive(
            case.asked.of(STRESS).path,
            prose("no measurements"),
            prose(f"a schema-{SCHEMA_VERSION} artifact"),
        )
        return
    sentences = [each.sentence for each in found.thresholds]
    sentences += [each.sentence for each in found.slos]
    for outcome, sentence in zip(found.outcomes, sentences, strict=True):
        if outcome is Outcome.PASS:
            judgement.passed()
            continue
        note = judgement.fail if outcome is Outcome.FAIL else judgement.inconclusive
        note("stressproof.toml", prose(sentence), prose("an objective that holds"))


@rule(
    "gate.files",
    clause="gate.md, Which build",
    title="What decided load and failures is what the commit has: flows, their modules, files",
    remedy="Commit the files and capture again, or mark a table as generated = true.",
)
def files(case: GateCase, judgement: Judgement) -> None:
    """Each file that evidence or a failure names is of the commit; none of them is missing."""
    broken = case.asked.of(FAILURE)
    if broken.suite.name == FILE_NAME and isinstance(broken.requirements, FailureRequirements):
        judge_failure_files(broken.requirements.scenarios, case.checkout, judgement)
    found = stress_artifact(case.evidence)
    if found is not None and found.profile in case.plan.profiles:
        judge_files(found.workload.files, case.plan, found.profile, case.checkout, judgement)
    elif not judgement.compared:
        judgement.skip("no evidence of a profile of the project's file")
        return
    if not judgement.compared:
        judgement.skip("profile and failures need no files")


BEFORE_STEPS: tuple[Rule[GateCase], ...] = (
    stress_path,
    failure_path,
    known_commit,
    clean,
    history,
    two_documents,
    files,
    objectives,
)
"""Judged with the evidence, before anything else is run."""


class PostRunState(Struct, frozen=True, kw_only=True):
    """What was judged before the quality steps, and what is there after them.

    Attributes:
        before: What was checked out.
        after: What is checked out now.
        judged: What was read of each path.
        now: What is read of the same paths now.
    """

    before: Checkout
    after: Checkout
    judged: Sequence[Evidence]
    now: Sequence[Evidence]


@rule(
    "gate.unchanged",
    clause="evidence.md, Strict reading; gate.md, Which build",
    title="Evidence and checkout are still what was judged",
    remedy="Let nothing write to evidence or checkout while the gate runs, then run it again.",
)
def unchanged(case: PostRunState, judgement: Judgement) -> None:
    """The quality steps ran on the build and beside the evidence that the decision is about."""
    if not case.judged:
        judgement.skip(_NOTHING_JUDGED)
        return
    if case.before.head is not None:
        judgement.check(
            case.after.head == case.before.head, "HEAD", case.after.head, case.before.head
        )
        new = [change for change in case.after.changes if change not in case.before.changes]
        judgement.passed()
        for change in new[:_PATHS_SHOWN]:
            judgement.fail(
                change.path,
                prose(f"{change.seen}, since the gate ran"),
                prose(f"only {', '.join(case.before.evidence)} changes"),
            )
    for old, new_reading in zip(case.judged, case.now, strict=True):
        judgement.check(new_reading.sha256 == old.sha256, old.path, new_reading.sha256, old.sha256)


RULES = (*BEFORE_STEPS, unchanged)
"""In the order in which they are applied."""
