"""Failure evidence to a verdict."""

from collections.abc import Sequence

import msgspec

from stressproof.config.failure_requirements import FailureRequirements, loosened
from stressproof.suite import Suite
from stressproof.verify.failure import document, faults, operations, scenarios, testbed, trials
from stressproof.verify.failure.case import FailureCase, references_of
from stressproof.verify.failure.overview import overview
from stressproof.verify.kind import EvidenceKind
from stressproof.verify.rule import Rule
from stressproof.verify.verdict import Figure

RULES: Sequence[Rule[FailureCase]] = (
    *document.RULES,
    *scenarios.RULES,
    *faults.RULES,
    *operations.RULES,
    *trials.RULES,
    *testbed.RULES,
)
"""In the order in which a person would look."""


_NOBODYS = FailureRequirements(profile="", scenarios=())


def _figures(case: FailureCase) -> list[Figure]:
    total = len(case.scenarios)
    passed = sum(scenario.status == "pass" for scenario in case.scenarios)
    least = len(case.demanded) or total
    checked = sum(len(scenario.checks or []) for scenario in case.scenarios)
    return [
        Figure("scenarios passed", passed, "scenarios", total, f">= {least}"),
        Figure("checks", checked, "checks", checked),
    ]


def _requirements(suite: Suite, profile: str) -> FailureRequirements:
    """Return what a suite asks, of evidence of another profile where one is named.

    A suite without failures asks for none: whatever evidence says of itself must follow from it.
    """
    floor = _NOBODYS if suite.failure is None else suite.failure_requirements()
    return msgspec.structs.replace(floor, profile=profile) if profile else floor


FAILURE = EvidenceKind(
    name="failure",
    case=FailureCase,
    rules=RULES,
    figures=_figures,
    overview=overview,
    requirements=_requirements,
    offered=lambda suite: suite.failure is not None and suite.gate_asks_failure,
    at_gate=lambda _, asked: asked.for_gate(),
    loosened=loosened,
    references=references_of,
)
verify = FAILURE.verify
