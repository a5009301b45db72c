"""No forged stress artifact passes, and each is caught by the rule that is there for it."""

import pytest
from forgeries import (
    boundaries,
    clock,
    flows,
    stress_bounds,
    stress_counted,
    stress_database,
    stress_fields,
    stress_full,
    stress_load,
    stress_plain,
    stress_service,
    stress_throughout,
)
from forgeries.corpus import Forgery, base
from forgeries.judging import judge

from stressproof.evidence.encoding import encode
from stressproof.exits import Exit
from stressproof.outcome import Outcome

pytestmark = pytest.mark.gate

FORGERIES = [
    *stress_fields.corpus.forgeries,
    *stress_plain.corpus.forgeries,
    *stress_full.corpus.forgeries,
    *boundaries.corpus.forgeries,
    *stress_load.corpus.forgeries,
    *stress_service.corpus.forgeries,
    *stress_throughout.corpus.forgeries,
    *stress_counted.corpus.forgeries,
    *stress_database.corpus.forgeries,
    *clock.stress.forgeries,
    *stress_bounds.corpus.forgeries,
    *flows.corpus.forgeries,
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_a_forgery_is_caught_by_its_rule(forgery: Forgery) -> None:
    """The verdict rejects it (or warns, where that is all), and names the rule that must."""
    verdict = judge(forgery.forged(), "stress", forgery.asked)
    if forgery.code is Exit.PASS:
        assert forgery.rule in {result.rule for result in verdict.warnings}
        assert verdict.exit_code is Exit.PASS
        return
    blocking = {result.rule for result in verdict.blocking}
    assert forgery.rule in blocking, f"{forgery.rule} not among {sorted(blocking)}"
    assert verdict.exit_code is forgery.code


def test_the_corpus_is_large() -> None:
    """At least two hundred forgeries of stress evidence, each with a name of its own."""
    assert len({forgery.name for forgery in FORGERIES}) == len(FORGERIES) >= 200


def test_honest_flows_pass() -> None:
    """A scenario of flows beside another one is judged like any load."""
    verdict = judge(encode(base("flow")), "stress", {})
    assert verdict.exit_code is Exit.PASS, verdict.blocking
    unjudged = {one.rule for one in verdict.results if one.outcome is Outcome.NOT_CHECKED}
    assert unjudged.isdisjoint({"stress.flow-requests", "stress.flow-time", "stress.interrupted"})
