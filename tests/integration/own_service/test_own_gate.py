"""The gate of somebody's own project: which target, whose profile, whose floors."""

import json
from pathlib import Path

import pytest

from gated_shop import EVIDENCE, GatedShop
from own_folder import passed
from shop_service import Shop
from stressproof.exits import Exit

MAIN = ("--policy-ref", "refs/remotes/origin/main")


@pytest.fixture
def project(shop: Shop, tmp_path: Path) -> GatedShop:
    """A shop's repository."""
    return GatedShop(tmp_path, shop)


def told(project: GatedShop) -> dict[str, object]:
    """Return the target that the evidence names."""
    found: dict[str, object] = json.loads((project.folder / EVIDENCE).read_text())["target"]
    return found


def test_evidence_names_its_target_and_the_gate_asks_for_the_one_it_takes(
    project: GatedShop,
) -> None:
    """The named one passes; the main one is not in the gate's list, and a bare URL is none."""
    assert passed(project.capture("--target", "staging"))
    assert told(project)["name"] == "staging"
    decided = project.gate()
    assert "stress.target-name" not in decided.stdout, decided.stdout
    assert "stress.profile-by-value" not in decided.stdout
    assert decided.returncode in {Exit.PASS, Exit.INCONCLUSIVE}, decided.stdout
    assert passed(project.capture())
    assert told(project)["name"] == "default"
    assert "stress.target-name" in project.gate().stdout
    assert passed(project.capture("--url", told(project)["url"]))
    assert told(project)["name"] is None
    decided = project.gate()
    assert decided.returncode == Exit.EVIDENCE
    assert "stress.target-name" in decided.stdout
    assert "Name it under [targets]" in decided.stdout


@pytest.mark.parametrize(
    "flags",
    [("-H", "x-more: 1"), ("--resolve", "127.0.0.1"), ("--http2",)],
    ids=["header", "address", "protocol"],
)
def test_a_target_that_is_asked_otherwise_is_not_the_named_one(
    project: GatedShop, flags: tuple[str, ...]
) -> None:
    """Whatever a flag changes of it, evidence does not call it by the file's name."""
    ran = project.capture("--target", "staging", *flags)
    if flags == ("--http2",):
        assert ran.returncode == Exit.TARGET  # the shop speaks none of it
    assert told(project)["name"] is None


def test_rounds_pause_and_timeout_of_a_command_are_not_the_profiles(project: GatedShop) -> None:
    """More of everything is another profile, too."""
    flags = ("--rounds", 3, "--pause", "1s", "--timeout", "8s")
    assert passed(project.capture("--target", "staging", *flags))
    decided = project.gate()
    assert decided.returncode == Exit.EVIDENCE
    for where in ("rounds", "workload.pause_seconds", "workload.timeout_us"):
        assert f"{where}: " in decided.stdout, decided.stdout


def test_a_branch_changes_its_load_under_the_policys_bar(project: GatedShop) -> None:
    """The profile is HEAD's; thresholds, targets and floors are those of the guarded branch."""
    other = project.changed('path = "/catalog?', 'path = "/catalog?page=1&')
    project.commit(other)
    assert passed(project.capture("--target", "staging"))
    decided = project.gate(*MAIN)
    assert "stress.profile-by-value" not in decided.stdout, decided.stdout
    assert decided.returncode in {Exit.PASS, Exit.INCONCLUSIVE}


@pytest.mark.parametrize(
    ("seen", "instead", "rule"),
    [
        ("rounds = 2", "rounds = 1", "stress.rounds"),
        ('target = ["staging"]', "", "stress.target-name"),
        ("[targets.staging]", "[targets.mine]", "stress.target-name"),
    ],
    ids=["rounds", "any target", "another target"],
)
def test_a_branch_does_not_lower_the_bar(
    project: GatedShop, seen: str, instead: str, rule: str
) -> None:
    """Its own file would take it, and the policy's does not."""
    lower = project.changed(seen, instead).replace('["staging"]', '["mine"]')
    if "mine" not in instead:
        lower = project.changed(seen, instead)
    project.commit(lower)
    flags = ("--target", "mine") if "mine" in instead else ()
    flags = ("--target", "staging") if rule == "stress.rounds" else flags
    assert passed(project.capture(*flags))
    assert rule not in project.gate().stdout
    decided = project.gate(*MAIN)
    assert decided.returncode == Exit.EVIDENCE, decided.stdout
    assert rule in decided.stdout


def test_a_branch_keeps_the_thresholds_of_the_policys_profile(project: GatedShop) -> None:
    """Left out in the branch, they hold all the same."""
    strict = project.changed('"rate < 5%"', '"rate < 5%"\nhttp_req_duration = "max < 1us"')
    project.commit(strict)
    project.git("update-ref", "refs/remotes/origin/main", "HEAD")
    project.commit(project.file)
    assert passed(project.capture("--target", "staging"))
    assert "gate.objectives" not in project.gate().stdout
    assert "gate.objectives" in project.gate(*MAIN).stdout


def test_a_branch_without_the_policys_profile_is_told(project: GatedShop) -> None:
    """An easier profile does not stand in for the one that the policy names."""
    project.commit(project.file.replace("profile.shop", "profile.easy").replace('"shop"', '"easy"'))
    decided = project.gate(*MAIN)
    assert decided.returncode == Exit.USAGE
    assert "has no profile 'shop'" in decided.stderr


@pytest.mark.parametrize(
    ("seen", "instead"),
    [
        ("rounds = 2\ntarget", "rounds = 3\ntarget"),
        ("rounds = 2\ntarget", 'duration = "3s"\ntarget'),
        ("rounds = 2\ntarget", "users = 5\ntarget"),
        ('profile = "shop"\nrounds = 2', "rounds = 3"),
    ],
    ids=["rounds", "duration", "users", "a profile nobody names"],
)
def test_a_profile_below_its_own_gate_is_a_fault_of_the_file(
    project: GatedShop, seen: str, instead: str
) -> None:
    """It is told where the file is read, before anything is sent."""
    (project.folder / "stressproof.toml").write_text(project.changed(seen, instead))
    ran = project.capture()
    assert ran.returncode == Exit.USAGE
    assert "its gate asks for" in ran.stderr
