"""What the failure document is, when it was made and by whom."""

from stressproof.evidence.level import Level
from stressproof.verify.failure.case import FailureCase
from stressproof.verify.failure.people import fold
from stressproof.verify.instants import judge_age, judge_future, parse_instant
from stressproof.verify.lenient_decoder import judge_shape, judge_template, judge_unknown
from stressproof.verify.rule import Judgement, Severity, prose, rule
from stressproof.verify.subject import judge_clean, judge_commit

RECAPTURE = (
    "Inject again: uv run python scripts/inject_enforcement_failures.py --output FILE "
    "--executed-by NAME --approved-by OTHER_NAME"
)
_CLAUSE = "evidence.md, Failure evidence"
_NOT_BY_HAND = "Times are written by the injection; inject again instead of editing them."


@rule(
    "failure.template",
    clause="evidence.md, Templates",
    title="The document is no template",
    remedy="A template shows the fields; inject failures instead of filling it in.",
)
def template(case: FailureCase, judgement: Judgement) -> None:
    """A template's marker field is absent."""
    judge_template(case.data, judgement)


@rule(
    "failure.schema-version",
    clause="evidence.md, Versions",
    title="The document's version is one that this verifier knows",
    remedy="Verify with the version of stressproof that wrote it, or inject again.",
)
def schema_version(case: FailureCase, judgement: Judgement) -> None:
    """``schema_version`` is 2, or the document is a plain one without it."""
    if "schema_version" not in case.data:
        judgement.passed()
        return
    judgement.check(case.is_schema_2, "schema_version", case.data["schema_version"], 2)


@rule(
    "failure.typed",
    clause=_CLAUSE,
    title="A schema-2 artifact has every field, no other, each of its exact type",
    remedy="Inject again; this artifact was edited or written by another version.",
    level=Level.RECOMPUTED,
)
def typed(case: FailureCase, judgement: Judgement) -> None:
    """The whole document fits the typed artifact."""
    if not case.is_schema_2:
        judgement.skip("not a schema-2 artifact")
        return
    judgement.check(case.artifact is not None, "$", prose(case.malformed), prose("schema 2"))


@rule(
    "failure.shape",
    clause=_CLAUSE,
    title="Every field of the protocol is there and has its exact type",
    remedy=RECAPTURE,
)
def shape(case: FailureCase, judgement: Judgement) -> None:
    """No required field is missing and none has another type."""
    judge_shape(case.lenient_decoder, judgement)


@rule(
    "failure.unknown-fields",
    clause="evidence.md, Unknown fields",
    title="The artifact carries no fields that no rule reads",
    remedy="Check that the field is not a misspelling of one that is judged.",
    severity=Severity.WARNS,
)
def unknown_fields(case: FailureCase, judgement: Judgement) -> None:
    """Unknown fields of a plain artifact are named."""
    if case.is_schema_2:
        judgement.skip("failure.typed refuses them where schema_version is 2")
        return
    judge_unknown(case.lenient_decoder, judgement)


@rule(
    "failure.unknown-fields-refused",
    clause="evidence.md, Unknown fields (requirement refuse_unknown_fields)",
    title="The artifact carries only fields that rules read",
    remedy="Remove nothing by hand; inject again with this tool.",
)
def unknown_fields_refused(case: FailureCase, judgement: Judgement) -> None:
    """Unknown fields are refused where the requirement says so."""
    if not case.requirements.refuse_unknown_fields or case.is_schema_2:
        judgement.skip("unknown fields are allowed (refuse_unknown_fields)")
        return
    unknown = case.lenient_decoder.unknown
    judgement.check(not unknown, "$", unknown, prose("no unknown field"))


@rule(
    "failure.profile",
    clause=_CLAUSE,
    title="The profile is the expected one",
    remedy=RECAPTURE,
)
def profile(case: FailureCase, judgement: Judgement) -> None:
    """``profile`` is exactly the required one."""
    _exactly("profile", case.declared.profile, case.requirements.profile, judgement)


@rule(
    "failure.runner",
    clause=_CLAUSE,
    title="The staged injection ran it",
    remedy=RECAPTURE,
)
def runner(case: FailureCase, judgement: Judgement) -> None:
    """``runner`` is exactly the required one."""
    _exactly("runner", case.declared.runner, case.requirements.runner, judgement)


@rule(
    "failure.execution-class",
    clause=_CLAUSE,
    title="The failures were staged against a service, not simulated",
    remedy=RECAPTURE,
)
def execution_class(case: FailureCase, judgement: Judgement) -> None:
    """``execution_class`` is exactly the required one."""
    wanted = case.requirements.execution_class
    _exactly("execution_class", case.declared.execution_class, wanted, judgement)


