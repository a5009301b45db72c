"""No forged failure artifact passes, and each is caught by the rule that is there for it."""

import msgspec
import pytest
from forgeries import failure, failure_full
from forgeries.corpus import Forgery, base
from forgeries.judging import judge

from stressproof.exits import Exit

pytestmark = pytest.mark.gate

FORGERIES = [*failure.corpus.forgeries, *failure_full.corpus.forgeries]


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
