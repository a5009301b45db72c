"""The build to be promoted: what is checked out here, and which older commits are the same build.

Evidence is captured on a commit and may be committed after it, so the expected commit is HEAD or an
ancestor whose difference to HEAD touches only ``docs/ops/evidence/``.
"""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from stressproof.gate.git import GitSilentError, ask, says_yes
from stressproof.verify.subject import is_commit

EVIDENCE_FOLDER = "docs/ops/evidence/"
"""Where evidence is kept; a difference in here is no difference of the build."""

SOURCE_FOLDERS = ("src", "scripts")
"""Where a file that git does not know makes another build than the commit."""

_NOT_COMPARED = frozenset("SM")
"""Tags of ``ls-files -v``, beside lower-case ones, of entries that git does not compare with the
disk: skipped, and unmerged."""


class Checkout(Struct, frozen=True, kw_only=True):
    """What git says of the working directory.

    Attributes:
        root: Top of the working tree; the working directory where there is no repository.
        head: The commit, null where git does not say.
        changes: Paths that make the tree another build than HEAD.
        shallow: Whether history ends early, so that older commits cannot be looked up.
        why_unknown: Git's words where it had no answer.
    """

    root: str
    head: str | None
    changes: list[str]
    shallow: bool = False
    why_unknown: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether the tree is exactly the commit, as far as the build goes."""
        return self.head is not None and not self.changes


def read_checkout(folder: Path) -> Checkout:
    """Return what is checked out at a folder; no repository is an answer, not an error."""
    try:
        root = Path(ask(folder, "rev-parse", "--show-toplevel").removesuffix("\n"))
        head = ask(root, "rev-parse", "--verify", "--end-of-options", "HEAD^{commit}").strip()
        shallow = ask(root, "rev-parse", "--is-shallow-repository").strip() == "true"
        changes = _changes(root)
    except GitSilentError as silent:
        return Checkout(root=str(folder.resolve()), head=None, changes=[], why_unknown=silent.seen)
    return Checkout(root=str(root), head=head, changes=changes, shallow=shallow)


def _changes(root: Path) -> list[str]:
    """Return the paths that differ: tracked ones anywhere, unknown ones where source lies.

    Entries that git was told not to compare with the disk count as changed: nobody can tell.
    """
    tracked = _names(
        ask(root, "diff", "HEAD", "--name-only", "-z", "--no-renames", "--ignore-submodules=none")
    )
    unknown = _names(
        ask(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *SOURCE_FOLDERS)
    )
    hidden = [
        entry[2:]
        for entry in _names(ask(root, "ls-files", "-z", "-v"))
        if entry[:1].islower() or entry[:1] in _NOT_COMPARED
    ]
    found = sorted({*tracked, *unknown, *hidden})
    return [path for path in found if not path.startswith(EVIDENCE_FOLDER)]


def same_builds(checkout: Checkout, claimed: Iterable[str | None]) -> tuple[str, ...]:
    """Return HEAD, and each claimed commit that is an ancestor with the same build.

    Args:
        checkout: As read.
        claimed: Commits that evidence says it is about; whatever is no commit is left out.
    """
    head = checkout.head
    if head is None:
        return ()
    root = Path(checkout.root)
    accepted = [head]
    for commit in claimed:
        if commit and commit not in accepted and is_commit(commit):
            accepted += [commit] if _is_same_build(root, commit, head) else []
    return tuple(accepted)


def _is_same_build(root: Path, commit: str, head: str) -> bool:
    if not says_yes(root, "merge-base", "--is-ancestor", commit, head):
        return False
    try:
        between = _names(
            ask(root, "diff-tree", "-r", "-z", "--no-renames", "--name-only", commit, head)
        )
    except GitSilentError:
        return False
    return all(path.startswith(EVIDENCE_FOLDER) for path in between)


def knows(checkout: Checkout, commit: str) -> bool:
    """Return whether the repository holds a commit."""
    return is_commit(commit) and says_yes(
        Path(checkout.root), "cat-file", "-e", f"{commit}^{{commit}}"
    )


def _names(answer: str) -> list[str]:
    """Return the names of a ``-z`` answer, bytes that are no UTF-8 shown by their codes."""
    raw = answer.encode("utf-8", "surrogateescape")
    return [name for name in raw.decode("utf-8", "backslashreplace").split("\0") if name]
