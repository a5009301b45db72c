"""A gate is monotone: taking evidence away, spoiling or ageing it never opens it."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enforcement_suite.suite import SUITE
from release_project import asking, honest, honest_failure
from stressproof.config.compile import Project
from stressproof.config.steps import Step
from stressproof.evidence.level import Level
from stressproof.evidence.reading import AbsentEvidenceError, Document, UnreadableEvidenceError
from stressproof.exits import Exit
from stressproof.gate.checkout import Checkout
from stressproof.gate.decision import Decision, decide
from stressproof.gate.evidence import judge
from stressproof.gate.policy import Policy
from stressproof.gate.request import plain_request
from stressproof.gate.rules import BEFORE_STEPS, GateCase
from stressproof.gate.step_runner import StepReport, not_run
from stressproof.gate.tree import Change
from stressproof.gate.trust import Trust
from stressproof.outcome import Outcome
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.kind import Evidence, EvidenceKind, Unread
from stressproof.verify.kinds import KINDS
from stressproof.verify.stress.verifier import STRESS
from stressproof.verify.verdict import Verdict

pytestmark = pytest.mark.gate

HEAD = honest.COMMIT
HOUR_US = 3_600_000_000
AGES_H = (0, 1, 21, 22, 23, 24, 45, 46, 47, 1000)
"""Beyond the hour or two that the good artifacts are old: below, at and above both limits."""

STEP = Step(name="step", run=("python", "-c", ""))
STEPS = {
    "passed": StepReport(
        name="step", command=STEP.run, outcome=Outcome.PASS, exit_code=Exit.PASS, seen="exit 0"
    ),
    "failed": StepReport(
        name="step", command=STEP.run, outcome=Outcome.FAIL, exit_code=Exit.OBJECTIVES, seen="1"
    ),
    "not run": not_run(STEP, "the evidence blocks"),
}
POLICY = Policy(project=Project(), source="stressproof.toml", commit=HEAD, by_author=True)
CONTENTS = ("good", "other commit", "dirty", "edited", "emptied", "unreadable", "absent")
ASKED = asking(
    failure=msgspec.structs.replace(
        plain_request(SUITE).of(FAILURE).requirements, minimum_level=Level.DECLARED
    )
)


@functools.cache
def document(kind: EvidenceKind[Any], content: str) -> Document | Unread:
    """What lies at a path, good or spoilt in one way."""
    name = f"{kind.name}.json"
    if content == "absent":
        return AbsentEvidenceError(name)
    if content == "unreadable":
        return UnreadableEvidenceError("no JSON", "JSON", hint="Capture it.", path=name)
    data: dict[str, Any] = honest.full() if kind is STRESS else honest_failure.plain()
    if content == "other commit":
        data["subject"]["git_commit"] = "1" * 40
    elif content == "dirty":
        data["subject"]["git_dirty"] = True
    elif content == "edited":
        data["profile"] = "health"
    elif content == "emptied":
        data = {}
    return Document(data=data, sha256=f"{kind.name}-{content}".ljust(64, "0"), size=1, path=name)


class World(msgspec.Struct, frozen=True):
    """Everything that a gate looks at."""

    contents: tuple[str, str]
    named: tuple[bool, bool]
    required: tuple[bool, bool]
    age_h: int
    checkout: str
    step: str
    dry_run: bool
    evidence_only: bool


@functools.cache
def verdict(kind: EvidenceKind[Any], content: str, age_h: int, dry_run: bool) -> Verdict:  # noqa: FBT001  # a key
    """The verdict on one kind of evidence."""
    asked = msgspec.structs.replace(ASKED, dry_run=dry_run)
    evidence = Evidence(kind=kind, path=f"{kind.name}.json", document=document(kind, content))
    return judge(evidence, asked, (HEAD,), honest.NOW_US + age_h * HOUR_US)


def decision_in(world: World) -> Decision:
    """What the gate decides there."""
    asked = asking(
        ASKED,
        stress_path="stress.json" if world.named[0] else "",
        failure_path="failure.json" if world.named[1] else "",
        stress_required=world.required[0],
        failure_required=world.required[1],
        dry_run=world.dry_run,
    )
    checkout = Checkout(
        root="/nowhere",
        head=None if world.checkout == "unknown" else HEAD,
        changes=[Change("src/x.py", "differs", "commit")] if world.checkout == "dirty" else [],
    )
    named = [kind for place, kind in enumerate(KINDS) if world.named[place]]
    contents = dict(zip(KINDS, world.contents, strict=True))
    evidence = [
        Evidence(kind=kind, path=f"{kind.name}.json", document=document(kind, contents[kind]))
        for kind in named
    ]
    case = GateCase(asked=asked, checkout=checkout, evidence=evidence)
    return decide(
        "release",
        asked,
        checkout,
        POLICY,
        Trust(),
        verdicts=[verdict(kind, contents[kind], world.age_h, world.dry_run) for kind in named],
        checks=[each.apply(case) for each in BEFORE_STEPS],
        not_judged=[],
        # A dry run runs none: nothing can have failed there.
        steps=[] if world.evidence_only else [STEPS["not run" if world.dry_run else world.step]],
        evidence_only=world.evidence_only,
        now_us=honest.NOW_US,
    )


def mostly_first(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    """Draw the first value so often that worlds in which all is well are common."""
    return st.sampled_from((*values[:1] * (3 * len(values)), *values))


CONTENT = mostly_first(CONTENTS)
WORLDS = st.builds(
    World,
    contents=st.tuples(CONTENT, CONTENT),
    named=st.tuples(mostly_first((True, False)), mostly_first((True, False))),
    required=st.tuples(st.booleans(), st.booleans()),
    age_h=mostly_first(AGES_H),
    checkout=mostly_first(("clean", "dirty", "unknown")),
    step=mostly_first(tuple(STEPS)),
    dry_run=mostly_first((False, True)),
    evidence_only=mostly_first((False, True)),
)
WORSE: Mapping[str, st.SearchStrategy[Any]] = {
    "age_h": st.sampled_from(AGES_H),
    "checkout": st.sampled_from(("dirty", "unknown")),
    "step": st.sampled_from(("failed", "not run")),
    "contents": st.tuples(st.sampled_from(CONTENTS), st.sampled_from(CONTENTS)),
}


@settings(max_examples=150, deadline=None)
@given(world=WORLDS, data=st.data(), name=st.sampled_from(sorted(WORSE)))
def test_worse_evidence_never_passes_where_better_did_not(
    world: World, data: st.DataObject, name: str
) -> None:
    """What is older, spoilt, missing or unproven opens no gate that was shut."""
    value = data.draw(WORSE[name])
    if name == "age_h":
        value = max(value, world.age_h)
    if name == "contents":
        value = tuple(
            was if was != "good" else now for was, now in zip(world.contents, value, strict=True)
        )
    if name == "step" and world.step == "not run":
        value = "failed"
    before = decision_in(world)
    after = decision_in(msgspec.structs.replace(world, **{name: value}))
    assert before.accepted or not after.accepted
    assert before.exit_code is Exit.PASS or after.exit_code is not Exit.PASS


@settings(max_examples=150, deadline=None)
@given(world=WORLDS, place=st.integers(0, 1))
def test_not_naming_stress_evidence_never_releases(world: World, place: int) -> None:
    """A caller who leaves a path out may pass the steps, and releases nothing he could not before.

    Failure evidence that is not required may be left out: then nobody asked for it.
    """
    named = tuple(there and at != place for at, there in enumerate(world.named))
    after = decision_in(msgspec.structs.replace(world, named=named))
    if place == 0:
        assert not after.accepted
    if world.required[place]:
        assert after.exit_code is not Exit.PASS


@settings(max_examples=150, deadline=None)
@given(world=WORLDS)
def test_accepted_means_everything_that_it_says(world: World) -> None:
    """Stress evidence is good, fresh, of this clean commit; all that was asked holds; steps ran."""
    decision = decision_in(world)
    holds = (
        world.named[0]
        and world.contents[0] == "good"
        and world.age_h + 1 <= 24
        and (not world.named[1] or (world.contents[1] == "good" and world.age_h + 2 <= 48))
        and (world.named[1] or not world.required[1])
        and world.checkout == "clean"
        and world.step != "failed"
        and not world.dry_run
        and not world.evidence_only
    )
    assert decision.accepted is (holds and world.step == "passed")


@settings(max_examples=150, deadline=None)
@given(world=WORLDS)
def test_the_exit_code_is_the_strongest_of_the_reasons(world: World) -> None:
    """A gate that is shut has a reason, and one that is open has none."""
    decision = decision_in(world)
    if decision.exit_code is Exit.PASS:
        assert not decision.blocking
        assert not world.dry_run or not decision.accepted
    elif decision.exit_code is not Exit.INCONCLUSIVE:
        assert decision.exit_code in {result.exit_code for result in decision.blocking}
    assert decision.accepted is False or decision.exit_code is Exit.PASS
