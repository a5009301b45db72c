"""The build that evidence is about."""

import re

from stressproof.evidence.target import Subject
from stressproof.verify.rule import Judgement, prose

_COMMIT = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"


def is_commit(text: str) -> bool:
    """Return whether a text is a full commit hash."""
    return re.fullmatch(_COMMIT, text) is not None


def judge_commit(subject: Subject | None, expected: tuple[str, ...], judgement: Judgement) -> None:
    """The commit is one of those expected."""
    if not expected:
        judgement.skip("no commit was expected; the gates expect the one checked out")
        return
    seen = None if subject is None else subject.git_commit
    if seen is None:
        judgement.inconclusive("subject.git_commit", prose("not known"), expected[0])
        return
    judgement.check(seen in expected and is_commit(seen), "subject.git_commit", seen, expected[0])


def judge_clean(subject: Subject | None, expected: tuple[str, ...], judgement: Judgement) -> None:
    """The tree was the commit, where a commit is expected."""
    if not expected:
        judgement.skip("no commit was expected")
        return
    seen = None if subject is None else subject.git_dirty
    if seen is None:
        judgement.inconclusive("subject.git_dirty", prose("not known"), False)  # noqa: FBT003
        return
    judgement.check(not seen, "subject.git_dirty", seen, False)  # noqa: FBT003
