"""What the environment and the flags may say to a gate."""

import itertools
import math
from collections.abc import Mapping

import pytest

from enforcement_suite.suite import FAILURE_PREFIX, STRESS_PREFIX, SUITE
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.gate.environment import (
    SETTINGS,
    Form,
    Setting,
    Value,
    parse,
    read_settings,
)
from stressproof.gate.request import GateRequest, plain_request
from stressproof.verify import kinds

pytestmark = pytest.mark.gate

PROTOCOL = {
    "ENFORCEMENT_STRESS_EVIDENCE_PATH": "docs/ops/evidence/stress.json",
    "ENFORCEMENT_STRESS_EVIDENCE_MAX_AGE_HOURS": "24",
    "ENFORCEMENT_STRESS_EVIDENCE_MIN_DURATION_SECONDS": "30",
    "ENFORCEMENT_STRESS_EVIDENCE_MIN_CONCURRENT_USERS": "10",
    "ENFORCEMENT_STRESS_EVIDENCE_REQUIRED": "true",
    "ENFORCEMENT_STRESS_EVIDENCE_REQUIRED_DATABASE_ENGINE": "postgresql",
}


def asked(environment: Mapping[str, str], **flags: Value) -> GateRequest:
    """What is asked by these variables and flags."""
    return read_settings(
        SUITE, environment, {f"--{k.replace('_', '-')}": v for k, v in flags.items()}
    )


def test_the_protocols_six_variables_are_known() -> None:
    """The protocol's own example is understood, value by value."""
    read = asked(PROTOCOL)
    assert read.of(kinds.STRESS).path == "docs/ops/evidence/stress.json"
    assert read.of(kinds.STRESS).required
    assert read.of(kinds.STRESS).requirements.max_artifact_age_hours == 24
    assert read.of(kinds.STRESS).requirements.min_duration_seconds == 30
    assert read.of(kinds.STRESS).requirements.min_concurrent_users == 10
    assert read.of(kinds.STRESS).requirements.database_engine == "postgresql"
    assert not read.of(kinds.FAILURE).path
    assert not read.of(kinds.FAILURE).required


def test_without_any_variable_the_protocols_limits_are_asked() -> None:
    """Silence asks for no evidence, and for the whole of the protocol from any there is."""
    read = asked({})
    assert not read.judges_evidence
    stress, failure = read.of(kinds.STRESS).requirements, read.of(kinds.FAILURE).requirements
    assert (stress.max_artifact_age_hours, failure.max_artifact_age_hours) == (24, 48)
    assert (stress.min_rounds, stress.min_duration_seconds) == (3, 30)
    assert stress.minimum_level == failure.minimum_level == "recomputed"
    assert stress.refuse_unsafe
    assert stress.require_counters
    assert stress.require_identity


TIGHTER = {
    "MAX_AGE_HOURS": "1.5",
    "MIN_DURATION_SECONDS": "60",
    "MIN_CONCURRENT_USERS": "11",
    "MAX_P95_SECONDS": "0.25",
    "MAX_ERROR_RATE_PERCENT": "0",
    "MIN_THROUGHPUT_RPS": "100",
}
LOOSER = {
    "MAX_AGE_HOURS": "24.001",
    "MIN_DURATION_SECONDS": "29",
    "MIN_CONCURRENT_USERS": "9",
    "MAX_P95_SECONDS": "2.0001",
    "MAX_ERROR_RATE_PERCENT": "1.01",
    "MIN_THROUGHPUT_RPS": "0.49",
    "REQUIRED_DATABASE_ENGINE": "sqlite",
}


@pytest.mark.parametrize(("suffix", "text"), TIGHTER.items())
def test_a_tighter_limit_is_taken(suffix: str, text: str) -> None:
    """A variable sets the requirement that it names, zero included."""
    setting = next(
        each for each in SETTINGS if each.variable(SUITE.variables) == STRESS_PREFIX + suffix
    )
    read = asked({STRESS_PREFIX + suffix: text})
    assert getattr(read.of(kinds.STRESS).requirements, setting.field) == float(text)


