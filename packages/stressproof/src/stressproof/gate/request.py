"""What a gate asks: which evidence, of which it must not be missing, and with which limits."""

from typing import Any

import msgspec
from msgspec import Struct

from stressproof.suite import Suite
from stressproof.trust.bundle import bundle_path
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.kind import EvidenceKind
from stressproof.verify.kinds import KINDS
from stressproof.verify.stress.verifier import STRESS


class EvidenceRequest(Struct, frozen=True, kw_only=True):
    """What a gate asks of one kind of evidence.

    Attributes:
        kind: Which.
        path: Where it is, relative to the working directory; empty for none.
        required: Whether it blocks when there is no path.
        requirements: What it must hold; None where the suite asks for no such evidence.
        suite: Whose floors hold.
    """

    kind: EvidenceKind[Any]
    path: str = ""
    required: bool = False
    requirements: Any
    suite: Suite

    @property
    def is_asked(self) -> bool:
        """Whether there is such evidence to judge or to miss."""
        return bool(self.path) or self.required

    @property
    def loosened(self) -> list[str]:
        """What is asked less of than the floors, one line each."""
        asked = self.requirements
        if asked is None:
            return []
        return self.kind.loosened(asked, self.kind.requirements(self.suite, asked.profile))

    @property
    def settings(self) -> dict[str, Any]:
        """The requirements that differ from what the suite asks at a gate, by name."""
        asked = self.requirements
        if asked is None:
            return {}
        floor = self.kind.requirements(self.suite, asked.profile)
        plain = self.kind.at_gate(self.suite, floor)
        return {
            name: getattr(asked, name)
            for name in asked.__struct_fields__
            if getattr(asked, name) != getattr(plain, name)
        }

    def bound_to(self, commits: tuple[str, ...]) -> Any:
        """Return the requirements for evidence about one of these commits."""
        asked = self.requirements or self.kind.requirements(self.suite, "")
        return msgspec.structs.replace(asked, expected_commits=commits)


class GateRequest(Struct, frozen=True, kw_only=True):
    """What a gate was told to ask.

    Attributes:
        evidence: What it asks of each kind of evidence, in the order of `KINDS`.
        dry_run: A rehearsal: floors may be loosened, and the result is no release evidence.
        decision_path: Where the decision is going to be written; empty for nowhere.
        policy_ref: Where the project's policy is read (`stressproof.gate.policy.read_policy`).
        trust_file: A trust policy on disk (`stressproof.gate.trust.read_trust`); empty for the
            one that is committed.
    """

    evidence: tuple[EvidenceRequest, ...]
    dry_run: bool = False
    decision_path: str = ""
    policy_ref: str = ""
    trust_file: str = ""

    def of(self, kind: EvidenceKind[Any]) -> EvidenceRequest:
        """Return what is asked of one kind."""
        return next(each for each in self.evidence if each.kind is kind)

    def asking(self, kind: EvidenceKind[Any], **changes: Any) -> "GateRequest":
        """Return the request with fields of one kind's `EvidenceRequest` changed."""
        changed = tuple(
            msgspec.structs.replace(each, **changes) if each.kind is kind else each
            for each in self.evidence
        )
        return msgspec.structs.replace(self, evidence=changed)

    @property
    def named_files(self) -> tuple[str, ...]:
        """The files that the gate was told of, each with the signed statements beside it."""
        every = (*(each.path for each in self.evidence), self.decision_path)
        return tuple(name for path in every if path for name in (path, str(bundle_path(path))))

    @property
    def judges_evidence(self) -> bool:
        """Whether there is any evidence to judge or to miss."""
        return any(each.is_asked for each in self.evidence)


def plain_request(suite: Suite) -> GateRequest:
    """Return what a gate asks where nobody says more: everything that the suite asks at a gate.

    Raises:
        UsageError: The suite's failure requirements cannot be loaded.
    """
    return GateRequest(
        evidence=tuple(
            EvidenceRequest(
                kind=kind,
                requirements=(
                    kind.at_gate(suite, kind.requirements(suite, ""))
                    if kind.offered(suite)
                    else None
                ),
                suite=suite,
            )
            for kind in KINDS
        )
    )


def release_request(
    suite: Suite, stress: str, failure: str = "", *, dry_run: bool = False
) -> GateRequest:
    """Return what a release gate asks: all evidence that the suite asks for, none of it missing.

    Args:
        suite: Whose floors hold.
        stress: The stress evidence, relative to the working directory.
        failure: The failure evidence, likewise; empty where the suite has no failure scenarios.
        dry_run: A rehearsal, whose result is no release evidence.

    Raises:
        UsageError: The suite's failure requirements cannot be loaded.
    """
    request = plain_request(suite).asking(STRESS, path=stress, required=True)
    request = request.asking(FAILURE, path=failure, required=FAILURE.offered(suite))
    return msgspec.structs.replace(request, dry_run=dry_run)
