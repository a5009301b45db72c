"""The tables of faults and checks: each entry is whole, and refuses what is none of it."""

import pytest
from msgspec.structs import replace

from stressproof.failures.check_kind import ended_as
from stressproof.failures.checks import CHECKS, check_problems, check_spec
from stressproof.failures.fault_kinds import FAULT_KINDS, demanded_witnesses, fault_problems
from stressproof.failures.history import read_code
from stressproof.failures.parameters import S
from stressproof.failures.spec import (
    AnswerRule,
    FaultSpec,
    RequestSpec,
    Send,
    TargetKind,
    WitnessSpec,
)

pytestmark = pytest.mark.gate

_HITS: dict[str, TargetKind] = {
    "postgres": "postgres",
    "process": "process",
    "container": "container",
    "proxy": "proxy",
    "proxy:postgres": "proxy:postgres",
    "proxy:http": "proxy:http",
    "callers": "callers",
    "any": "callers",
}
_MUST_BE_GIVEN = {"sql": "SELECT 1", "rate_per_s": 5, "table": "made", "class": "a.py:B"}
_ARGV = {"run": ("a",), "undo": ("b",)}


def fault(kind: str) -> FaultSpec:
    """Return a fault of a kind, with its defaults and whatever must be given."""
    table = FAULT_KINDS[kind]
    given = {
        key: value
        for key, value in {**_MUST_BE_GIVEN, **_ARGV}.items()
        if any(each.key == key for each in table.parameters)
    }
    target_kind = _HITS[min(table.targets)]
    return FaultSpec(
        id="it",
        kind=kind,
        lasts_us=S,
        target="" if target_kind == "callers" else "it",
        target_kind=target_kind,
        parameters=table.complete(given),
        send=(Send("order", 20),) if table.sends == "must" else (),
        witnesses=() if table.witnesses else (WitnessSpec("leaders"),),
    )


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_every_kind_can_be_asked_for_and_must_be_proven(kind: str) -> None:
    """With defaults it is a fault of its kind, which at least one witness is demanded of."""
    one = fault(kind)
    assert list(fault_problems(one)) == []
    assert demanded_witnesses(one)
    assert FAULT_KINDS[kind].says.endswith(".")
    assert FAULT_KINDS[kind].undo.endswith(".")


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_what_is_none_of_a_kind_is_said(kind: str) -> None:
    """An unknown parameter, one that is missing, a target that does not fit, a time too long."""
    one = fault(kind)
    stranger = replace(one, parameters={**one.parameters, "mood": "bad"})
    assert any("mood" in problem for problem in fault_problems(stranger))
    assert list(fault_problems(replace(one, lasts_us=600 * S + 1)))
    assert list(fault_problems(replace(one, kind="meteor")))
    for spec in FAULT_KINDS[kind].parameters:
        without = {key: value for key, value in one.parameters.items() if key != spec.key}
        said = list(fault_problems(replace(one, parameters=without)))
        assert spec.optional or said == [f"{spec.key} is not there"]
        wrong = {**one.parameters, spec.key: object()}
        assert any(
            spec.key in problem for problem in fault_problems(replace(one, parameters=wrong))
        )
    if "any" not in FAULT_KINDS[kind].targets:
        misfits = [hit for hit in _HITS.values() if not FAULT_KINDS[kind].fits(hit)]
        assert misfits
        for hit in misfits:
            said = list(fault_problems(replace(one, target="it", target_kind=hit)))
            assert any("hits" in problem for problem in said)


def test_a_table_s_witnesses_are_no_file_s() -> None:
    """Only a kind that leaves them to the file may bring its own."""
    own = replace(fault("kill"), witnesses=(WitnessSpec("trust me"),))
    assert list(fault_problems(own))
    assert [one.name for one in demanded_witnesses(own)] != ["trust me"]
    assert list(fault_problems(replace(fault("command"), witnesses=())))


