"""Endings, phases, detection and recovery, on histories made by hand."""

import pytest

from failure_codes import meaning, record
from stressproof.evidence.failure import RecoveryObjectives
from stressproof.failures.artifact import Operations
from stressproof.failures.history import (
    COLUMNS,
    FaultWindow,
    count_phases,
    nearest_rank,
    parse_code,
    read,
    read_code,
    recovery,
)

pytestmark = pytest.mark.gate

MS = 1000
S = 1_000_000
OBJECTIVES = RecoveryObjectives(
    rto_service_us=2 * S,
    window_us=S,
    window_operations=5,
    slow_us=100 * MS,
    bad_ppm=0,
)


def history(*rows: tuple[int, int, str]) -> Operations:
    """Return operations of one kind from (start ms, duration ms, code)."""
    codes = sorted({code for _, _, code in rows})
    return Operations(
        kinds=["read"],
        codes=list(map(record, codes)),
        columns=COLUMNS,
        rows=[[start * MS, took * MS, 0, codes.index(code), 0, 1, 0] for start, took, code in rows],
    )


@pytest.mark.parametrize(
    ("name", "ending", "healthy"),
    [
        ("200", "ok", True),
        ("200/ALLOW", "ok", True),
        ("200/failsafe:DENY:gate_timeout:hard", "unknown", False),
        ("409", "fail", True),
        ("429/retry", "fail", True),
        ("404", "fail", False),
        ("500", "unknown", False),
        ("503", "unknown", False),
        ("timeout", "unknown", False),
        ("reset", "unknown", False),
        ("closed", "unknown", False),
        ("connect_refused", "fail", False),
        ("connect_timeout", "fail", False),
    ],
)
def test_only_what_surely_had_no_effect_is_fail(name: str, ending: str, healthy: bool) -> None:  # noqa: FBT001  # a table
    """A timeout, a disconnect and a 5xx after the request was sent are unknown, never fail."""
    code = meaning(name)
    assert (code.ending, code.healthy) == (ending, healthy)


@pytest.mark.parametrize("name", ["", "ok", "99", "600", "200/", "200/ü", "2OO", "٢٠٠", " 200"])
def test_other_codes_mean_nothing(name: str) -> None:
    """A code that is not one is refused, not guessed at."""
    assert parse_code(name) is None
    with pytest.raises(ValueError, match="means nothing"):
        read_code(name, "ok")


@pytest.mark.parametrize(
    "row",
    [[0, 1, 0, 0, 0, 1], [0, 1, 1, 0, 0, 1, 0], [0, 1, 0, 7, 0, 1, 0], [0, 1, 0, 0, 0, 1, 4]],
    ids=["short", "kind", "code", "origin"],
)
def test_rows_that_refer_to_nothing_are_refused(row: list[int]) -> None:
    """A row is read whole or not at all."""
    operations = Operations(kinds=["read"], codes=[record("200")], columns=COLUMNS, rows=[row])
    with pytest.raises(ValueError, match="row"):
        read(operations)


def test_rows_out_of_order_are_refused() -> None:
    """Phases are found by searching an ordered sequence, so order is demanded."""
    with pytest.raises(ValueError, match="above"):
        read(history((5, 1, "200"), (4, 1, "200")))


def test_operation_belongs_to_the_phase_it_began_in() -> None:
    """What began before healing counts as the fault's, however late it ended."""
    operations = read(
        history((0, 1, "200"), (99, 900, "timeout"), (100, 1, "503"), (199, 500, "409"),
                (200, 1, "200"), (300, 1, "200"))
    )  # fmt: skip
    window = FaultWindow("blackhole", 100 * MS, 200 * MS, 300 * MS)
    counts = {one.phase: one for one in count_phases(operations, [window], 301 * MS)}
    assert list(counts) == ["steady", "blackhole/during", "blackhole/recovery"]
    steady, during, after = counts.values()
    assert (steady.ok, steady.fail, steady.unknown, steady.unhealthy) == (2, 0, 1, 1)
    assert (during.ok, during.fail, during.unknown, during.unhealthy) == (0, 1, 1, 1)
    assert (after.ok, after.fail, after.unknown, after.unhealthy) == (1, 0, 0, 0)


def outage(*, good_from_ms: int, until_ms: int) -> Operations:
    """Return an operation every 100 ms, failing from 1 s until service is good again."""
    return history(
        *(
            (start, 10, "200" if start < 1000 or start >= good_from_ms else "503")
            for start in range(0, until_ms, 100)
        )
    )


def test_recovery_is_measured_from_the_effect_and_from_healing() -> None:
    """RTO_user includes the outage, RTO_service does not; both start where service was good."""
    operations = read(outage(good_from_ms=3500, until_ms=8000))
    window = FaultWindow("kill", 1000 * MS, 3000 * MS, 8000 * MS)
    found = recovery(operations, window, OBJECTIVES)
    assert found.detection_us == 10 * MS
    assert found.first_ok_us == 510 * MS
    # The last bad one began 3.4 s in: the window begins with the next microsecond.
    assert found.rto_service_us == 400 * MS + 1
    assert found.rto_user_us == 2400 * MS + 1
    assert found.longest_gap_us == 2000 * MS


def test_fault_that_nobody_noticed_has_no_detection() -> None:
    """Null is not zero: it was not detected."""
    operations = read(history(*((start, 10, "200") for start in range(0, 5000, 100))))
    found = recovery(operations, FaultWindow("mild", 1 * S, 2 * S, 5 * S), OBJECTIVES)
    assert found.detection_us is None
    assert found.rto_service_us == 0


@pytest.mark.parametrize(
    ("late", "what"),
    [((2500, 10, "503"), "error"), ((2500, 500, "200"), "slow one")],
    ids=["error", "slow"],
)
def test_window_with_an_error_or_a_slow_answer_is_not_good(
    late: tuple[int, int, str], what: str
) -> None:
    """Service that stumbles again has not recovered before it stumbled."""
    rows = [(start, 10, "200") for start in range(0, 6000, 100) if start != 2500]
    operations = read(history(*sorted([*rows, late])))
    found = recovery(operations, FaultWindow("x", 1 * S, 2 * S, 6 * S), OBJECTIVES)
    assert found.rto_service_us == 500 * MS + 1, what


def test_silence_is_not_recovery() -> None:
    """A window in which too little was asked shows nothing."""
    operations = read(history((0, 10, "200"), (2100, 10, "200"), (2900, 10, "200")))
    found = recovery(operations, FaultWindow("x", 1 * S, 2 * S, 6 * S), OBJECTIVES)
    assert found.first_ok_us is not None
    assert found.rto_service_us is None


def test_window_must_have_been_watched_to_its_end() -> None:
    """Good service over half a window proves half a window."""
    operations = read(history(*((start, 10, "200") for start in range(0, 3000, 100))))
    found = recovery(operations, FaultWindow("x", 1 * S, 2 * S, 2 * S + 900 * MS), OBJECTIVES)
    assert found.rto_service_us is None


def test_nearest_rank_is_a_value_that_was_there() -> None:
    """No quantile lies between two values."""
    assert [nearest_rank([1, 2, 3, 100], ppm) for ppm in (0, 500_000, 750_000, 750_001)] == [
        1,
        2,
        3,
        100,
    ]
