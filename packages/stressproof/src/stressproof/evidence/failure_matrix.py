"""What is injected and what must hold then: the matrix, as data.

`stressproof.faults` runs it, the verifier demands it, docs/ops shows it. An artifact in which a
fault or a check of its scenario is missing is not evidence for that scenario.
"""

from collections.abc import Collection
from typing import Final

from msgspec.structs import replace

from stressproof.evidence.failure_scenarios.fail_safe import FI_001
from stressproof.evidence.failure_scenarios.limiter import FI_005
from stressproof.evidence.failure_scenarios.lock import FI_002
from stressproof.evidence.failure_scenarios.settlement import FI_004
from stressproof.evidence.failure_scenarios.tokens import FI_003
from stressproof.evidence.failure_specs import CheckSpec, ScenarioSpec

MATRIX: Final = {spec.id: spec for spec in (FI_001, FI_002, FI_003, FI_004, FI_005)}
"""Every scenario by id, in order."""

LIMITS: Final = (
    "SIGKILL of the server is a process crash and no power loss: what the kernel had was kept.",
    "The proxy is a user-space process: it delays, holds and resets, and drops no packets.",
    "Schedules are seeded; operating system, network and database are not, so no run repeats.",
    "Kernel faults (packet loss, full disk, memory pressure, clock steps) are not injected.",
)
"""What the faults are not, wherever their results are shown."""


def baseline_checks(spec: ScenarioSpec) -> list[CheckSpec]:
    """Return what is held against a trial without faults: the same, and that nothing is wrong."""
    return [CheckSpec("undisturbed"), *(check for check in spec.checks if check.baseline)]


def part(spec: ScenarioSpec, faults: Collection[str]) -> ScenarioSpec:
    """Return a scenario with some of its faults, and with the checks that these can satisfy.

    What it proves is less than the scenario; an artifact of it is no evidence for the scenario.
    """
    kept = {fault.id for fault in spec.faults if fault.id in faults}
    return replace(
        spec,
        faults=tuple(fault for fault in spec.faults if fault.id in kept),
        checks=tuple(check for check in spec.checks if not check.about or check.about in kept),
    )