@pytest.mark.parametrize(("suffix", "text"), LOOSER.items())
def test_a_looser_limit_is_refused_by_name_and_rehearsed_on_request(suffix: str, text: str) -> None:
    """A floor may not be loosened, except in a rehearsal, which then knows of it."""
    variable = STRESS_PREFIX + suffix
    with pytest.raises(UsageError, match=variable):
        read_settings(SUITE, {variable: text}, {})
    rehearsed = read_settings(SUITE, {variable: text}, {}, dry_run=True)
    assert len(rehearsed.of(kinds.STRESS).loosened) == 1


def test_a_looser_failure_age_is_refused() -> None:
    """The other half has its own floor."""
    variable = FAILURE_PREFIX + "MAX_AGE_HOURS"
    assert asked({variable: "48"}).of(kinds.FAILURE).requirements.max_artifact_age_hours == 48
    with pytest.raises(UsageError, match=variable):
        asked({variable: "48.5"})


WORDS = {
    True: ("1", "true", "yes", "on", "TRUE", "Yes", "oN"),
    False: ("0", "false", "no", "off", "", "FALSE", "Off"),
    None: ("y", "n", "required", "enabled", "2", " true", "true ", "tru\u0435", "\uff11", "None"),
}


@pytest.mark.parametrize(
    ("word", "meaning"), [(word, meaning) for meaning, prose in WORDS.items() for word in prose]
)
@pytest.mark.parametrize("prefix", [STRESS_PREFIX, FAILURE_PREFIX])
def test_boolean_words_are_known_or_refused(
    prefix: str,
    word: str,
    meaning: bool | None,  # noqa: FBT001  # what pytest passes
) -> None:
    """A word that is not in the table is an error, never a silent false."""
    if meaning is None:
        with pytest.raises(UsageError, match=prefix + "REQUIRED"):
            asked({prefix + "REQUIRED": word})
        return
    read = asked({prefix + "REQUIRED": word})
    kind = kinds.STRESS if prefix == STRESS_PREFIX else kinds.FAILURE
    assert read.of(kind).required is meaning


NO_LIMITS = (
    *("nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1", "-0", "+1", "1_0", "0x10", " 1"),
    *("1 ", "1,5", "\u0661", "\uff11", ".5", "1.", "1e", "twelve", "1" * 16, "1\n"),
)


@pytest.mark.parametrize("text", NO_LIMITS)
@pytest.mark.parametrize(
    "setting",
    [each for each in SETTINGS if each.form is Form.LIMIT],
    ids=lambda one: one.variable(SUITE.variables),
)
def test_what_is_no_finite_number_is_refused(setting: Setting, text: str) -> None:
    """NaN, infinity, signs, blanks and foreign digits are no limits."""
    with pytest.raises(UsageError, match=setting.variable(SUITE.variables)):
        asked({setting.variable(SUITE.variables): text})


@pytest.mark.parametrize("text", [*NO_LIMITS, "30.0", "3e1"])
@pytest.mark.parametrize(
    "setting",
    [each for each in SETTINGS if each.form is Form.WHOLE],
    ids=lambda one: one.variable(SUITE.variables),
)
def test_what_is_no_whole_number_is_refused(setting: Setting, text: str) -> None:
    """A count is written in digits and nothing else."""
    with pytest.raises(UsageError, match=setting.variable(SUITE.variables)):
        asked({setting.variable(SUITE.variables): text})


def test_numbers_are_finite_whatever_the_text() -> None:
    """No text of digits, signs, dots and exponents becomes a limit that lets everything through."""
    for letters in itertools.product("19.e-+", repeat=4):
        value = parse(Form.LIMIT, "".join(letters))
        assert value is None or math.isfinite(float(value))


def test_all_wrong_variables_are_listed_at_once() -> None:
    """Nobody has to run the gate once for each mistake."""
    wrong = {
        STRESS_PREFIX + "REQUIRED": "perhaps",
        STRESS_PREFIX + "MAX_AGE_HOURS": "nan",
        STRESS_PREFIX + "MIN_DURATION_SECONDS": "1",
        FAILURE_PREFIX + "REQUIRED": "y",
        STRESS_PREFIX + "MAX_AGE_HOUR": "24",
    }
    with pytest.raises(UsageError) as raised:
        asked(wrong)
    assert all(variable in raised.value.message for variable in wrong)
    assert raised.value.message.startswith("5 setting(s)")
    assert raised.value.exit_code is Exit.USAGE
    assert raised.value.hint


