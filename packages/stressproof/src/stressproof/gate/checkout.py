"""The build to be promoted: what is checked out here, and which older commits are the same build.

Evidence is captured on a commit and may be committed after it, so the expected commit is HEAD or an
ancestor whose difference to HEAD touches only the folders of evidence.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from stressproof.gate.repository import (
    GitSilentError,
    Place,
    Repository,
    locate,
    open_repository,
    resolve,
)
from stressproof.gate.tree import Change, Seen, differences, read_tree
from stressproof.gate.untracked import find_untracked
from stressproof.verify.subject import is_commit


class Checkout(Struct, frozen=True, kw_only=True):
    """What is checked out at a folder.

    Attributes:
        root: Top of the working tree; the working directory where there is no repository.
        head: The commit, null where git does not say.
        changes: What makes the tree another build than HEAD.
        not_judged: What was not looked at, for people.
        evidence: Folders in which a difference is none of the build.
        tracked: Paths of HEAD's tree.
        shallow: Whether history ends early, so that older commits cannot be looked up.
        why_unknown: Git's words where it had no answer.
    """

    root: str
    head: str | None
    changes: list[Change]
    not_judged: list[str] = []
    evidence: tuple[str, ...] = ()
    tracked: frozenset[bytes] = frozenset()
    shallow: bool = False
    why_unknown: str = ""

    def holds(self, path: str) -> bool:
        """Whether HEAD has a path, itself or in a submodule or by a link to a folder of it."""
        parts = os.fsencode(path).split(b"/")
        return any(b"/".join(parts[:count]) in self.tracked for count in range(1, len(parts) + 1))

    @property
    def is_clean(self) -> bool:
        """Whether the tree is exactly the commit, as far as the build goes."""
        return self.head is not None and not self.changes


def read_checkout(folder: Path, evidence: tuple[str, ...], named: Iterable[str] = ()) -> Checkout:
    """Return what is checked out at a folder; no repository is an answer, not an error.

    Args:
        folder: Anywhere in the working tree.
        evidence: Folders in which a difference is none of the build, each ending in a slash.
        named: Files that are judged by themselves wherever they lie, or written by who asks;
            relative to the working directory.
    """
    root = folder.resolve()
    try:
        place = locate(folder)
        root = place.root
        head = resolve(place, "HEAD")
        files = frozenset(os.fsencode(Path(name).absolute()) for name in named)
        changes, not_judged, shallow, tracked = _compare(place, head, evidence, files)
    except GitSilentError as silent:
        return Checkout(root=str(root), head=None, changes=[], why_unknown=silent.seen)
    return Checkout(
        root=str(root),
        head=head,
        changes=changes,
        not_judged=not_judged,
        evidence=evidence,
        tracked=tracked,
        shallow=shallow,
    )


def _compare(
    place: Place, commit: str, evidence: tuple[str, ...], named: frozenset[bytes] = frozenset()
) -> tuple[list[Change], list[str], bool, frozenset[bytes]]:
    with open_repository(place, commit) as repository, repository.objects() as objects:
        tree = read_tree(objects, commit)
        changes = differences(place.root, tree, objects, evidence, _submodule)
        unknown, not_judged = find_untracked(repository, tree, evidence, named)
        changes = sorted([*changes, *unknown], key=lambda each: each.path)
        return changes, not_judged, repository.is_shallow, frozenset(tree)


_FETCH_SUBMODULE = "git submodule update --init --recursive"


def _submodule(folder: Path, commit: str) -> Seen | None:
    """A submodule is checked out at its commit, and is that commit."""
    try:
        place = locate(folder)
        if place.root != folder.resolve():
            return "is a submodule that is not checked out", _FETCH_SUBMODULE
        if resolve(place, "HEAD") != commit:
            return "is a submodule at another commit than HEAD has", _FETCH_SUBMODULE
        changes, *_ = _compare(place, commit, ())
    except GitSilentError as silent:
        return f"is a submodule that cannot be judged: {silent.seen}", _FETCH_SUBMODULE
    if changes:
        return (
            f"is a submodule with {len(changes)} changes, {changes[0].path} first",
            "Commit the changes in it, or undo them.",
        )
    return None


def same_builds(checkout: Checkout, claimed: Iterable[str | None]) -> tuple[str, ...]:
    """Return HEAD, and each claimed commit that is an ancestor with the same build.

    Args:
        checkout: As read.
        claimed: Commits that evidence says it is about; whatever is no commit is left out.
    """
    head = checkout.head
    if head is None:
        return ()
    wanted = [commit for commit in dict.fromkeys(claimed) if commit and is_commit(commit)]
    accepted = [head]
    with open_repository(locate(Path(checkout.root)), head) as repository:
        accepted += [
            commit
            for commit in wanted
            if commit != head and _is_same_build(repository, commit, head, checkout.evidence)
        ]
    return tuple(accepted)


def _is_same_build(
    repository: Repository, commit: str, head: str, evidence: tuple[str, ...]
) -> bool:
    if not repository.says_yes("merge-base", "--is-ancestor", commit, head):
        return False
    with repository.objects() as objects:
        try:
            old, new = read_tree(objects, commit), read_tree(objects, head)
        except GitSilentError:
            return False
    folders = tuple(folder.encode() for folder in evidence)
    between = {path for path in {*old, *new} if old.get(path) != new.get(path)}
    return all(path.startswith(folders) for path in between)


def knows(checkout: Checkout, commit: str) -> bool:
    """Return whether the repository holds a commit; nothing is fetched to find out."""
    if checkout.head is None or not is_commit(commit) or len(commit) != len(checkout.head):
        return False
    with open_repository(locate(Path(checkout.root)), checkout.head) as repository:
        return repository.says_yes("cat-file", "-e", f"{commit}^{{commit}}")
