"""Which build is checked out, and which older commits are the same one."""

from pathlib import Path

import pytest

from release_project import ReleaseProject
from stressproof.gate.checkout import Checkout, knows, read_checkout, same_builds
from stressproof.gate.git import GitSilentError, ask

pytestmark = pytest.mark.gate

EVIDENCE = "docs/ops/evidence/run.json"


def builds(project: ReleaseProject, *claimed: str | None) -> tuple[str, ...]:
    """The commits that count as the build checked out."""
    return same_builds(read_checkout(project.root), claimed)


def test_a_fresh_checkout_is_clean_and_named(project: ReleaseProject) -> None:
    """HEAD is the commit, and nothing differs from it."""
    checkout = read_checkout(project.root)
    assert checkout.head == project.head
    assert checkout.is_clean
    assert Path(checkout.root) == project.root.resolve()
    assert not checkout.shallow


def test_a_folder_below_is_the_same_checkout(project: ReleaseProject) -> None:
    """Where in the tree the gate starts makes no difference."""
    assert read_checkout(project.root / "src") == read_checkout(project.root)


def test_no_repository_is_unknown_with_gits_words(tmp_path: Path) -> None:
    """Without git there is no commit, and the reason is kept."""
    checkout = read_checkout(tmp_path)
    assert checkout.head is None
    assert not checkout.is_clean
    assert "not a git repository" in checkout.why_unknown
    assert same_builds(checkout, ["0" * 40]) == ()


def test_a_repository_without_commits_is_unknown(tmp_path: Path) -> None:
    """A branch that has no commit yet names none."""
    ask(tmp_path, "init", "--quiet")
    assert read_checkout(tmp_path).head is None


