"""What a gate asks: which evidence, of which it must not be missing, and with which limits."""

from enum import StrEnum

import msgspec
from msgspec import Struct

from stressproof.config.failure_requirements import FailureRequirements
from stressproof.config.failure_requirements import loosened as failure_loosened
from stressproof.config.stress_requirements import Requirements
from stressproof.config.stress_requirements import loosened as stress_loosened


class Half(StrEnum):
    """The two kinds of evidence, in the order in which they are judged and told."""

    STRESS = "stress"
    FAILURE = "failure"


class GateRequest(Struct, frozen=True, kw_only=True):
    """What a gate was told to ask.

    Attributes:
        stress_path: Stress evidence, relative to the working directory; empty for none.
        stress_required: Whether it blocks when there is no path.
        stress: What stress evidence must hold.
        failure_path: Failure evidence, likewise.
        failure_required: Likewise.
        failure: What failure evidence must hold.
        dry_run: A rehearsal: floors may be loosened, and the result is no release evidence.
    """

    stress_path: str = ""
    stress_required: bool = False
    stress: Requirements = Requirements().for_gate()
    failure_path: str = ""
    failure_required: bool = False
    failure: FailureRequirements = FailureRequirements().for_gate()
    dry_run: bool = False

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
            return stress_loosened(self.stress)
        return failure_loosened(self.failure)

    def bound_to(self, half: Half, commits: tuple[str, ...]) -> Requirements | FailureRequirements:
        """Return the requirements of one half for evidence about one of these commits."""
        if half is Half.STRESS:
            return msgspec.structs.replace(self.stress, expected_commits=commits)
        return msgspec.structs.replace(self.failure, expected_commits=commits)