def _exactly(where: str, seen: str | None, wanted: str, judgement: Judgement) -> None:
    if seen is None:
        judgement.skip(f"{where} is not there")
        return
    judgement.check(seen == wanted, where, seen, wanted)


@rule(
    "failure.status",
    clause="evidence.md, Files on disk",
    title="The injection ran to its end",
    remedy="An interrupted or broken injection is kept for its reasons; run it again.",
)
def status(case: FailureCase, judgement: Judgement) -> None:
    """``status`` is absent (as the protocol has it) or ``complete``."""
    if "status" not in case.data:
        judgement.skip("a plain artifact states no status")
        return
    judgement.check(case.data["status"] == "complete", "status", case.data["status"], "complete")


@rule(
    "failure.timestamps",
    clause="gate.md, Age",
    title="Every timestamp is RFC 3339 with an offset, in order",
    remedy=_NOT_BY_HAND,
)
def timestamps(case: FailureCase, judgement: Judgement) -> None:
    """Each timestamp can be read, and the start leaves room for the scenarios."""
    given = {"captured_at": case.declared.captured_at, "started_at": case.declared.started_at}
    read: dict[str, int] = {}
    for where, text in given.items():
        if text is None:
            continue
        instant = parse_instant(text)
        judgement.check(instant is not None, where, text, prose("2026-02-27T10:00:00+00:00"))
        if instant is not None:
            read[where] = instant
    if len(read) == len(given):
        judgement.check(
            read["started_at"] < read["captured_at"],
            "started_at",
            case.declared.started_at,
            prose("before captured_at"),
        )


@rule(
    "failure.future",
    clause="gate.md, Age",
    title="The evidence was not captured in the future",
    remedy="Set both clocks by NTP, then inject again.",
)
def future(case: FailureCase, judgement: Judgement) -> None:
    """``captured_at`` is at most the allowed skew ahead of the verifier's clock."""
    skew = case.requirements.future_skew_seconds
    judge_future(case.declared.captured_at, skew, case.now_us, judgement)


@rule(
    "failure.age",
    clause="gate.md, Age",
    title="The evidence is recent enough",
    remedy=RECAPTURE,
)
def age(case: FailureCase, judgement: Judgement) -> None:
    """``captured_at`` lies at most the asked hours before the verifier's clock."""
    limit_hours = case.requirements.max_artifact_age_hours
    judge_age(case.declared.captured_at, limit_hours, case.now_us, judgement)


@rule(
    "failure.identities",
    clause=_CLAUSE,
    title="One person executed it and another approved it",
    remedy="Let somebody else approve what was executed; two spellings are one person.",
)
def identities(case: FailureCase, judgement: Judgement) -> None:
    """``executed_by`` and ``approved_by`` are there and differ however they are written."""
    names = {
        "executed_by": case.declared.executed_by,
        "approved_by": case.declared.approved_by,
    }
    folded: dict[str, str] = {}
    for where, name in names.items():
        if name is None:
            continue
        folded[where] = fold(name)
        judgement.check(
            any(character.isalnum() for character in folded[where]),
            where,
            name,
            prose("a name that can be seen"),
        )
        judgement.check(name == name.strip(), where, name, prose("no blanks around it"))
    if len(folded) == len(names):
        judgement.check(
            folded["executed_by"] != folded["approved_by"],
            "approved_by",
            names["approved_by"],
            prose(f"somebody other than {folded['executed_by']}"),
        )


@rule(
    "failure.commit",
    clause="gate.md, Which build",
    title="The evidence is about the commit that is promoted",
    remedy="Inject on the commit to be released.",
)
def commit(case: FailureCase, judgement: Judgement) -> None:
    """``subject.git_commit`` is one of the expected commits."""
    judge_commit(case.declared.subject, case.requirements.expected_commits, judgement)


@rule(
    "failure.clean",
    clause="gate.md, Which build",
    title="The build was the commit, without local changes",
    remedy="Commit or stash the changes, then inject again.",
)
def clean(case: FailureCase, judgement: Judgement) -> None:
    """``subject.git_dirty`` is false where a commit is expected."""
    judge_clean(case.declared.subject, case.requirements.expected_commits, judgement)


RULES = (
    template,
    schema_version,
    shape,
    typed,
    unknown_fields,
    unknown_fields_refused,
    status,
    profile,
    runner,
    execution_class,
    timestamps,
    future,
    age,
    identities,
    commit,
    clean,
)
