"""Where a gate reads what its project asks."""

import os
from pathlib import Path

import pytest

from release_project import PASSING_STEPS, REPOSITORY, ReleaseProject
from stressproof.config.compile import load_project
from stressproof.errors import InconclusiveError, UsageError
from stressproof.gate.checkout import read_checkout
from stressproof.gate.policy import read_policy
from stressproof.gate.request import plain_request
from stressproof.gate.rules import GateCase
from stressproof.gate.rules import files as files_rule
from stressproof.suite import suite_of
from stressproof.verify.rule import Judgement, prose

pytestmark = pytest.mark.gate

EASY = '[gate]\nsteps = [{ name = "easy", run = ["true"] }]\n'


def names(folder: Path, ref: str = "") -> list[str]:
    """Return the names of the steps that a gate would run."""
    return [step.name for step in read_policy(folder, ref).project.steps]


def test_the_policy_is_heads(project: ReleaseProject) -> None:
    """What lies in the working tree, changed or not, is not asked."""
    assert names(project.root) == ["first", "second"]
    project.write({"stressproof.toml": EASY})
    assert names(project.root) == ["first", "second"]
    (project.root / "stressproof.toml").unlink()
    assert names(project.root) == ["first", "second"]


def test_an_untracked_policy_is_no_policy(project: ReleaseProject) -> None:
    """A file that nobody committed says nothing."""
    project.git("rm", "--quiet", "stressproof.toml")
    project.commit("without", {})
    project.write({"stressproof.toml": EASY})
    assert names(project.root) == []


def test_the_author_of_a_change_does_not_own_a_protected_policy(project: ReleaseProject) -> None:
    """With a ref the steps are those of the protected branch."""
    project.git("update-ref", "refs/remotes/origin/main", "HEAD")
    project.commit("easier", {"stressproof.toml": EASY})
    policy = read_policy(project.root)
    assert policy.by_author
    assert "the author of the change owns it" in policy.owner
    assert names(project.root) == ["easy"]
    protected = read_policy(project.root, "refs/remotes/origin/main")
    assert not protected.by_author
    assert "refs/remotes/origin/main" in protected.owner
    assert [step.name for step in protected.project.steps] == ["first", "second"]
    assert names(project.root, protected.commit or "") == ["first", "second"]


@pytest.mark.parametrize("ref", ["main", "origin/main", "HEAD~1", "--help", "0" * 39, "v1"])
def test_a_short_name_is_refused(project: ReleaseProject, ref: str) -> None:
    """A tag or branch of the same name could stand in for it."""
    with pytest.raises(UsageError, match="neither a full ref nor a commit"):
        read_policy(project.root, ref)


def test_a_ref_that_is_absent_or_empty_is_inconclusive(project: ReleaseProject) -> None:
    """Nothing is taken from elsewhere, and the message has the command that fetches it."""
    with pytest.raises(InconclusiveError, match="no policy at") as absent:
        read_policy(project.root, "refs/remotes/origin/main")
    assert absent.value.hint == "Fetch it: git fetch origin main:refs/remotes/origin/main"
    first = project.head
    project.git("rm", "--quiet", "stressproof.toml")
    bare = project.commit("without", {})
    with pytest.raises(InconclusiveError, match=r"has no stressproof\.toml"):
        read_policy(project.root, bare)
    assert names(project.root, first) == ["first", "second"]


def test_a_linked_policy_is_refused(project: ReleaseProject) -> None:
    """What a link leads to is no part of the commit."""
    project.write({"other.toml": PASSING_STEPS})
    (project.root / "stressproof.toml").unlink()
    (project.root / "stressproof.toml").symlink_to("other.toml")
    project.git("add", "--all")
    project.commit("link", {})
    with pytest.raises(UsageError, match="is no file"):
        read_policy(project.root)


def test_faults_name_the_commit_that_they_are_in(project: ReleaseProject) -> None:
    """Who reads the message knows where to look."""
    project.commit("broken", {"stressproof.toml": "[gate]\nstep = []\n"})
    with pytest.raises(UsageError, match=r"stressproof.toml of HEAD \([0-9a-f]{12}\):2"):
        read_policy(project.root)


