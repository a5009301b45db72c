"""Every setting of the gates, once: its variable, its flag, what it sets, and what it may say.

The environment, the command line and the documentation all follow from this table.
"""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.gate.request import GateRequest, plain_request
from stressproof.suite import Suite, Variables
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.kind import EvidenceKind
from stressproof.verify.kinds import KINDS
from stressproof.verify.rule import show
from stressproof.verify.stress.verifier import STRESS

Value = str | bool | int | float


class Form(StrEnum):
    """What a setting's text may be."""

    PATH = "a path"
    BOOLEAN = "1, true, yes, on, 0, false, no, off or empty"
    WHOLE = "a whole number of 0 or more"
    LIMIT = "a finite number of 0 or more"
    NAME = "a name"


class Setting(Struct, frozen=True):
    """One thing that a caller may say.

    Attributes:
        kind: The kind of evidence it is about.
        suffix: Its variable, without the prefix that the suite has for the kind.
        flag: Its flag on the command line; empty where there is none.
        field: The requirement it sets; for a path or a boolean, nothing in the requirements.
        form: What it may say.
        meaning: One line for help pages.
    """

    kind: EvidenceKind[Any]
    suffix: str
    flag: str
    field: str
    form: Form
    meaning: str

    def variable(self, variables: Variables) -> str:
        """Return the environment variable, as a suite calls it."""
        prefix: str = getattr(variables, self.kind.name)
        return prefix + self.suffix


