"""Targets, tables and profiles of ``stressproof.toml``: what they mean, and how faults are told."""

import re
from pathlib import Path

import pytest

from stressproof.config.compile import Project, resolve
from stressproof.config.config_file import read_config
from stressproof.config.environment import filled, filled_values
from stressproof.config.mistakes import ConfigError
from stressproof.config.plans import PlanReader
from stressproof.config.reading import Source
from stressproof.errors import UsageError
from stressproof.workload.bodies import JsonBody
from stressproof.workload.executors import ConstantArrivalRate, ConstantVus, RampingVus
from stressproof.workload.scenarios import Scenario, Span

pytestmark = pytest.mark.gate

S = 1_000_000


def project(text: str, folder: Path = Path()) -> Project:
    """Read a file."""
    source = Source("stressproof.toml", text)
    return resolve(read_config(source), source, folder)


def scenarios(
    text: str, environment: dict[str, str] | None = None, name: str = "a"
) -> tuple[Scenario, ...]:
    """Return the scenarios of a profile."""
    plan = project(text).plan
    return PlanReader(plan, environment).scenarios(plan.profiles[name])


SHOP = """
[target]
url = "${URL:-http://h}"

[profile.a]
users = 5
duration = "2m"
think = "1s..3s"
check = "json"
headers = { x-key = "${KEY}" }

[[profile.a.request]]
method = "post"
path = "/orders/{{seq}}"
expect = [201, "3xx"]
timeout = "500ms"
json = { sku = "${SKU}", n = 1, deep = [{ a = "$${x}" }] }

[[profile.a.flow]]
run = "flows.py:buy"
weight = 3
"""


def test_a_profile_is_what_it_says() -> None:
    """Defaults of the scenario stand where a request says nothing; flows keep cookies."""
    (one,) = scenarios(SHOP, {"KEY": "k", "SKU": '"a'})
    assert one.executor == ConstantVus(5, 120 * S)
    assert (one.think, one.cookies, one.weights) == (Span(S, 3 * S), True, [1, 3])
    (request,) = one.requests
    assert (request.name, request.method) == ("POST /orders/{seq}", "POST")
    assert (request.checks, request.headers, request.timeout_us) == (
        ("json",),
        {"x-key": "k"},
        S // 2,
    )
    assert request.expected_statuses == (201, *range(300, 400))
    assert request.body == JsonBody(r'{"sku":"\"a","n":1,"deep":[{"a":"${x}"}]}')


def test_what_is_taken_from_the_environment_changes_no_digest() -> None:
    """The definition is compared as it is written, so that secrets leave no trace in evidence."""
    one = scenarios(SHOP, {"KEY": "k", "SKU": "a"})[0].requests[0]
    other = scenarios(SHOP, {"KEY": "another", "SKU": "b"})[0].requests[0]
    changed = scenarios(SHOP.replace("n = 1", "n = 2"), {"KEY": "k", "SKU": "a"})[0].requests[0]
    assert one.headers != other.headers
    assert one.definition_sha256 == other.definition_sha256 != changed.definition_sha256


def test_variables_have_defaults_and_escapes() -> None:
    """As in a shell; what is not set is told by its name, and nothing of it is guessed."""
    assert filled("a ${X:-d} $${X} ${Y}", {"Y": "1"}) == "a d ${X} 1"
    assert filled("${X:-d}", {"X": ""}) == "d"
    assert filled_values({"a": ["${Y}", 2]}, {"Y": "1"}) == {"a": ["1", 2]}
    with pytest.raises(UsageError, match="the environment has no X"):
        filled("${X}", {})
    with pytest.raises(UsageError, match="names nothing"):
        filled("${1}", {})


def test_scenarios_run_side_by_side_with_amounts_of_their_own() -> None:
    """What the profile says stands where a scenario says nothing; an amount replaces all of it."""
    found = scenarios("""
[profile.a]
users = 5
duration = "10s"
[profile.a.scenario.one]
request = [{ path = "/" }]
[profile.a.scenario.two]
rate = "1/60s"
max_vus = 7
start = "5s"
request = [{ path = "/" }]
""")
    assert [one.name for one in found] == ["one", "two"]
    assert found[0].executor == ConstantVus(5, 10 * S)
    assert found[1].executor == ConstantArrivalRate(1, 10 * S, 7, time_unit_us=60 * S)
    assert found[1].start_us == 5 * S
    (stages,) = scenarios('[profile.a]\nusers = 1\nstages = ["10:5s"]\nrequest = [{ path = "/" }]')
    assert isinstance(stages.executor, RampingVus)