def test_what_proves_a_fault_follows_from_what_it_hits_and_how() -> None:
    """One direction needs one proof; a worker in a transaction two more; a race half of it."""
    both = demanded_witnesses(fault("latency"))
    up = demanded_witnesses(replace(fault("latency"), parameters={"stream": "upstream"}))
    assert up == both[:1]
    assert len(both) == 2
    held = replace(fault("kill_worker"), parameters={"index": 0, "holding": "db"})
    assert len(demanded_witnesses(held)) == len(demanded_witnesses(fault("kill_worker"))) + 2
    assert demanded_witnesses(fault("race"))[0].needs == 10
    assert demanded_witnesses(replace(fault("race"), send=(Send("a", 1),)))[0].needs == 2
    database = replace(fault("kill"), target_kind="postgres")
    assert "crash" in demanded_witnesses(database)[1].name
    waiting = replace(fault("lock"), parameters={"waiters": 3})
    assert demanded_witnesses(waiting)[0].needs == 3


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_s_parameters_are_told_apart(name: str) -> None:
    """With its defaults it lacks at most its own value; one that is unknown is said."""
    kind = CHECKS[name]
    about = "it" if kind.about == "fault" else ""
    lacking = list(check_problems(check_spec(name, about), ["it"]))
    value = kind.value
    assert lacking == (
        [] if value is None or value.default is not None else [f"{value.key} is not there"]
    )
    stranger = check_spec(name, about, {"mood": "bad"})
    assert any("mood" in problem for problem in check_problems(stranger, ["it"]))
    assert list(check_problems(replace(check_spec(name), about="nothing"), ["it"]))


def test_a_class_stands_for_its_codes() -> None:
    """A pattern that is a class's name is no pattern of names."""
    ok, refused = read_code("200/ALLOW", "ok"), read_code("409", "refused")
    assert ended_as(ok, ("ok",))
    assert not ended_as(refused, ("ok",))
    assert ended_as(refused, ("409",))
    assert ended_as(refused, ("refused",))


GET = RequestSpec("read")
ORDER = RequestSpec(
    "order",
    keyed=True,
    expect=(200, 201, 402),
    definite=(503,),
    answers=(
        AnswerRule("failsafe:{decision}:{why}", "json:fail_safe=true", "degraded"),
        AnswerRule("{decision}"),
    ),
)


@pytest.mark.parametrize(
    ("request_", "status", "note", "expected"),
    [
        (GET, 200, "", "ok"),
        (GET, 204, "", "ok"),
        (GET, 404, "", "rejected"),
        (GET, 302, "", "unknown"),
        (GET, 500, "", "unknown"),
        (GET, 200, "check_failed", "unknown"),
        (GET, 0, "timeout", "unknown"),
        (GET, 0, "connect_refused", "rejected"),
        (ORDER, 201, "", "ok"),
        (ORDER, 204, "", "unknown"),
        (ORDER, 402, "", "refused"),
        (ORDER, 409, "", "rejected"),
        (ORDER, 503, "", "rejected"),
        (ORDER, 502, "", "unknown"),
        (ORDER, 200, "failsafe:DENY:gate_timeout", "degraded"),
        (ORDER, 200, "failsafe:DENY", "ok"),
        (ORDER, 200, "ALLOW", "ok"),
    ],
)
def test_the_class_of_an_answer_follows_from_status_note_and_request(
    request_: RequestSpec, status: int, note: str, expected: str
) -> None:
    """One status is one thing to one request and another to another."""
    assert request_.classify(status, note) == expected


def test_a_note_is_told_in_time_that_grows_with_its_length_alone() -> None:
    """Twenty braces and a note that almost fits: no search through all ways to fit it."""
    rule = AnswerRule("x".join("{a}" for _ in range(20)) + "!", "", "degraded")
    assert RequestSpec("a", answers=(rule,)).classify(200, "x" * 118 + "?") == "ok"
    assert RequestSpec("a", answers=(rule,)).classify(200, "x" * 118 + "!") == "degraded"
