"""What evidence of any kind must be: no template, well formed, complete, as asked, recent."""

from collections.abc import Mapping
from typing import Any

from stressproof.evidence.clock import CLOCK_STEPS_KEPT, STEP_US, ClockRecord
from stressproof.evidence.level import Level
from stressproof.evidence.versions import SCHEMA_VERSION, version_remedy
from stressproof.verify.case import NO_ARTIFACT, EvidenceCase, instant
from stressproof.verify.instants import ROUNDING_US, SECOND_US, judge_age, judge_future
from stressproof.verify.lenient_decoder import judge_shape, judge_template, judge_unknown
from stressproof.verify.rule import Judgement, Rule, Severity, prose
from stressproof.verify.subject import judge_clean, judge_commit

Case = EvidenceCase[Any, Any]


def template(case: Case, judgement: Judgement) -> None:
    """A template's marker field is absent."""
    judge_template(case.data, judgement)


def schema_version(case: Case, judgement: Judgement) -> None:
    """The version is the one known here; a document without one has only a plain one's fields."""
    if "schema_version" in case.data:
        found = case.data["schema_version"]
        remedy = version_remedy(found)
        judgement.check(case.is_full, "schema_version", found, SCHEMA_VERSION, remedy)
        return
    judgement.passed()
    for path in case.lenient_decoder.marks:
        judgement.fail(
            "schema_version",
            prose(f"absent beside {path}"),
            SCHEMA_VERSION,
            "Do not remove fields from evidence; make it again.",
        )


def typed(case: Case, judgement: Judgement) -> None:
    """The whole document fits the typed artifact."""
    if not case.is_full:
        judgement.skip(f"not a schema-{SCHEMA_VERSION} artifact")
        return
    expected = prose(f"schema {SCHEMA_VERSION}")
    judgement.check(case.artifact is not None, "$", prose(case.malformed), expected)


def shape(case: Case, judgement: Judgement) -> None:
    """No required field is missing and none has another type."""
    judge_shape(case.lenient_decoder, judgement)


def unknown_fields(case: Case, judgement: Judgement) -> None:
    """Unknown fields of a plain artifact are named."""
    if case.is_full:
        judgement.skip("the full artifact's type refuses them")
        return
    judge_unknown(case.lenient_decoder, judgement)


def unknown_fields_refused(case: Case, judgement: Judgement) -> None:
    """Unknown fields are refused where the requirement says so."""
    if not case.requirements.refuse_unknown_fields or case.is_full:
        judgement.skip("unknown fields of plain artifacts are allowed (refuse_unknown_fields)")
        return
    unknown = case.lenient_decoder.unknown
    judgement.check(not unknown, "$", unknown, prose("no unknown field"))


def status(case: Case, judgement: Judgement) -> None:
    """``status`` is absent (as the protocol has it) or ``complete``."""
    if "status" not in case.data:
        judgement.skip("a plain artifact states no status")
        return
    judgement.check(case.data["status"] == "complete", "status", case.data["status"], "complete")


def exactly(name: str, case: Case, judgement: Judgement) -> None:
    """A field is exactly the required one."""
    seen, wanted = getattr(case.declared, name), getattr(case.requirements, name)
    if seen is None:
        judgement.skip(f"{name} is not there")
        return
    judgement.check(seen == wanted, name, seen, wanted)


def profile(case: Case, judgement: Judgement) -> None:
    """``profile`` is exactly the required one, where one is required."""
    if case.requirements.profile:
        exactly("profile", case, judgement)
    else:
        judgement.skip("nobody asks for a profile")


def runner(case: Case, judgement: Judgement) -> None:
    """``runner`` is exactly the required one."""
    exactly("runner", case, judgement)


def future(case: Case, judgement: Judgement) -> None:
    """``captured_at`` is at most the allowed skew ahead of the verifier's clock."""
    skew = case.requirements.future_skew_seconds
    judge_future(case.declared.captured_at, case.drift_us, skew, case.now_us, judgement)


def age(case: Case, judgement: Judgement) -> None:
    """What was captured is at most the asked hours older than the verifier's clock."""
    limit_hours = case.requirements.max_artifact_age_hours
    where, text = case.aged_from
    judge_age(where, text, case.drift_us, limit_hours, case.now_us, judgement)


def clock(case: Case, judgement: Judgement) -> None:
    """``clock.steps`` is empty."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    judgement.passed()
    for place, step in enumerate(case.artifact.clock.steps):
        judgement.fail(
            f"clock.steps[{place}]",
            prose(f"the clock stepped by {step.by_us / SECOND_US:+.3f} s at {step.seen_at}"),
            prose("a clock that nobody sets, on a machine that stays awake"),
        )


def clock_recorded(case: Case, judgement: Judgement) -> None:
    """Steps lie within the run, in order, each is one, and they make up the drift."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    record: ClockRecord = case.artifact.clock
    before, end = instant(case.artifact.started_at), instant(case.artifact.captured_at)
    for place, step in enumerate(record.steps):
        where, at = f"clock.steps[{place}]", instant(step.seen_at)
        if before is None or end is None:
            return  # the rule over timestamps says so
        inside = at is not None and before <= at <= end
        judgement.check(inside, f"{where}.seen_at", step.seen_at, prose("in order, within the run"))
        before = before if at is None else at
        if len(record.steps) < CLOCK_STEPS_KEPT:
            least = prose(f"more than {STEP_US}: less is no step")
            judgement.check(abs(step.by_us) > STEP_US, f"{where}.by_us", step.by_us, least)
    stepped_us = sum(step.by_us for step in record.steps)
    judgement.check(
        abs(record.drift_us - stepped_us) <= STEP_US + ROUNDING_US,
        "clock.drift_us",
        record.drift_us,
        prose(f"{stepped_us}, all steps together, give or take {STEP_US}"),
    )


