"""Strictness costs no honest artifact: whatever is true passes, however it is written."""

import msgspec
import pytest
from forgeries import boundaries, clock, stress_bounds, stress_service, stress_throughout
from forgeries.corpus import Honest, base
from forgeries.honest_variants import VARIANTS as UNUSUAL
from forgeries.judging import judge

from stressproof.evidence.encoding import encode
from stressproof.exits import Exit
from stressproof.failures.artifact import FailureArtifact
from stressproof.outcome import Outcome

pytestmark = pytest.mark.gate

VARIANTS = [
    *UNUSUAL,
    *boundaries.variants,
    *clock.variants,
    *stress_bounds.variants,
    *stress_service.variants,
    *stress_throughout.variants,
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_an_honest_variant_passes(variant: Honest) -> None:
    """No rule blocks it, and something was compared."""
    verdict = judge(variant.raw(), variant.kind, variant.asked)
    assert [(result.rule, result.findings) for result in verdict.blocking] == []
    assert verdict.exit_code is Exit.PASS
    assert verdict.outcome is Outcome.PASS


def test_failure_evidence_is_written_as_it_is_read() -> None:
    """Every member has its name in JSON, also where Python calls it otherwise."""
    artifact = msgspec.convert(base("injection"), FailureArtifact)
    assert msgspec.json.decode(encode(artifact), type=FailureArtifact) == artifact


def test_a_service_without_a_health_page_is_asked_for_none() -> None:
    """What was not configured says nothing: it blocks where it is required, and only there."""
    document = base("full")
    runtime = document["runtime"] | {"health_endpoint": "", "database_engine": "unknown"}
    silent = dict.fromkeys(runtime["before"]) | {"probe_error": "no health endpoint is configured"}
    for when in ("before", "after"):
        runtime[when] = silent | {"probed_at": runtime[when]["probed_at"]}
        document["target"][when] = dict.fromkeys(document["target"][when])
    raw = encode(document | {"runtime": runtime})
    asked = {"database_engine": None}
    required = judge(raw, "stress", asked)
    assert "stress.healthy" in {result.rule for result in required.blocking}
    free = judge(raw, "stress", asked | {"require_health": False})
    assert [(result.rule, result.findings) for result in free.blocking] == []


def test_there_are_as_many_honest_variants_as_forgeries_asked_for() -> None:
    """A verifier that rejects everything would catch every forgery."""
    stress = [variant for variant in VARIANTS if variant.kind == "stress"]
    assert len(stress) >= 200
    assert len(VARIANTS) - len(stress) >= 40
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)


@pytest.mark.parametrize("name", boundaries.trial_clocks)
def test_the_clock_of_trials_takes_what_lies_at_its_bounds(name: str) -> None:
    """One trial may begin when another ends, and each time is cut to a microsecond."""
    data = base("injection")
    boundaries.trial_clocks[name](data)
    verdict = judge(encode(data), "failure")
    found = {result.rule: result.outcome for result in verdict.results}
    assert found["failure.trial-clock"] is Outcome.PASS