def test_without_a_repository_the_folder_says_what_its_steps_are(tmp_path: Path) -> None:
    """Nothing can be released there, and its steps can be run."""
    (tmp_path / "stressproof.toml").write_text(EASY)
    policy = read_policy(tmp_path)
    assert policy.commit is None
    assert names(tmp_path) == ["easy"]
    with pytest.raises(InconclusiveError, match="not a git repository"):
        read_policy(tmp_path, "refs/heads/main")


def test_a_pipe_at_the_files_name_is_not_waited_for(tmp_path: Path) -> None:
    """A file that never ends is no configuration."""
    os.mkfifo(tmp_path / "stressproof.toml")
    with pytest.raises(UsageError, match="is no file"):
        load_project(tmp_path)


SHOP = REPOSITORY / "tests" / "unit" / "config" / "shop"
MORE = 'id = "more"\nkind = "down"\ntarget = "db"\nlasts = "1s"\n\n[[failure.fault]]\n'
LESS = (
    ("nothing", "", "", ""),
    ("more is broken", 'id = "slow"\nkind', f'{MORE}id = "slow"\nkind', ""),
    ("something else is sent", 'path = "/orders"', 'path = "/v2/orders"', ""),
    ("a failure less", 'id = "SHOP-002"', 'id = "SHOP-003"', "SHOP-002 is not there"),
    ("a fault is easier", 'latency = "1.5s"', 'latency = "1ms"', "the fault slow is not there"),
    ("effects are read elsewhere", "GROUP BY 1", "GROUP BY 2", "effects are read"),
    ("a check is easier", 'answered_in = "3.5s"', 'answered_in = "5s"', "the check answered_in"),
    ("an invariant asks nothing", '"SELECT 1, 0"', '"SELECT 9, 0"', "the invariant stock"),
    ("one more is off", "off = { ", 'off = { recovered = "no", ', "recovered is off"),
    ("an answer means service", 'class = "degraded"', 'class = "ok"', "the request product"),
    ("it asks more slowly", "rate = 8\n", "rate = 7\n", "rate_per_s is 7, below 8"),
)


@pytest.mark.parametrize(("what", "old", "new", "told"), LESS, ids=lambda one: str(one)[:24])
def test_a_change_breaks_and_checks_no_less_than_a_protected_policy(
    project: ReleaseProject, what: str, old: str, new: str, told: str
) -> None:
    """The author of a change may add failures; to ask for less is the policy's alone."""
    files = {path.name: path.read_text() for path in SHOP.iterdir() if path.is_file()}
    project.commit("failures", files)
    project.git("update-ref", "refs/remotes/origin/main", "HEAD")
    file = files["stressproof.toml"]
    assert old in file, what
    project.commit("changed", {"stressproof.toml": file.replace(old, new, 1) + "\n# changed\n"})
    if told:
        with pytest.raises(UsageError, match="asks less of failures") as raised:
            read_policy(project.root, "refs/remotes/origin/main")
        assert told in raised.value.message
        return
    found = read_policy(project.root, "refs/remotes/origin/main").project
    assert found.failures == load_project(project.root).failures


@pytest.mark.parametrize("held", [True, False])
def test_what_failures_are_made_of_is_of_the_commit(project: ReleaseProject, *, held: bool) -> None:
    """A file that nobody committed decides nothing, although it lies in the working tree."""
    files = {path.name: path.read_text() for path in SHOP.iterdir() if path.is_file()}
    prepare = files.pop("failures.py")
    files[".gitignore"] = "" if held else "failures.py\n"
    project.commit("failures", {**files, **({"failures.py": prepare} if held else {})})
    project.write({"failures.py": prepare})
    suite = suite_of(read_policy(project.root).project, at_gate=True)
    case = GateCase(
        asked=plain_request(suite), checkout=read_checkout(project.root, ()), evidence=()
    )
    judgement = Judgement("")
    files_rule.judge(case, judgement)
    assert judgement.compared == 3
    assert [one.seen for one in judgement.findings] == (
        [] if held else [prose("failures.py: not in HEAD")]
    )
