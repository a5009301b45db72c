"""Which build is checked out, and which older commits are the same one."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from release_project import ReleaseProject
from stressproof.gate import checkout as checkouts
from stressproof.gate.checkout import Checkout, knows, same_builds
from stressproof.gate.repository import GitSilentError, locate, open_repository, resolve

pytestmark = pytest.mark.gate

EVIDENCE = "docs/ops/evidence/run.json"


def read_checkout(folder: Path) -> Checkout:
    """Return what is checked out, with evidence where this project keeps it."""
    return checkouts.read_checkout(folder, ("docs/ops/evidence/",))


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def make(folder: Path) -> Path:
    """Make a folder and return it."""
    folder.mkdir()
    return folder


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
    git(tmp_path, "init", "--quiet")
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


def hide_in_lists(project: ReleaseProject, ignored_by: str) -> None:
    """Plant a module that an ignore file outside of the commit leaves out."""
    project.write({"src/planted.py": "x = 1\n"})
    if ignored_by == "itself":
        project.write({"src/.gitignore": "*\n"})
    elif ignored_by == "repository":
        project.write({".git/info/exclude": "planted.py\n"})
    else:
        excludes = project.root.parent / "excludes"
        excludes.write_text("planted.py\n")
        project.git("config", "core.excludesFile", str(excludes))


def link_into_evidence(project: ReleaseProject) -> None:
    """Let a source file live where changes are none."""
    project.write({"docs/ops/evidence/service.py": "ANSWER = 43\n"})
    source = project.root / "src/service.py"
    source.unlink()
    source.symlink_to("../docs/ops/evidence/service.py")


def link_folder(project: ReleaseProject) -> None:
    """Put the source folder behind a link."""
    (project.root / "src").rename(project.root.parent / "elsewhere")
    (project.root / "src").symlink_to(project.root.parent / "elsewhere")


def filtered(project: ReleaseProject, program: str) -> None:
    """Name a clean filter that makes git see the committed bytes."""
    project.git("config", "filter.hide.clean", program)
    project.write({".git/info/attributes": "*.py filter=hide\n", "src/service.py": "ANSWER = 43\n"})


def forged_index(project: ReleaseProject) -> None:
    """Stage a planted file, so that git calls it known."""
    project.write({"src/planted.py": "x = 1\n"})
    project.git("add", "src/planted.py")


def same_stat(project: ReleaseProject) -> None:
    """Change a file and keep its size and times, with the change time not looked at."""
    source = project.root / "src/service.py"
    before = source.stat()
    project.git("config", "core.trustctime", "false")
    project.git("config", "core.checkStat", "minimal")
    source.write_text("ANSWER = 43\n")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))


def other_worktree(project: ReleaseProject) -> None:
    """Let the repository's settings name a clean tree elsewhere."""
    elsewhere = project.root.parent / "clean"
    git(project.root.parent, "clone", "--quiet", str(project.root), str(elsewhere))
    project.write({"src/service.py": "ANSWER = 43\n"})
    project.git("config", "core.worktree", str(elsewhere))


ADVERSARIES = {
    "ignored by itself": lambda project: hide_in_lists(project, "itself"),
    "ignored by the repository": lambda project: hide_in_lists(project, "repository"),
    "ignored by the user": lambda project: hide_in_lists(project, "user"),
    "linked into the evidence": link_into_evidence,
    "folder behind a link": link_folder,
    "clean filter": lambda project: filtered(project, "echo ANSWER = 42"),
    "forged index": forged_index,
    "same size and times": same_stat,
    "another work tree": other_worktree,
    "untracked policy": lambda project: project.write({"ruff.toml": "exclude = ['src']\n"}),
    "shadowing module": lambda project: project.write({"ruff.py": "x = 1\n"}),
    "shadowing package": lambda project: project.write({"importlinter/__init__.py": ""}),
    "sourceless module": lambda project: project.write({"src/planted.pyc": "x"}),
    "type stub": lambda project: project.write({"src/service.pyi": "ANSWER: str\n"}),
    "planted environment": lambda project: project.write(
        {"src/env/pyvenv.cfg": "", "src/env/planted.py": "x = 1\n"}
    ),
    "unknown elsewhere": lambda project: project.write({"notes.txt": "x\n"}),
    "pipe": lambda project: os.mkfifo(project.root / "src" / "pipe"),
}


