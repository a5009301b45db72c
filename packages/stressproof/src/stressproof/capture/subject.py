"""The build that evidence is about, read from the repository as the gates read it."""

from pathlib import Path

from stressproof.evidence.target import Subject
from stressproof.gate.checkout import read_checkout
from stressproof.gate.policy import read_policy


def read_subject(folder: Path) -> Subject:
    """Return the commit checked out at a folder and whether the tree is another build.

    Both are null where git does not say.
    """
    checkout = read_checkout(folder, read_policy(folder).project.evidence)
    dirty = None if checkout.head is None else not checkout.is_clean
    return Subject(git_commit=checkout.head, git_dirty=dirty)
