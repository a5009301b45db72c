"""No forged failure artifact passes, and each is caught by the rule that is there for it."""

import msgspec
import pytest
from forgeries import boundaries, clock, failure, failure_full, failure_operations, failure_spec
from forgeries.corpus import Forgery, base
from forgeries.judging import judge

from stressproof.exits import Exit

pytestmark = pytest.mark.gate

FORGERIES = [
    *failure.corpus.forgeries,
    *failure_full.corpus.forgeries,
    *failure_operations.corpus.forgeries,
    *failure_spec.corpus.forgeries,
    *boundaries.failures.forgeries,
    *clock.failures.forgeries,
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_a_forgery_is_caught_by_its_rule(forgery: Forgery) -> None:
    """The verdict rejects it (or warns, where that is all), and names the rule that must."""
    verdict = judge(forgery.forged(), "failure", forgery.asked)
    if forgery.code is Exit.PASS:
        assert forgery.rule in {result.rule for result in verdict.warnings}
        assert verdict.exit_code is Exit.PASS
        return
    blocking = {result.rule for result in verdict.blocking}
    assert forgery.rule in blocking, f"{forgery.rule} not among {sorted(blocking)}"
    assert verdict.exit_code is forgery.code


@pytest.mark.parametrize(
    "forgery",
    [one for one in failure_operations.corpus.forgeries if one.name.startswith("derived again")],
    ids=lambda forgery: forgery.name,
)
def test_only_what_is_demanded_tells_where_all_follows(forgery: Forgery) -> None:
    """Without its rule such a forgery would be as good as what it was made of."""
    made_of = judge(msgspec.json.encode(base(forgery.of)), "failure")
    blocking = {result.rule for result in judge(forgery.forged(), "failure").blocking}
    # A first attempt that is gone is an arrival that is gone, so two rules may tell.
    assert {forgery.rule} <= blocking - {result.rule for result in made_of.blocking}
    assert blocking <= {result.rule for result in made_of.blocking} | {forgery.rule, "failure.load"}


@pytest.mark.parametrize(
    "forgery",
    [one for one in failure_spec.corpus.forgeries if one.name.startswith("asked for less")],
    ids=lambda forgery: forgery.name,
)
def test_only_what_is_required_tells_of_a_spec_that_asks_for_less(forgery: Forgery) -> None:
    """Evidence of an easier scenario is good evidence, of that scenario."""
    of_nobody = {"scenarios": ()}
    made_of = judge(msgspec.json.encode(base(forgery.of)), "failure", of_nobody)
    assert made_of.level == "recomputed"
    alone = judge(forgery.forged(), "failure", of_nobody)
    assert {one.rule for one in alone.blocking} <= {one.rule for one in made_of.blocking}
    assert alone.level == "recomputed"


def test_the_corpus_is_large() -> None:
    """At least forty forgeries of failure evidence, each with a name of its own."""
    assert len({forgery.name for forgery in FORGERIES}) == len(FORGERIES) >= 40


def test_a_consistent_injection_is_judged_by_what_it_found() -> None:
    """What nothing was seen of is inconclusive, and no rule calls it forged."""
    raw = msgspec.json.encode(base("injection"))
    verdict = judge(raw, "failure", {**failure_full.GATE, **failure_full.BOUND})
    assert {result.rule for result in verdict.blocking} == {"failure.statuses", "failure.overall"}
    assert verdict.exit_code is Exit.INCONCLUSIVE
    assert verdict.level == "recomputed"
    [statuses] = [one for one in verdict.blocking if one.rule == "failure.statuses"]
    told = [one.where for one in statuses.findings]
    assert "scenarios[0].status" in told
    assert "scenarios[0].reasons[0]" in told  # and not only that, but why


def test_a_clock_that_stepped_is_told_and_blocks_nothing() -> None:
    """With a step, a made-up injection is short of what it is short of without, and no more."""
    good, edited = base("injection"), base("injection")
    clock.stepped(-5.0)(edited)
    before, after = (judge(msgspec.json.encode(each), "failure") for each in (good, edited))
    assert [one.rule for one in after.blocking] == [one.rule for one in before.blocking]
    assert "failure.clock" in {one.rule for one in after.warnings}
    assert "failure.clock" not in {one.rule for one in before.warnings}