@pytest.mark.parametrize("change", ADVERSARIES)
def test_what_git_could_be_told_to_overlook_is_seen(project: ReleaseProject, change: str) -> None:
    """Settings, flags, filters and ignore files outside of the commit hide nothing."""
    ADVERSARIES[change](project)
    checkout = read_checkout(project.root)
    assert checkout.head is not None
    assert checkout.changes
    assert all(each.seen and each.remedy for each in checkout.changes)


def test_no_program_that_the_repository_names_is_run(project: ReleaseProject) -> None:
    """Filters, monitors and hooks are the author's programs; the gate starts none of them."""
    proof = project.root.parent / "ran"
    filtered(project, f"touch {proof}; cat")
    project.git("config", "core.fsmonitor", f"touch {proof}; true")
    proof.unlink(missing_ok=True)
    read_checkout(project.root)
    builds(project, "1" * 40)
    assert not proof.exists()


@pytest.mark.parametrize("kind", ["blob", "tree"])
def test_a_replaced_object_is_found(project: ReleaseProject, kind: str) -> None:
    """Objects are what their names say: a forged file in the object store changes nothing."""
    name = project.git("rev-parse", "HEAD:src" + ("/service.py" if kind == "blob" else ""))
    project.write({"src/service.py": "ANSWER = 43\n"})
    forged = project.git("hash-object", "-w", "src/service.py")
    if kind == "tree":
        forged = project.git("mktree", given=f"100644 blob {forged}\tservice.py\n")
    stored = project.root / ".git" / "objects"
    target = stored / name[:2] / name[2:]
    target.chmod(0o644)
    target.write_bytes((stored / forged[:2] / forged[2:]).read_bytes())
    assert not read_checkout(project.root).is_clean


def test_a_commit_that_is_not_here_is_not_fetched(project: ReleaseProject, tmp_path: Path) -> None:
    """Evidence names a commit; asking for it must not make git talk to anybody."""
    proof = tmp_path / "fetched"
    project.git("config", "remote.origin.url", f"ext::touch {proof}")
    project.git("config", "remote.origin.promisor", "true")
    project.git("config", "extensions.partialClone", "origin")
    project.git("config", "core.repositoryFormatVersion", "1")
    project.git("config", "protocol.ext.allow", "always")
    assert not knows(read_checkout(project.root), "1" * 40)
    assert builds(project, "1" * 40) == (project.head,)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("committed", "on_disk", "prose"),
    [
        ("a\nb\n", "a\r\nb\r\n", "line endings"),
        (None, None, "is absent"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", None, "pointer"),
    ],
)
def test_every_difference_has_words_and_a_remedy_of_its_own(
    project: ReleaseProject, committed: str | None, on_disk: str | None, prose: str
) -> None:
    """Line endings, sparse checkouts and unfetched files are told apart from edits."""
    if committed is None:
        (project.root / "README.md").unlink()
    else:
        project.commit("more", {"file.txt": committed})
    if on_disk is not None:
        (project.root / "file.txt").write_bytes(on_disk.encode())
    (change,) = read_checkout(project.root).changes
    assert prose in change.seen


def test_a_large_file_that_was_fetched_is_what_its_pointer_names(project: ReleaseProject) -> None:
    """The pointer that was committed carries the digest and the size of the real file."""
    content = b"large"
    digest = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 5\n"
    project.commit("large", {"file.bin": pointer})
    (project.root / "file.bin").write_bytes(content)
    assert read_checkout(project.root).is_clean
    (project.root / "file.bin").write_bytes(b"larger")
    assert not read_checkout(project.root).is_clean


def test_a_committed_link_must_stay_within_what_was_hashed(project: ReleaseProject) -> None:
    """A link within the source is fine; one that leads out of the commit is not."""
    (project.root / "good").symlink_to("src/service.py")
    (project.root / "folder").symlink_to("src")
    project.git("add", "good", "folder")
    project.commit("links", {})
    assert read_checkout(project.root).is_clean
    for target in ("docs/ops/evidence/README.md", "/etc/hostname", "nowhere", ".git/HEAD"):
        (project.root / "bad").unlink(missing_ok=True)
        (project.root / "bad").symlink_to(target)
        project.git("add", "bad")
        project.commit("link", {})
        (change,) = read_checkout(project.root).changes
        assert change.path == "bad"
        assert "not part of the commit" in change.seen


