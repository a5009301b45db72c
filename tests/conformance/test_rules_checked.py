"""Which rules find something to compare."""

import pytest
from forgeries.checked import JUDGED, Judged
from forgeries.corpus import base
from forgeries.judging import judge

from stressproof.evidence.encoding import encode
from stressproof.outcome import Outcome

pytestmark = pytest.mark.gate


@pytest.mark.parametrize("judged", JUDGED, ids=lambda judged: f"{judged.base} {len(judged.asked)}")
def test_what_is_not_checked_is_known(judged: Judged) -> None:
    """Of a good artifact every other rule compares something, and warns of nothing."""
    verdict = judge(encode(base(judged.base)), judged.kind, judged.asked)
    unchecked = {result.rule for result in verdict.results if result.outcome is Outcome.NOT_CHECKED}
    assert unchecked == judged.unchecked
    blocking = {result.rule: result.outcome for result in verdict.blocking}
    assert blocking == dict.fromkeys(judged.undecided, Outcome.INCONCLUSIVE)
    assert verdict.warnings == []
