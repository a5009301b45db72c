"""What the document is: evidence of the right kind, from the right runner, well formed."""

import re

from stressproof.evidence.level import Level
from stressproof.verify.lenient_decoder import judge_shape, judge_template, judge_unknown
from stressproof.verify.rule import Judgement, Severity, prose, rule
from stressproof.verify.stress.case import StressCase

RECAPTURE = (
    "Capture again: uv run python scripts/load_test_api.py --profile enforcement --rounds 3 "
    "--enforce-thresholds --out FILE"
)
# The base URL of Starlette's in-process client: with it no request ever left the process.
_IN_PROCESS_HOSTS = frozenset({"testserver"})
_LOOPBACK_NAMES = frozenset({"localhost", "::1"})
_URL = (
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[!-\"$->@-~]*)?"
)
_LAST_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}


@rule(
    "stress.template",
    clause="evidence.md, Templates",
    title="The document is no template",
    remedy="A template shows the fields; capture evidence instead of filling it in.",
)
def template(case: StressCase, judgement: Judgement) -> None:
    """A template's marker field is absent."""
    judge_template(case.data, judgement)


@rule(
    "stress.schema-version",
    clause="evidence.md, Versions",
    title="The document's version is one that this verifier knows",
    remedy="Verify with the version of stressproof that wrote it, or capture again.",
)
def schema_version(case: StressCase, judgement: Judgement) -> None:
    """``schema_version`` is 2, or the document is a plain one without it and measurements."""
    if "schema_version" not in case.data:
        judgement.check(
            "measurements" not in case.data,
            "schema_version",
            prose("absent beside measurements"),
            2,
            "Do not remove fields from evidence; capture again.",
        )
        return
    judgement.check(case.is_schema_2, "schema_version", case.data["schema_version"], 2)


@rule(
    "stress.shape",
    clause="protocol, Evidence contract",
    title="Every field of the protocol is there and has its exact type",
    remedy=RECAPTURE,
)
def shape(case: StressCase, judgement: Judgement) -> None:
    """No required field is missing and none has another type."""
    judge_shape(case.lenient_decoder, judgement)


@rule(
    "stress.unknown-fields",
    clause="evidence.md, Unknown fields",
    title="A plain artifact carries no fields that no rule reads",
    remedy="Check that the field is not a misspelling of one that is judged.",
    severity=Severity.WARNS,
)
def unknown_fields(case: StressCase, judgement: Judgement) -> None:
    """Unknown fields of a plain artifact are named."""
    if case.is_schema_2:
        judgement.skip("stress.typed refuses them where schema_version is 2")
        return
    judge_unknown(case.lenient_decoder, judgement)


@rule(
    "stress.unknown-fields-refused",
    clause="evidence.md, Unknown fields (requirement refuse_unknown_fields)",
    title="A plain artifact carries only fields that rules read",
    remedy="Remove nothing by hand; capture again with this tool.",
)
def unknown_fields_refused(case: StressCase, judgement: Judgement) -> None:
    """Unknown fields are refused where the requirement says so."""
    if not case.requirements.refuse_unknown_fields or case.is_schema_2:
        judgement.skip("unknown fields of plain artifacts are allowed (refuse_unknown_fields)")
        return
    unknown = case.lenient_decoder.unknown
    judgement.check(not unknown, "$", unknown, prose("no unknown field"))


@rule(
    "stress.status",
    clause="evidence.md, Files on disk",
    title="The capture ran to its end",
    remedy="An interrupted, broken or refused capture is kept for its reasons; run it again.",
)
def status(case: StressCase, judgement: Judgement) -> None:
    """``status`` is absent (as the protocol has it) or ``complete``."""
    if "status" not in case.data:
        judgement.skip("a plain artifact states no status")
        return
    judgement.check(case.data["status"] == "complete", "status", case.data["status"], "complete")


@rule(
    "stress.profile",
    clause="protocol 1",
    title="The profile is the expected one",
    remedy="Capture with --profile as required, or verify against the profile that ran.",
)
def profile(case: StressCase, judgement: Judgement) -> None:
    """``profile`` is exactly the required one."""
    seen, wanted = case.declared.profile, case.requirements.profile
    if seen is None:
        judgement.skip("profile is not there")
        return
    judgement.check(seen == wanted, "profile", seen, wanted)


@rule(
    "stress.runner",
    clause="protocol 3",
    title="The runner is the protocol's script",
    remedy="Capture with scripts/load_test_api.py: release evidence names the script that ran.",
)
def runner(case: StressCase, judgement: Judgement) -> None:
    """``runner`` is exactly the required one."""
    seen, wanted = case.declared.runner, case.requirements.runner
    if seen is None:
        judgement.skip("runner is not there")
        return
    judgement.check(seen == wanted, "runner", seen, wanted)


@rule(
    "stress.typed",
    clause="evidence.md, The stress artifact",
    title="A schema-2 artifact has every field, no other, each of its exact type",
    remedy="Capture again; this artifact was edited or written by another version.",
    level=Level.RECOMPUTED,
)
def typed(case: StressCase, judgement: Judgement) -> None:
    """The whole document fits the typed artifact."""
    if not case.is_schema_2:
        judgement.skip("not a schema-2 artifact")
        return
    judgement.check(case.artifact is not None, "$", prose(case.malformed), prose("schema 2"))


def origin(url: str) -> tuple[str, str] | None:
    """Return (scheme://host:port, host) of an http URL, None where it is none or has a user."""
    match = re.fullmatch(_URL, url)
    if match is None:
        return None
    scheme, host = match["scheme"], match["host"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    return (f"{scheme}://{host}:{port}", host.strip("[]")) if port <= _LAST_PORT else None


@rule(
    "stress.target",
    clause="evidence.md, Target and runtime (requirements targets, allow_loopback)",
    title="The target is a service reached over HTTP, and one that may be judged",
    remedy="Capture against the environment that the release is judged on.",
)
def target(case: StressCase, judgement: Judgement) -> None:
    """``target_url`` is an http URL without credentials, and allowed."""
    url, asked = case.declared.target_url, case.requirements
    if url is None:
        if asked.targets:
            judgement.inconclusive("target_url", prose("absent"), prose(" or ".join(asked.targets)))
        judgement.skip("the artifact states no target")
        return
    found = origin(url)
    if not judgement.check(
        found is not None, "target_url", url, prose("http(s)://host[:port] without credentials")
    ):
        return
    base, host = found or ("", "")
    judgement.check(
        host not in _IN_PROCESS_HOSTS,
        "target_url",
        url,
        prose("a service in a process of its own: this name is an in-process client's"),
    )
    if asked.targets:
        allowed = {(origin(each) or ("", ""))[0] for each in asked.targets} - {""}
        judgement.check(base in allowed, "target_url", url, prose(" or ".join(asked.targets)))
    if not asked.allow_loopback:
        loopback = host in _LOOPBACK_NAMES or host.startswith("127.")
        judgement.check(not loopback, "target_url", url, prose("a service on another machine"))


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
    target,
)
