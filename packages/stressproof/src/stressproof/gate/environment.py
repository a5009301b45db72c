"""Every setting of the gates, once: its variable, its flag, what it sets, and what it may say.

The environment, the command line and the documentation all follow from this table.
"""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from enum import StrEnum

import msgspec
from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.failures import installed
from stressproof.gate.request import GateRequest, Half
from stressproof.verify.rule import show

STRESS_PREFIX = "ENFORCEMENT_STRESS_EVIDENCE_"
FAILURE_PREFIX = "ENFORCEMENT_FAILURE_INJECTION_EVIDENCE_"

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
        half: The kind of evidence it is about.
        suffix: Its variable, without the half's prefix.
        flag: Its flag on the command line; empty where there is none.
        field: The requirement it sets; for a path or a boolean, nothing in the requirements.
        form: What it may say.
        meaning: One line for help pages.
    """

    half: Half
    suffix: str
    flag: str
    field: str
    form: Form
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable."""
        return (STRESS_PREFIX if self.half is Half.STRESS else FAILURE_PREFIX) + self.suffix


SETTINGS = (
    Setting(
        Half.STRESS,
        "PATH",
        "--stress-evidence-path",
        "",
        Form.PATH,
        "The stress artifact to judge.",
    ),
    Setting(
        Half.STRESS,
        "MAX_AGE_HOURS",
        "--stress-max-age-hours",
        "max_artifact_age_hours",
        Form.LIMIT,
        "Oldest stress evidence.",
    ),
    Setting(
        Half.STRESS,
        "MIN_DURATION_SECONDS",
        "--stress-min-duration-seconds",
        "min_duration_seconds",
        Form.WHOLE,
        "Shortest round.",
    ),
    Setting(
        Half.STRESS,
        "MIN_CONCURRENT_USERS",
        "--stress-min-concurrent-users",
        "min_concurrent_users",
        Form.WHOLE,
        "Fewest concurrent users.",
    ),
    Setting(
        Half.STRESS,
        "REQUIRED",
        "",
        "",
        Form.BOOLEAN,
        "Whether a missing path blocks.",
    ),
    Setting(
        Half.STRESS,
        "REQUIRED_DATABASE_ENGINE",
        "--stress-required-database-engine",
        "database_engine",
        Form.NAME,
        "The engine the load must have reached, exactly.",
    ),
    Setting(
        Half.STRESS,
        "MAX_P95_SECONDS",
        "--stress-max-p95-seconds",
        "max_p95_seconds",
        Form.LIMIT,
        "Limit of p95 in every round; the one that the capture was held to.",
    ),
    Setting(
        Half.STRESS,
        "MAX_ERROR_RATE_PERCENT",
        "--stress-max-error-rate-percent",
        "max_error_rate_percent",
        Form.LIMIT,
        "Limit of errors in every round, likewise.",
    ),
    Setting(
        Half.STRESS,
        "MIN_THROUGHPUT_RPS",
        "--stress-min-throughput-rps",
        "min_throughput_rps",
        Form.LIMIT,
        "Least throughput of every round, likewise.",
    ),
    Setting(
        Half.FAILURE,
        "PATH",
        "--failure-evidence-path",
        "",
        Form.PATH,
        "The failure-injection artifact to judge.",
    ),
    Setting(
        Half.FAILURE,
        "REQUIRED",
        "",
        "",
        Form.BOOLEAN,
        "Whether a missing path blocks.",
    ),
    Setting(
        Half.FAILURE,
        "MAX_AGE_HOURS",
        "--failure-max-age-hours",
        "max_artifact_age_hours",
        Form.LIMIT,
        "Oldest failure evidence.",
    ),
)
"""In the protocol's order; what is not the protocol's own follows each half's own."""

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
    environment: Mapping[str, str],
    flags: Mapping[str, Value],
    *,
    required: Collection[Half] = (),
    dry_run: bool = False,
) -> GateRequest:
    """Return what the caller asks: a flag counts before its variable, that before the protocol.

    Args:
        environment: The variables of the process; an empty one is as good as none.
        flags: Values from the command line by flag, already of their form.
        required: Halves that are required whatever the variables say.
        dry_run: A rehearsal, in which limits may be looser than the floors.

    Raises:
        UsageError: Variables cannot be meant, or limits are looser than the floors; the message
            lists every one of them.
    """
    given: dict[str, Value] = {}
    problems = _unknown_variables(environment)
    for setting in SETTINGS:
        text = environment.get(setting.variable, "")
        if not text and setting.form is not Form.BOOLEAN:
            continue
        value = parse(setting.form, text)
        if value is None:
            problems.append(f"{setting.variable}={show(text)}: expected {setting.form}")
        else:
            given[setting.variable] = value
    given |= {
        setting.variable: flags[setting.flag] for setting in SETTINGS if setting.flag in flags
    }
    asked = _ask(given, required, dry_run=dry_run)
    if not dry_run:
        problems += [_looser(half, line, flags) for half in Half for line in asked.loosened(half)]
    if problems:
        raise UsageError(
            "\n  ".join([f"{len(problems)} setting(s) cannot be meant:", *problems]),
            hint="docs/ops/enforcement_stress_evidence_protocol.md lists the settings; limits may "
            "only be tightened, --dry-run rehearses with others.",
        )
    return asked


def _ask(given: Mapping[str, Value], required: Collection[Half], *, dry_run: bool) -> GateRequest:
    limits: dict[Half, dict[str, Value]] = {half: {} for half in Half}
    for setting in SETTINGS:
        if setting.field and setting.variable in given:
            limits[setting.half][setting.field] = given[setting.variable]
    plain = GateRequest()
    return GateRequest(
        stress_path=str(given.get(STRESS_PREFIX + "PATH", "")),
        stress_required=Half.STRESS in required or given.get(STRESS_PREFIX + "REQUIRED") is True,
        stress=msgspec.structs.replace(plain.stress, **limits[Half.STRESS]),
        failure_path=str(given.get(FAILURE_PREFIX + "PATH", "")),
        failure_required=Half.FAILURE in required or given.get(FAILURE_PREFIX + "REQUIRED") is True,
        failure=msgspec.structs.replace(
            plain.failure, scenarios=installed.scenarios(), **limits[Half.FAILURE]
        ),
        dry_run=dry_run,
    )


def _looser(half: Half, line: str, flags: Mapping[str, Value]) -> str:
    """Return a line about a loosened floor, led by the flag or variable that did it."""
    for setting in SETTINGS:
        if setting.half is half and setting.field and line.startswith(f"{setting.field} "):
            return f"{setting.flag if setting.flag in flags else setting.variable}: {line}"
    return f"{half}: {line}"


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that looks like a setting and is none: a misspelt limit."""
    known = {setting.variable for setting in SETTINGS}
    problems = []
    for name in sorted(environment):
        if name.startswith((STRESS_PREFIX, FAILURE_PREFIX)) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            offer = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{show(name)}: there is no such setting{offer}")
    return problems
