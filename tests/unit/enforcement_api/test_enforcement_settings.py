from pathlib import Path

import pytest

from enforcement.settings import Settings, SettingsError, load, state_home

pytestmark = pytest.mark.gate


def faults(flags: dict[str, str | None], environ: dict[str, str]) -> list[str]:
    """Return what is wrong with settings."""
    with pytest.raises(SettingsError) as caught:
        load(flags, environ)
    return caught.value.faults


def test_nothing_given_is_the_documented_default() -> None:
    """Without flags and variables the service listens on 127.0.0.1:8000 with two workers."""
    settings = load({}, {"HOME": "/home/somebody"})
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 2)
    assert (settings.gate_timeout_seconds, settings.seed, settings.unsafe) == (2.0, True, ())


def test_flags_win_over_variables_and_variables_over_defaults() -> None:
    """A flag hides the variable of its name, a variable the default."""
    environ = {"ENFORCEMENT_PORT": "9000", "ENFORCEMENT_WORKERS": "3"}
    settings = load({"port": "9001", "workers": None}, environ)
    assert (settings.port, settings.workers) == (9001, 3)


def test_every_fault_is_listed() -> None:
    """Eight wrong settings give eight faults, each with its name and what was seen."""
    found = faults(
        {"port": "65536", "workers": "two"},
        {
            "ENFORCEMENT_GATE_TIMEOUT_SECONDS": "31",
            "ENFORCEMENT_POOL_SIZE": "-1",
            "ENFORCEMENT_SEED": "maybe",
            "ENFORCEMENT_APPROVAL_FALLBACK_SECRETS": "short",
            "ENFORCEMENT_REQUEST_LOG": "loud",
            "ENFORCEMENT_HOST": " 127.0.0.1",
        },
    )
    assert len(found) == 8
    for name in ("--port is '65536'", "--workers is 'two'", "ENFORCEMENT_SEED is 'maybe'"):
        assert any(fault.startswith(name) for fault in found)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "0", "0.04", "31", "1e9", "two"])
def test_a_gate_timeout_out_of_range_is_refused(value: str) -> None:
    """Only 0.05 to 30 s are a gate timeout."""
    assert len(faults({"gate_timeout_seconds": value}, {})) == 1


@pytest.mark.parametrize("value", ["+5", " 5", "5 ", "5_0", "\u0665", "0x5", "5.0", ""])
def test_whole_numbers_are_plain_digits(value: str) -> None:
    """What int() would also take (signs, spaces, underscores, other scripts) is refused."""
    if value == "":
        assert load({}, {"ENFORCEMENT_WORKERS": ""}).workers == 2
    else:
        assert len(faults({"workers": value}, {})) == 1


def test_secrets_are_long_and_never_repeated_in_a_fault() -> None:
    """A secret below 32 characters is refused without being shown."""
    found = faults({}, {"ENFORCEMENT_JWT_SECRET": "tooshortsecret"})
    assert "14 characters" in found[0]
    assert "tooshortsecret" not in found[0]
    many = ",".join("x" * 32 for _ in range(6))
    assert len(faults({}, {"ENFORCEMENT_APPROVAL_FALLBACK_SECRETS": many})) == 1


def test_a_misspelt_unsafe_switch_is_refused() -> None:
    """A switch that is none would let a test of teeth bite air."""
    assert "IDEMPOTENCY_OF" in faults({}, {"ENFORCEMENT_UNSAFE_IDEMPOTENCY_OF": "1"})[0]
    on = load({}, {"ENFORCEMENT_UNSAFE_IDEMPOTENCY_OFF": "1", "ENFORCEMENT_UNSAFE_LOCK_OFF": "no"})
    assert on.unsafe == ("idempotency_off",)


def test_migrating_needs_a_database_of_ones_own() -> None:
    """--migrate without --dsn contradicts itself."""
    assert "--dsn" in faults({"migrate": "true"}, {})[0]


def test_a_database_of_ones_own_is_seeded_on_request_alone() -> None:
    """With a DSN nothing is seeded unless asked for."""
    assert load({"dsn": "postgresql://x"}, {}).seed is False
    assert load({"dsn": "postgresql://x", "seed": "true"}, {}).seed is True


def test_the_lock_is_waited_for_less_long_than_the_gate_lasts() -> None:
    """0.8 of the gate timeout, between 0.05 and 5 s."""
    for timeout, lock in ((2.0, 1.6), (0.05, 0.05), (30.0, 5.0)):
        assert Settings(gate_timeout_seconds=timeout).lock_timeout_seconds == pytest.approx(lock)


def test_a_relative_state_home_is_ignored() -> None:
    """The XDG specification says so."""
    assert state_home({"XDG_STATE_HOME": "/var/state"}) == Path("/var/state")
    assert state_home({"XDG_STATE_HOME": "state"}).is_absolute()