def test_a_machine_without_git_is_unknown(
    project: ReleaseProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing program is a reason, not a crash."""
    monkeypatch.setenv("PATH", "/nonexistent")
    checkout = read_checkout(project.root)
    assert checkout.head is None
    assert checkout.why_unknown == "there is no git on this machine"


CHANGES = {
    "tracked": lambda project: project.write({"src/service.py": "ANSWER = 43\n"}),
    "tracked elsewhere": lambda project: project.write({"README.md": "Edited.\n"}),
    "staged": lambda project: (
        project.write({"README.md": "Edited.\n"}),
        project.git("add", "README.md"),
    ),
    "deleted": lambda project: (project.root / "src/service.py").unlink(),
    "made executable": lambda project: (project.root / "src/service.py").chmod(0o755),
    "unknown source": lambda project: project.write({"src/extra.py": "x = 1\n"}),
    "unknown script": lambda project: project.write({"scripts/extra.py": "x = 1\n"}),
    "hidden as unchanged": lambda project: (
        project.git("update-index", "--assume-unchanged", "src/service.py"),
        project.write({"src/service.py": "ANSWER = 43\n"}),
    ),
    "hidden as skipped": lambda project: (
        project.git("update-index", "--skip-worktree", "src/service.py"),
        project.write({"src/service.py": "ANSWER = 43\n"}),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_makes_another_build_is_a_change(project: ReleaseProject, change: str) -> None:
    """Tracked files anywhere and unknown ones among the source differ from the commit."""
    CHANGES[change](project)
    checkout = read_checkout(project.root)
    assert not checkout.is_clean
    assert len(checkout.changes) == 1


HARMLESS = {
    "unknown elsewhere": lambda project: project.write({"notes.txt": "x\n"}),
    "new evidence": lambda project: project.write({EVIDENCE: "{}"}),
    "tracked evidence": lambda project: project.write({"docs/ops/evidence/README.md": "Newer.\n"}),
    "touched": lambda project: (project.root / "src/service.py").touch(),
    "ignored source": lambda project: project.write(
        {".git/info/exclude": "*.pyc\n", "src/service.pyc": "x"}
    ),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_what_is_no_part_of_the_build_is_no_change(project: ReleaseProject, change: str) -> None:
    """Evidence and files that git was never asked to keep do not make another build."""
    HARMLESS[change](project)
    assert read_checkout(project.root).is_clean


def test_an_ancestor_is_the_same_build_if_only_evidence_came_after(
    project: ReleaseProject,
) -> None:
    """Evidence is committed after it was captured, so its commit is older than HEAD."""
    captured_on = project.head
    project.commit("evidence", {EVIDENCE: "{}"})
    head = project.commit("more evidence", {EVIDENCE: "{ }"})
    assert builds(project, captured_on) == (head, captured_on)


@pytest.mark.parametrize(
    "path", ["src/service.py", "README.md", "docs/ops/evidence.json", "docs/ops/evidenceX/a.json"]
)
def test_an_ancestor_is_another_build_if_anything_else_came_after(
    project: ReleaseProject, path: str
) -> None:
    """One other path between the two is enough, wherever it lies."""
    captured_on = project.head
    head = project.commit("change", {path: "changed\n", EVIDENCE: "{}"})
    assert builds(project, captured_on) == (head,)


def test_moving_source_into_the_evidence_folder_is_a_change(project: ReleaseProject) -> None:
    """A rename counts by both of its names."""
    captured_on = project.head
    project.git("mv", "src/service.py", "docs/ops/evidence/service.py")
    head = project.commit("moved", {})
    assert builds(project, captured_on) == (head,)


def test_a_later_or_foreign_commit_is_another_build(project: ReleaseProject) -> None:
    """Only what HEAD descends from can be the same build."""
    first = project.head
    later = project.commit("evidence", {EVIDENCE: "{}"})
    project.git("checkout", "--quiet", first)
    assert builds(project, later, "0" * 40) == (first,)


@pytest.mark.parametrize(
    "claim", [None, "", "HEAD", "main", "HEAD~0", "--help", "0" * 39, "0" * 41]
)
def test_what_is_no_full_hash_is_never_looked_up(
    project: ReleaseProject, claim: str | None
) -> None:
    """A name can mean another commit tomorrow; only a hash names one."""
    assert builds(project, claim) == (project.head,)


def test_a_short_hash_is_no_commit(project: ReleaseProject) -> None:
    """Seven digits can name two commits."""
    captured_on = project.head
    head = project.commit("evidence", {EVIDENCE: "{}"})
    assert builds(project, captured_on[:12]) == (head,)


def test_replacement_refs_do_not_rewrite_history(project: ReleaseProject) -> None:
    """`git replace` can make any commit look like HEAD's parent, for those who honour it."""
    stranger = project.git("commit-tree", f"{project.head}^{{tree}}", "-m", "stranger")
    head = project.commit("evidence", {EVIDENCE: "{}"})
    grafted = project.git(
        "commit-tree", f"{head}^{{tree}}", "-p", stranger, "-m", "grafted on a stranger"
    )
    project.git("replace", head, grafted)
    assert project.git("merge-base", stranger, "HEAD") == stranger
    assert builds(project, stranger) == (head,)


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"])
def test_variables_that_point_elsewhere_are_not_heard(
    project: ReleaseProject,
    tmp_path: Path,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Inside a hook of another repository the gate still judges where it stands."""
    before = read_checkout(project.root)
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert read_checkout(project.root) == before


def test_a_shallow_clone_is_told_apart(project: ReleaseProject, tmp_path: Path) -> None:
    """Where history ends early an older commit is not known, which is not the same as foreign."""
    captured_on = project.head
    project.commit("evidence", {EVIDENCE: "{}"})
    ask(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{project.root}", "shallow")
    checkout = read_checkout(tmp_path / "shallow")
    assert checkout.shallow
    assert not knows(checkout, captured_on)
    assert knows(checkout, project.head)
    assert not knows(checkout, "HEAD")


def test_names_that_are_no_text_are_shown_by_their_codes(project: ReleaseProject) -> None:
    """A file name may hold any byte; the change is still a change, and printable."""
    name = b"src/\xff\nname.py"
    Path(project.root / name.decode("utf-8", "surrogateescape")).write_text("x")
    (change,) = read_checkout(project.root).changes
    assert change.encode("utf-8")
    assert "\\xff" in change


def test_git_says_why_it_has_no_answer(tmp_path: Path) -> None:
    """The first line of git's own words is the reason."""
    with pytest.raises(GitSilentError, match="not a git repository"):
        ask(tmp_path, "status")
    with pytest.raises(GitSilentError, match="could not be started"):
        ask(tmp_path, "status", "\0")


def test_a_checkout_without_a_head_is_not_clean() -> None:
    """Nothing known is no proof of anything."""
    assert not Checkout(root="/", head=None, changes=[]).is_clean
