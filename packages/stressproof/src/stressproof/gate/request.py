"""What a gate asks: which evidence, of which it must not be missing, and with which limits."""

from enum import StrEnum

import msgspec
from msgspec import Struct

from stressproof.config.failure_requirements import FailureRequirements
from stressproof.config.failure_requirements import loosened as failure_loosened
from stressproof.config.stress_requirements import Requirements
from stressproof.config.stress_requirements import loosened as stress_loosened
from stressproof.suite import Suite


class Half(StrEnum):
    """The two kinds of evidence, in the order in which they are judged and told."""

    STRESS = "stress"
    FAILURE = "failure"


class GateRequest(Struct, frozen=True, kw_only=True):
    """What a gate was told to ask.

    Attributes:
        suite: Whose floors hold.
        stress_path: Stress evidence, relative to the working directory; empty for none.
        stress_required: Whether it blocks when there is no path.
        stress: What stress evidence must hold.
        failure_path: Failure evidence, likewise.
        failure_required: Likewise.
        failure: What failure evidence must hold; None where the suite has no failure scenarios.
        dry_run: A rehearsal: floors may be loosened, and the result is no release evidence.
        decision_path: Where the decision is going to be written; empty for nowhere.
    """

    suite: Suite
    stress_path: str = ""
    stress_required: bool = False
    stress: Requirements
    failure_path: str = ""
    failure_required: bool = False
    failure: FailureRequirements | None
    dry_run: bool = False
    decision_path: str = ""

    @property
    def named_files(self) -> tuple[str, ...]:
        """The files that the gate was told of: what it judges for itself, and what it writes."""
        every = (self.stress_path, self.failure_path, self.decision_path)
        return tuple(path for path in every if path)

    def path(self, half: Half) -> str:
        """Return the path of one half, empty for none."""
        return self.stress_path if half is Half.STRESS else self.failure_path

    def is_required(self, half: Half) -> bool:
        """Return whether one half blocks when it has no path."""
        return self.stress_required if half is Half.STRESS else self.failure_required

    @property
    def judges_evidence(self) -> bool:
        """Whether there is any evidence to judge or to miss."""
        return any(self.path(half) or self.is_required(half) for half in Half)

    def loosened(self, half: Half) -> list[str]:
        """Return what is asked less of than the floors, one line each."""
        if half is Half.STRESS:
            return stress_loosened(self.stress, self.suite.stress_requirements(self.stress.profile))
        if self.failure is None:
            return []
        return failure_loosened(self.failure, self.suite.failure_requirements())

    def bound_to(self, half: Half, commits: tuple[str, ...]) -> Requirements | FailureRequirements:
        """Return the requirements of one half for evidence about one of these commits."""
        if half is Half.STRESS:
            return msgspec.structs.replace(self.stress, expected_commits=commits)
        failure = self.failure or self.suite.failure_requirements()
        return msgspec.structs.replace(failure, expected_commits=commits)


def plain_request(suite: Suite) -> GateRequest:
    """Return what a gate asks where nobody says more: everything that the suite asks at a gate.

    Raises:
        UsageError: The suite's failure requirements cannot be loaded.
    """
    return GateRequest(
        suite=suite,
        stress=suite.stress_requirements().for_gate(),
        failure=None if suite.failure is None else suite.failure_requirements().for_gate(),
    )
