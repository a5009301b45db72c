"""Where a gate's policy comes from: a commit, never the files that happen to lie there.

``stressproof.toml`` says which steps run, where evidence is kept and which suite is asked. Read
from the working tree anybody could replace it; read from HEAD the author of the change owns it;
read from a protected branch (``--policy-ref``) somebody else does.
"""

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from stressproof.config.compile import Project, load_project, project_of
from stressproof.config.schema import FILE_NAME
from stressproof.errors import InconclusiveError, UsageError
from stressproof.gate.repository import GitSilentError, Place, locate, open_repository, resolve
from stressproof.gate.tree import read_file
from stressproof.quantities import listed
from stressproof.verify.subject import is_commit


class Policy(Struct, frozen=True, kw_only=True):
    """What a project says to its gate, and who could have changed it.

    Attributes:
        project: What its file says; what everybody's says where there is none.
        source: Where the file was read, for people.
        commit: The commit it was read from; null where there is no repository.
        by_author: Whether the author of the change that is judged could have changed it.
    """

    project: Project
    source: str
    commit: str | None
    by_author: bool

    @property
    def owner(self) -> str:
        """Who owns the policy, for people."""
        if self.commit is None:
            return f"{self.source}: whoever may write here owns it"
        if self.by_author:
            return f"{self.source}: the author of the change owns it (--policy-ref names another)"
        return self.source


def read_policy(folder: Path, ref: str = "") -> Policy:
    """Return the policy of a project.

    Args:
        folder: Anywhere in its working tree.
        ref: A full ref or a commit to read it from; empty for HEAD.

    Raises:
        UsageError: The ref is no full ref, or the file cannot be meant.
        InconclusiveError: The ref is absent, or holds no policy.
    """
    check_ref(ref)
    try:
        place = locate(folder)
        commit = resolve(place, ref or "HEAD")
        content = _read(place, commit)
    except GitSilentError as silent:
        if ref:
            raise absent_policy(ref, silent.seen) from silent
        # Without a commit nothing is released; what the folder says is what its steps are.
        return Policy(project=load_project(folder), source=FILE_NAME, commit=None, by_author=True)
    if content is None and ref:
        raise absent_policy(ref, f"{commit} has no {FILE_NAME}")
    name = f"{FILE_NAME} of {ref or 'HEAD'} ({commit[:12]})"
    project = (
        Project(folder=place.root) if content is None else project_of(content, name, place.root)
    )
    if ref:
        project = _with_loads_of(project, _project_at_head(place))
    return Policy(project=project, source=name, commit=commit, by_author=not ref)


def _project_at_head(place: Place) -> Project:
    """Return what the commit that is judged says of itself.

    Raises:
        InconclusiveError: It cannot be read.
        UsageError: Its file cannot be meant.
    """
    try:
        head = resolve(place, "HEAD")
        content = _read(place, head)
    except GitSilentError as silent:
        raise InconclusiveError(
            f"no commit to judge: {silent.seen}", hint="Run the gate in a checkout of it."
        ) from silent
    if content is None:
        return Project(folder=place.root)
    return project_of(content, f"{FILE_NAME} of HEAD ({head[:12]})", place.root)


def _with_loads_of(policy: Project, judged: Project) -> Project:
    """Return a policy with the loads of the commit that is judged.

    A change may ask its service other things; which profile counts, on which targets and within
    which bounds is the policy's: thresholds of a profile hold as both have them, and nothing that
    the policy breaks and checks may be less. A policy without profiles judges by its suite, and no
    change adds any.

    Raises:
        UsageError: The commit has no such profile, or breaks or checks less.
    """
    if not policy.plan.profiles:
        return policy
    name = policy.gate_profile
    if name not in judged.plan.profiles:
        raise UsageError(
            f"{FILE_NAME} of HEAD has no profile {name!r}, whose evidence the policy asks for",
            hint="Keep the profile, or have the policy's [gate] name another.",
        )
    less = [] if policy.failures is None else _asked_less(policy, judged)
    if less:
        raise UsageError(
            f"{FILE_NAME} of HEAD asks less of failures than the policy: {listed(less)}",
            hint="Keep it, or have the policy ask for less first.",
        )
    thresholds = {
        one: tuple(
            dict.fromkeys(
                (*policy.profile_thresholds.get(one, ()), *judged.profile_thresholds[one])
            )
        )
        for one in judged.plan.profiles
    }
    return msgspec.structs.replace(
        policy,
        plan=msgspec.structs.replace(
            policy.plan, data=judged.plan.data, profiles=judged.plan.profiles
        ),
        failures=judged.failures,
        profile_thresholds=thresholds,
        gate=msgspec.structs.replace(policy.gate, profile=name),
    )


def _asked_less(policy: Project, judged: Project) -> list[str]:
    from stressproof.config.file_failures import asked_less  # noqa: PLC0415  # few have failures

    return asked_less(policy, judged)


def _read(place: Place, commit: str) -> bytes | None:
    """Return the policy's bytes in a commit, None where it has none.

    Raises:
        GitSilentError: The commit cannot be read.
        UsageError: It is no file; what a link leads to is no part of the commit.
    """
    with open_repository(place, commit) as repository, repository.objects() as objects:
        return read_file(objects, commit, os.fsencode(FILE_NAME))


def check_ref(ref: str) -> None:
    """Refuse a ref whose name could be another's; an empty one is HEAD.

    Raises:
        UsageError: It is neither a full ref nor a commit.
    """
    if ref and not (ref.startswith("refs/") or is_commit(ref)):
        raise UsageError(
            f"--policy-ref {ref!r} is neither a full ref nor a commit",
            hint="Write it in full, such as refs/remotes/origin/main: a short name could be "
            "another branch or tag.",
        )


def absent_policy(ref: str, seen: str) -> InconclusiveError:
    """Return what is said where a ref holds no policy, with the command that fetches it."""
    branch = ref.removeprefix("refs/remotes/origin/").removeprefix("refs/heads/")
    fetch = (
        f"git fetch origin {branch}:{ref}" if ref.startswith("refs/") else f"git fetch origin {ref}"
    )
    return InconclusiveError(f"no policy at {ref}: {seen}", hint=f"Fetch it: {fetch}")