def test_a_misspelt_variable_is_refused_with_the_nearest_name() -> None:
    """A limit that is not read is not held, so its misspelling is no silence."""
    with pytest.raises(UsageError, match=f"did you mean {STRESS_PREFIX}REQUIRED"):
        asked({STRESS_PREFIX + "REQUIERD": "true"})


def test_an_empty_variable_is_none_at_all() -> None:
    """CI passes unset inputs as empty text: the protocol's own limit holds then."""
    empty = {setting.variable(SUITE.variables): "" for setting in SETTINGS}
    assert asked(empty) == asked({})


def test_a_flag_counts_before_its_variable() -> None:
    """What was said last, on the command line, is what is asked."""
    read = asked({STRESS_PREFIX + "MAX_AGE_HOURS": "2"}, stress_max_age_hours=3.0)
    assert read.of(kinds.STRESS).requirements.max_artifact_age_hours == 3


def test_a_zero_flag_is_a_limit() -> None:
    """Zero is the strictest limit, not a missing one."""
    read = asked({}, stress_max_error_rate_percent=0.0)
    assert read.of(kinds.STRESS).requirements.max_error_rate_percent == 0


def test_a_loosened_flag_is_named_as_the_flag() -> None:
    """The message names what the caller typed."""
    with pytest.raises(UsageError, match="--stress-min-concurrent-users"):
        asked({}, stress_min_concurrent_users=1)


def test_required_halves_stay_required() -> None:
    """The release gate's demands cannot be switched off by a variable."""
    read = read_settings(SUITE, {STRESS_PREFIX + "REQUIRED": "false"}, {}, required=kinds.KINDS)
    assert read.of(kinds.STRESS).required
    assert read.of(kinds.FAILURE).required


def test_every_setting_has_its_own_variable_and_flag() -> None:
    """The table names nothing twice, and sets only what exists."""
    variables = [setting.variable(SUITE.variables) for setting in SETTINGS]
    flags = [setting.flag for setting in SETTINGS if setting.flag]
    assert len(set(variables)) == len(variables)
    assert len(set(flags)) == len(flags)
    plain = plain_request(SUITE)
    for setting in SETTINGS:
        requirements = plain.of(setting.kind).requirements
        assert not setting.field or hasattr(requirements, setting.field)


NEARLY = (
    "enforcement_stress_evidence_required",
    "Enforcement_Stress_Evidence_Required",
    "ENFORCEMENT_STRESS_EVIDENCE_REQUIRE",
    "ENFORCEMENT_STRESS_EVIDENCE_REQURED",
    "ENFORCEMENT_EVIDENCE_REQUIRED",
    "ENFORCEMENT_STRESS_REQUIRED",
    "ENFORCEMENT_FAILURE_EVIDENCE_REQUIRED",
    "ENFORCEMENT_FAILURE_INJECTION_REQUIRED",
    "ENFORCEMENT_INJECTION_EVIDENCE_REQUIRED",
    "ENFORCEMENT_FAILURE_REQUIRED",
    "ENFORCEMENT-STRESS-EVIDENCE-REQUIRED",
    "ENFORCEMENT_STRESS_EVIDENCE_REQUIRED ",
    "ENFORCMENT_STRESS_EVIDENCE_REQUIRED",
    "STRESS_EVIDENCE_REQUIRED",
)


@pytest.mark.parametrize("name", NEARLY)
def test_a_name_that_is_nearly_a_setting_is_an_error(name: str) -> None:
    """Who misspelt a demand must not hear that all is well."""
    with pytest.raises(UsageError, match="no such setting; did you mean"):
        asked({name: "true"})


@pytest.mark.parametrize(
    "name", ["ENFORCEMENT_DSN", "ENFORCEMENT_JWT_SECRET", "ENFORCEMENT_WORKERS", "PATH", "CI"]
)
def test_other_variables_are_none_of_the_gates(name: str) -> None:
    """The service's own settings, and everybody else's, are left alone."""
    assert not asked({name: "true"}).judges_evidence