def test_a_submodule_is_judged_like_the_rest(project: ReleaseProject, tmp_path: Path) -> None:
    """A submodule that is absent, elsewhere or changed makes another build."""
    other = ReleaseProject(make(tmp_path / "other"))
    project.git(
        "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.root), "sub"
    )
    project.commit("submodule", {})
    assert read_checkout(project.root).is_clean
    (project.root / "sub/src/service.py").write_text("ANSWER = 43\n")
    (change,) = read_checkout(project.root).changes
    assert "1 changes, src/service.py first" in change.seen
    project.git("-C", "sub", "commit", "--quiet", "--allow-empty", "-am", "later")
    (change,) = read_checkout(project.root).changes
    assert "another commit" in change.seen
    project.git("submodule", "--quiet", "deinit", "--force", "sub")
    (change,) = read_checkout(project.root).changes
    assert "not checked out" in change.seen


def test_another_work_tree_of_a_repository_is_read(project: ReleaseProject, tmp_path: Path) -> None:
    """`git worktree` keeps HEAD apart and shares the objects."""
    project.git("worktree", "add", "--quiet", str(tmp_path / "second"), "-b", "second")
    checkout = read_checkout(tmp_path / "second")
    assert checkout.head == project.head
    assert checkout.is_clean


def test_a_repository_that_hashes_by_sha256_is_read(tmp_path: Path) -> None:
    """The length of HEAD says how the repository hashes."""
    git(tmp_path, "init", "--quiet", "--object-format=sha256")
    (tmp_path / "a").write_text("a\n")
    git(tmp_path, "add", "a")
    git(tmp_path, "-c", "user.name=t", "-c", "user.email=t@e", "commit", "--quiet", "-m", "a")
    checkout = read_checkout(tmp_path)
    assert checkout.head is not None
    assert len(checkout.head) == 64
    assert checkout.is_clean
    (tmp_path / "a").write_text("b\n")
    assert not read_checkout(tmp_path).is_clean


HARMLESS = {
    "new evidence": lambda project: project.write({EVIDENCE: "{}"}),
    "tracked evidence": lambda project: project.write({"docs/ops/evidence/README.md": "Newer.\n"}),
    "touched": lambda project: (project.root / "src/service.py").touch(),
    "lock file": lambda project: project.write({"uv.lock": "x"}),
    "caches": lambda project: project.write(
        {"src/__pycache__/service.cpython-311.pyc": "x", ".mypy_cache/3.11/x.json": "{}"}
    ),
    "virtual environment": lambda project: project.write(
        {".venv/pyvenv.cfg": "", ".venv/lib/python3.11/site-packages/x.py": ""}
    ),
    "ignored by the commit": lambda project: (
        project.commit("ignore", {".gitignore": "*.log\n"}),
        project.write({"run.log": "x\n"}),
    ),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_what_is_no_part_of_the_build_is_no_change(project: ReleaseProject, change: str) -> None:
    """Evidence, caches, the environment and what the commit itself ignores make no other build."""
    HARMLESS[change](project)
    checkout = read_checkout(project.root)
    assert checkout.changes == []
    assert bool(checkout.not_judged) == (change in NOT_JUDGED)


NOT_JUDGED = {"lock file", "caches", "virtual environment", "ignored by the commit"}


def test_what_the_commit_ignores_must_not_be_importable(project: ReleaseProject) -> None:
    """An ignore file of the commit leaves data out, and neither code nor configuration."""
    project.commit("ignore", {".gitignore": "build/\n*.ini\n"})
    project.write({"build/lib/service.py": "ANSWER = 43\n", "pytest.ini": "", "build/a.txt": ""})
    paths = [change.path for change in read_checkout(project.root).changes]
    assert paths == ["build/lib/service.py", "pytest.ini"]


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
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{project.root}", "shallow")
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
    assert change.path.encode("utf-8")
    assert "\\xff" in change.path


def test_git_says_why_it_has_no_answer(tmp_path: Path) -> None:
    """The first line of git's own words is the reason."""
    with pytest.raises(GitSilentError, match="not a git repository"):
        locate(tmp_path)
    git(tmp_path, "init", "--quiet")
    with pytest.raises(GitSilentError, match="Needed a single revision"):
        resolve(locate(tmp_path), "HEAD")
    with pytest.raises(GitSilentError, match="no name of a commit"):
        resolve(locate(tmp_path), "--help")
    with (
        open_repository(locate(tmp_path), "0" * 40) as repository,
        pytest.raises(GitSilentError, match="could not be started"),
    ):
        repository.ask("status", "\0")


def test_a_checkout_without_a_head_is_not_clean() -> None:
    """Nothing known is no proof of anything."""
    assert not Checkout(root="/", head=None, changes=[]).is_clean