def test_a_profile_may_start_from_another() -> None:
    """What it says itself replaces what it extends, through several."""
    text = """
[profile.base]
users = 5
ramp = "1s"
request = [{ path = "/" }]
[profile.more]
extends = "base"
users = 50
[profile.a]
extends = "more"
ramp = "2s"
"""
    (one,) = scenarios(text)
    assert one.executor == ConstantVus(50, 30 * S, 2 * S)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('[target]\nurl = "ftp://h"', 2, "scheme must be http"),
        ("[targets.staging]\ninsecur = true", 2, "insecure"),
        ('[data.u]\nfile = "u.csv"\npick = "x"', 3, "pick"),
        ('[profile.a]\nusers = 1\n[[profile.a.request]]\npath = "x"', 3, "expected /"),
        ('[profile.a]\nusers = 1\n[[profile.a.request]]\npath = "/"\ncheck = "x"', 3, "check"),
        ('[profile.a]\nusers = 1\n[[profile.a.request]]\npath = "/"\nweight = -1', 5, "weight"),
        ('[profile.a]\nrate = "x"\nrequest = [{ path = "/" }]', 1, "is not a rate"),
        ('[profile.a]\nrate = "1/s"\nthink = "1s"\nrequest = [{ path = "/" }]', 1, "think or pace"),
        ('[profile.a]\nusers = 1\nmax_vus = 3\nrequest = [{ path = "/" }]', 1, "max_vus means"),
        ("[profile.a]\nusers = 1", 1, "asks for nothing"),
        ('[profile.a]\nextends = "b"', 2, "no profile 'b'"),
        ('[profile.a]\nextends = "a"', 2, "a extends a"),
        ('[profile.a]\nusers = 1\n[[profile.a.flow]]\nrun = "/etc/x.py:f"', 1, "FILE.py:FUNCTION"),
        ('[profile.a]\nusers = 1\nexecutor = "x"\nrequest = [{ path = "/" }]', 1, "no executor"),
        ('[profile.a]\nrate = "${R}"\nrequest = [{ path = "/" }]', 2, "would come from"),
        ('[profile.a]\nusers=1\nrequest = [{ path = "/", check = "text:${R}" }]', 3, "would come"),
        ('[profile.a]\nusers=1\nrequest=[{path="/", body="a", form={b="c"}}]', 3, "2 bodies"),
        ('[gate]\nprofile = "a"', 2, "no profile 'a'"),
        ('[gate]\ntarget = ["a"]', 2, "no target 'a'"),
        ('[gate]\nmax_age = "x"', 2, "x"),
        ('[profile.a]\nusers=1\nrequest=[{path="/"}]\nthresholds={x=["p(95)<1"]}', 4, "x"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(text: str, line: int, told: str) -> None:
    """Each fault has its place, what was seen and what to write."""
    with pytest.raises(ConfigError) as caught:
        project(text)
    (fault, *_) = caught.value.mistakes
    assert told in str(caught.value)
    assert fault.line == line


def test_every_fault_of_meaning_is_told_at_once() -> None:
    """Whoever mends a file mends it once."""
    text = (
        '[target]\nurl = "ftp://h"\n[profile.a]\nusers = 1\n[[profile.a.request]]\npath = "x"\n'
        '[[profile.a.request]]\npath = "/"\nmethod = "a b"\n[gate]\nprofile = "b"\n'
    )
    with pytest.raises(ConfigError) as caught:
        project(text)
    assert len(caught.value.mistakes) == 4


def test_a_gate_reads_a_file_without_the_environment_and_the_files_it_names() -> None:
    """What is asked is compared as it is written."""
    (one,) = scenarios(SHOP.replace("json = {", "form = { a = '${A}' }\n#"), None)
    assert one.requests[0].headers == {"x-key": "${KEY}"}


MANY = """\
[target]
urll = "http://h"

[thresholds]
errors = "p95 < 3"

[profile.a]
users = 1
durations = "3s"
thresholds = { http_reqs = "rat > 1" }
request = [{ path = "/", weight = "3" }]

[profile.b]
extends = "c"
rounds = 0
[profile.b.thresholds]
checks = "rate > 1 msec"

[[profile.d.request]]
pth = "/"

[gate]
profile = "bb"
max_age = "z"
"""


def test_types_and_meaning_are_told_in_one_pass_in_the_order_of_lines() -> None:
    """A misspelt key hides no bad threshold; each fault has its line with a caret."""
    with pytest.raises(ConfigError) as caught:
        project(MANY)
    faults = caught.value.mistakes
    assert [fault.line for fault in faults] == [2, 5, 9, 10, 11, 14, 15, 17, 19, 20, 23, 24]
    carets = [f"{fault.message}\n{fault.pointer}" for fault in faults]
    assert all(re.search(r"^  +\^+$", shown, re.MULTILINE) for shown in carets)
    assert (
        "stressproof.toml:9: profile.a.durations: there is no key 'durations' here\n"
        '  durations = "3s"\n'
        "  ^^^^^^^^^\n"
        "  Did you mean 'duration'?\n"
    ) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('profile = 3\n[gate]\nprofile = "a"', ["profile"]),
        ('[profile]\na = 3\n[gate]\nprofile = "a"', ["profile.a"]),
        ('[targets]\na = 3\n[gate]\ntarget = ["a"]', ["targets.a"]),
        ("[profile.a]\nusers = 1\n[[profile.a.request]]", ["profile.a.request[0].path"]),
        ("[profile.a]\nusers = '1'\nrequest = [{path = '/'}]", ["profile.a.users"]),
        ("[profile.a]\nextends = 'b'", ["profile.a.extends"]),
        ("[profile.a]\nextends = 3\n[profile.b]\nextends = 'a'", ["profile.a.extends"]),
        (
            "[profile.a]\nextends = 'b'\n[profile.b]\nextends = 'a'\n[profile.c]\nextends = 'a'",
            ["profile.a.extends", "profile.b.extends"],
        ),
        (
            "[[slo]]\nname = 'x'\n[[slo]]\nname = 'x'\nobjective = '9'",
            ["slo[0].objective", "slo[1].objective"],
        ),
    ],
)
def test_what_follows_from_a_fault_is_no_fault_of_its_own(text: str, told: list[str]) -> None:
    """Of what could not be read nothing is claimed."""
    with pytest.raises(ConfigError) as caught:
        project(text)
    assert [fault.where for fault in caught.value.mistakes] == told