SETTINGS = (
    Setting(
        STRESS,
        "PATH",
        "--stress-evidence-path",
        "",
        Form.PATH,
        "The stress artifact to judge.",
    ),
    Setting(
        STRESS,
        "MAX_AGE_HOURS",
        "--stress-max-age-hours",
        "max_artifact_age_hours",
        Form.LIMIT,
        "Oldest stress evidence.",
    ),
    Setting(
        STRESS,
        "MIN_DURATION_SECONDS",
        "--stress-min-duration-seconds",
        "min_duration_seconds",
        Form.WHOLE,
        "Shortest round.",
    ),
    Setting(
        STRESS,
        "MIN_CONCURRENT_USERS",
        "--stress-min-concurrent-users",
        "min_concurrent_users",
        Form.WHOLE,
        "Fewest concurrent users.",
    ),
    Setting(
        STRESS,
        "REQUIRED",
        "",
        "",
        Form.BOOLEAN,
        "Whether a missing path blocks.",
    ),
    Setting(
        STRESS,
        "REQUIRED_DATABASE_ENGINE",
        "--stress-required-database-engine",
        "database_engine",
        Form.NAME,
        "The engine the load must have reached, exactly.",
    ),
    Setting(
        STRESS,
        "MAX_P95_SECONDS",
        "--stress-max-p95-seconds",
        "max_p95_seconds",
        Form.LIMIT,
        "Limit of p95 in every round; the one that the capture was held to.",
    ),
    Setting(
        STRESS,
        "MAX_ERROR_RATE_PERCENT",
        "--stress-max-error-rate-percent",
        "max_error_rate_percent",
        Form.LIMIT,
        "Limit of errors in every round, likewise.",
    ),
    Setting(
        STRESS,
        "MIN_THROUGHPUT_RPS",
        "--stress-min-throughput-rps",
        "min_throughput_rps",
        Form.LIMIT,
        "Least throughput of every round, likewise.",
    ),
    Setting(
        FAILURE,
        "PATH",
        "--failure-evidence-path",
        "",
        Form.PATH,
        "The failure-injection artifact to judge.",
    ),
    Setting(
        FAILURE,
        "REQUIRED",
        "",
        "",
        Form.BOOLEAN,
        "Whether a missing path blocks.",
    ),
    Setting(
        FAILURE,
        "MAX_AGE_HOURS",
        "--failure-max-age-hours",
        "max_artifact_age_hours",
        Form.LIMIT,
        "Oldest failure evidence.",
    ),
)
"""In the protocol's order; what is not the protocol's own follows each kind's own."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})
_WHOLE = re.compile(r"[0-9]{1,15}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?(?:e-?[0-9]{1,2})?", re.ASCII | re.IGNORECASE)


def parse(form: Form, text: str) -> Value | None:
    """Return what a text says, None where it cannot be meant.

    An empty text is the false of a boolean and the "not given" of everything else, which the
    caller has dealt with before.
    """
    if form is Form.BOOLEAN:
        word = text.lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if form is Form.WHOLE:
        return int(text) if _WHOLE.fullmatch(text) else None
    if form is Form.LIMIT:
        if not _DECIMAL.fullmatch(text):
            return None
        number = float(text)
        return number if math.isfinite(number) else None
    return text if "\0" not in text else None


def read_settings(
    suite: Suite,
    environment: Mapping[str, str],
    flags: Mapping[str, Value],
    *,
    required: Collection[EvidenceKind[Any]] = (),
    dry_run: bool = False,
) -> GateRequest:
    """Return what the caller asks: a flag counts before its variable, that before the suite.

    Args:
        suite: Whose floors and variables these are.
        environment: The variables of the process; an empty one is as good as none.
        flags: Values from the command line by flag, already of their form.
        required: Kinds of evidence that are required whatever the variables say.
        dry_run: A rehearsal, in which limits may be looser than the floors.

    Raises:
        UsageError: Variables cannot be meant, or limits are looser than the floors; the message
            lists every one of them.
    """
    given: dict[Setting, Value] = {}
    problems = _unknown_variables(suite.variables, environment)
    for setting in SETTINGS:
        variable = setting.variable(suite.variables)
        text = environment.get(variable, "")
        if not text and setting.form is not Form.BOOLEAN:
            continue
        value = parse(setting.form, text)
        if value is None:
            problems.append(f"{variable}={show(text)}: expected {setting.form}")
        else:
            given[setting] = value
    given |= {setting: flags[setting.flag] for setting in SETTINGS if setting.flag in flags}
    asked = _ask(suite, given, required, dry_run=dry_run)
    if not dry_run:
        problems += [
            _looser(suite, each.kind, line, flags)
            for each in asked.evidence
            for line in each.loosened
        ]
    if problems:
        raise UsageError(
            "\n  ".join([f"{len(problems)} setting(s) cannot be meant:", *problems]),
            hint=f"{suite.documentation or 'docs/gate.md'} lists the settings; limits may only be "
            "tightened, --dry-run rehearses with others.",
        )
    return asked


def _ask(
    suite: Suite,
    given: Mapping[Setting, Value],
    required: Collection[EvidenceKind[Any]],
    *,
    dry_run: bool,
) -> GateRequest:
    request = plain_request(suite)
    for kind in KINDS:
        own = {setting: value for setting, value in given.items() if setting.kind is kind}
        path = next((str(v) for setting, v in own.items() if setting.form is Form.PATH), "")
        needed = kind in required or any(
            value is True for setting, value in own.items() if setting.form is Form.BOOLEAN
        )
        limits = {setting.field: value for setting, value in own.items() if setting.field}
        asked = request.of(kind).requirements
        if asked is None and (path or needed or limits):
            asked = kind.requirements(suite, "")  # which says that there are none, and what to do
        request = request.asking(
            kind,
            path=path,
            required=needed,
            requirements=asked and msgspec.structs.replace(asked, **limits),
        )
    return msgspec.structs.replace(request, dry_run=dry_run)


def _looser(suite: Suite, kind: EvidenceKind[Any], line: str, flags: Mapping[str, Value]) -> str:
    """Return a line about a loosened floor, led by the flag or variable that did it."""
    for setting in SETTINGS:
        if setting.kind is kind and setting.field and line.startswith(f"{setting.field} "):
            given = setting.flag in flags
            return f"{setting.flag if given else setting.variable(suite.variables)}: {line}"
    return f"{kind.name}: {line}"


def _unknown_variables(variables: Variables, environment: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that looks like a setting and is none: a misspelt limit."""
    known = {setting.variable(variables) for setting in SETTINGS}
    problems = []
    for name in sorted(environment):
        if name not in known and _looks_like(name.upper(), variables, known):
            near = difflib.get_close_matches(name.upper(), known, n=1)
            offer = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{show(name)}: there is no such setting{offer}")
    return problems


def _looks_like(name: str, variables: Variables, known: Collection[str]) -> bool:
    """Return whether somebody may have meant a setting by a name (in capitals).

    It is nearly one, or it begins as all of them do and speaks of evidence.
    """
    prefixes = (variables.stress, variables.failure)
    family, *words = {word: None for prefix in prefixes for word in prefix.rstrip("_").split("_")}
    spoken = set(name.split("_"))
    return (
        name.startswith(prefixes)
        or (family in spoken and not spoken.isdisjoint(words))
        or bool(difflib.get_close_matches(name, known, n=1, cutoff=_NEARLY))
    )


_NEARLY = 0.8