def commit(case: Case, judgement: Judgement) -> None:
    """``subject.git_commit`` is one of the expected commits."""
    judge_commit(case.declared.subject, case.requirements.expected_commits, judgement)


def clean(case: Case, judgement: Judgement) -> None:
    """``subject.git_dirty`` is false where a commit is expected."""
    judge_clean(case.declared.subject, case.requirements.expected_commits, judgement)


def assurance(case: Case, judgement: Judgement) -> None:
    """What the document carries can reach the level asked for."""
    wanted, possible = case.requirements.minimum_level, case.highest_level
    seen = possible if case.artifact is not None else f"{possible} at most: a plain document"
    judgement.check(possible.rank >= wanted.rank, "$", prose(seen), prose(f"at least {wanted}"))


def document_rules(
    kind: str,
    *,
    verb: str,
    run: str,
    again: str,
    contract: str,
    runner_remedy: str,
    clauses: Mapping[str, str] | None = None,
) -> tuple[Rule[Any], ...]:
    """Return the rules of this module for one kind of evidence.

    Args:
        kind: What their ids begin with.
        verb: What makes such evidence: ``capture``, ``inject``.
        run: What the evidence is of: ``capture``, ``injection``.
        again: The command that makes it anew, as a sentence.
        contract: Where its fields are defined.
        runner_remedy: What to do where something else ran it.
        clauses: By name of a rule, where it is asked for, if it is not where all kinds have it.
    """
    unknown = "evidence.md, Unknown fields"
    build, recent = "gate.md, Which build", "gate.md, Age"

    def made(name: str, clause: str, title: str, remedy: str, judge: Any, **more: Any) -> Rule[Any]:
        clause = (clauses or {}).get(name, clause)
        return Rule(f"{kind}.{name}", clause, title, remedy, judge, **more)

    return (
        made(
            "template",
            "evidence.md, Templates",
            "The document is no template",
            f"A template shows the fields; {verb} instead of filling it in.",
            template,
        ),
        made(
            "schema-version",
            "evidence.md, Versions",
            "The document's version is one that this verifier knows",
            f"{verb.capitalize()} again with this version.",
            schema_version,
        ),
        made(
            "shape",
            contract,
            "Every field of the protocol is there and has its exact type",
            again,
            shape,
        ),
        made(
            "typed",
            contract,
            "A full artifact has every field, no other, each of its exact type",
            f"{verb.capitalize()} again; this artifact was edited or is another version's.",
            typed,
            level=Level.RECOMPUTED,
        ),
        made(
            "unknown-fields",
            unknown,
            "A plain artifact carries no fields that no rule reads",
            "Check that the field is not a misspelling of one that is judged.",
            unknown_fields,
            severity=Severity.WARNS,
        ),
        made(
            "unknown-fields-refused",
            f"{unknown} (requirement refuse_unknown_fields)",
            "A plain artifact carries only fields that rules read",
            f"Remove nothing by hand; {verb} again with this tool.",
            unknown_fields_refused,
        ),
        made(
            "status",
            "evidence.md, Files on disk",
            f"The {run} ran to its end",
            f"An interrupted or broken {run} is kept for its reasons; run it again.",
            status,
        ),
        made("profile", contract, "The profile is the expected one", again, profile),
        made("runner", contract, "The runner is the expected one", runner_remedy, runner),
        made(
            "future",
            recent,
            "The evidence was not captured in the future",
            f"Set both clocks by NTP, then {verb} again.",
            future,
        ),
        made("age", recent, "The evidence is recent enough", again, age),
        made(
            "clock",
            "evidence.md, Time",
            "Nobody set the wall clock while the run lasted",
            "Nothing measured depends on it; the age is judged by the worse reading. Let NTP slew.",
            clock,
            severity=Severity.WARNS,
            level=Level.RECOMPUTED,
        ),
        made(
            "clock-recorded",
            "evidence.md, Time",
            "What is recorded of the wall clock is possible",
            again,
            clock_recorded,
            level=Level.RECOMPUTED,
        ),
        made(
            "commit",
            build,
            "The evidence is about the commit that is promoted",
            f"{verb.capitalize()} on the commit to be released.",
            commit,
        ),
        made(
            "clean",
            build,
            "The build was the commit, without local changes",
            f"Commit or stash the changes, then {verb} again.",
            clean,
        ),
        made(
            "assurance",
            "evidence.md, Assurance (requirement minimum_level)",
            "The evidence rests on as much as was asked for",
            f"{verb.capitalize()} with this tool: its artifacts carry what their claims rest on.",
            assurance,
        ),
    )
