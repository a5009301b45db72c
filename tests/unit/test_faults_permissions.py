"""What only an operator permits: no file can, each time anew, and evidence tells of it."""

from pathlib import Path

import pytest

from broken_bed import fault
from enforcement_suite.suite import SUITE
from stressproof.capture.inject import plan_injection
from stressproof.config.compile import load_config
from stressproof.errors import UsageError
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.failures.spec import FaultSpec, TargetKind, WitnessSpec
from stressproof.faults import refusal
from stressproof.faults.permissions import Permissions, needs_permission
from stressproof.faults.proxy.kinds import PROXY_KINDS

FILE = """
[profile.web]
rate = "20/s"
[[profile.web.request]]
name = "page"
path = "/"
[testbed]
target = "web"
[testbed.postgres.db]
[testbed.postgres.theirs]
dsn = "postgresql://app@127.0.0.1/theirs"
[testbed.process.web]
run = ["web", "{{port}}"]
[testbed.container.cache]
name = "shop-redis"
"""
FAILURE = """
[[failure]]
id = "WEB-00{number}"
title = "One thing broken"
question = "Is it whole again?"
load = "web"
[[failure.fault]]
id = "{id}"
lasts = "1s"
{fault}
"""
COMMAND = """
kind = "command"
run = ["true"]
undo = ["true"]
mark = ["echo", "on"]
witness = [{ name = "broken", run = ["echo", "1"] }]
"""
FAULTS = {
    "ours": 'kind = "kill"\ntarget = "db"',
    "web": 'kind = "freeze"\ntarget = "web"',
    "slow": 'kind = "latency"\ntarget = "theirs"',
    "locked": 'kind = "lock"\ntarget = "theirs"\nsql = "LOCK TABLE x"',
    "cache": 'kind = "kill"\ntarget = "cache"',
    "other": f'target = "web"{COMMAND}',
}
NEED = ("locked", "cache", "other")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a file with a failure for each fault."""
    failures = "".join(
        FAILURE.format(number=number, id=name, fault=one)
        for number, (name, one) in enumerate(FAULTS.items(), start=1)
    )
    path = tmp_path / "stressproof.toml"
    path.write_text(FILE + failures)
    return path


def planned(path: Path, *breaks: str, scenarios: tuple[str, ...] = ()) -> Permissions:
    """Plan an injection of a file, and return what is permitted."""
    plan = plan_injection(
        load_config(path),
        path.parent / "out.json",
        executed_by="ada",
        approved_by="grace",
        scenarios=scenarios,
        permissions=Permissions(breaks),
    )
    return plan.stage.permissions


def test_what_was_not_started_here_is_broken_by_leave_alone(project: Path) -> None:
    """All that lacks leave is told at once, and what to write; leave for each is enough."""
    with pytest.raises(UsageError, match=r"locked, cache, other would break") as raised:
        planned(project)
    assert raised.value.hint.endswith("--break locked --break cache --break other")
    with pytest.raises(UsageError, match=r"^cache would break"):
        planned(project, "locked", "other")
    assert planned(project, *NEED).breaks == NEED
    assert planned(project, scenarios=("WEB-001", "WEB-002", "WEB-003")).breaks == ()


def test_leave_for_what_is_not_broken_is_a_mistake(project: Path) -> None:
    """A typing mistake would else be taken for caution."""
    with pytest.raises(UsageError, match="--break lockd: no fault") as raised:
        planned(project, "lockd")
    assert raised.value.hint == "Did you mean locked?"
    with pytest.raises(UsageError, match="--break locked: no fault"):
        planned(project, "locked", scenarios=("WEB-001",))


def test_no_file_permits(project: Path) -> None:
    """There is no key for it."""
    for table in ("testbed", "testbed.postgres.theirs"):
        text = project.read_text().replace(f"[{table}]\n", f'[{table}]\nbreak = ["locked"]\n')
        changed = project.with_name("other.toml")
        changed.write_text(text)
        with pytest.raises(UsageError, match="no key 'break'"):
            load_config(changed)


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_every_kind_is_of_what_is_started_or_wants_leave(kind: str) -> None:
    """A new kind that hits a thing past the proxy is asked about too."""
    table = FAULT_KINDS[kind]
    targets: list[TargetKind] = ["postgres", "process", "container", "proxy", "callers"]
    for target in targets:
        if not table.fits(target):
            continue
        spec: FaultSpec = fault(
            kind, target, witnesses=() if table.witnesses else [WitnessSpec("x")]
        )
        own = table.witnesses is None
        assert needs_permission(spec, ["it"]) is own
        past_proxies = kind not in PROXY_KINDS and target in {"postgres", "process", "container"}
        assert needs_permission(spec, []) is (own or past_proxies)


def test_a_suites_file_is_held_to_the_same(tmp_path: Path) -> None:
    """What is permitted has to be one of its faults."""
    with pytest.raises(UsageError, match="--break lock_hold: no fault that would be made"):
        plan_injection(
            SUITE,
            tmp_path / "out.json",
            executed_by="ada",
            approved_by="grace",
            permissions=Permissions(("lock_hold",)),
        )


def test_machine_that_refuses_plans_nothing(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file's failures nor a suite's, whatever is permitted."""
    monkeypatch.setenv(refusal.VARIABLE, "production")
    with pytest.raises(UsageError, match="STRESSPROOF_REFUSE is set to 'production'"):
        planned(project, *NEED)
    with pytest.raises(UsageError, match="nothing may be broken on this machine"):
        plan_injection(SUITE, tmp_path / "out.json", executed_by="ada", approved_by="grace")
