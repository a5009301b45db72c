"""Every way of getting a bad build promoted: which rule is in its way, or which page says none is.

A row's rules are met by tests of their own: the corpus of forgeries for arithmetic,
`tests/unit/trust` and `tests/integration/gate` for signatures. What nothing catches is written down
as what it is.
"""

from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from stressproof.gate import confirmation
from stressproof.gate.rules import BEFORE_STEPS
from stressproof.gate.trust import TRUST_RULES
from stressproof.trust.attestation import RULES as ATTESTATION_RULES
from stressproof.trust.promotion import RULES as PROMOTION_RULES
from stressproof.verify.failure.verifier import RULES as FAILURE_RULES
from stressproof.verify.rule import Rule
from stressproof.verify.stress.verifier import RULES as STRESS_RULES

ROOT = Path(__file__).parents[2]
SECURITY = ROOT / "docs" / "security.md"

pytestmark = pytest.mark.gate


class Threat(Struct, frozen=True):
    """One row.

    Attributes:
        forgery: What somebody does.
        rules: Ids of the rules in its way.
        residual: What docs/security.md says of what remains, empty where nothing does.
    """

    forgery: str
    rules: tuple[str, ...] = ()
    residual: str = ""


THREATS = (
    Threat("a number edited in the artifact", ("stress.rounds-recomputed", "trust.evidence")),
    Threat(
        "edited, and signed with a key of one's own", ("trust.authorised",), "A stolen key signs"
    ),
    Threat("better figures claimed", ("stress.rounds-recomputed",), "A whole fabricated run"),
    Threat("slow rows, a bad second or a round dropped", ("stress.rows", "stress.counters")),
    Threat("failed requests dropped from latency", ("stress.rows",), "Relabelled errors"),
    Threat("samples moved between endpoints", ("stress.endpoint-counts",)),
    Threat("an outage averaged away", ("gate.objectives",), "Latencies averaged within a second"),
    Threat("too few samples, no data, an endpoint missing", ("stress.samples", "stress.endpoints")),
    Threat("a threshold lowered in the artifact", ("stress.thresholds", "trust.approval")),
    Threat(
        "a threshold chosen after the result", ("trust.plan",), "A plan after a private rehearsal"
    ),
    Threat(
        "the best of twenty", ("trust.newest-run", "trust.ledger"), "Runs outside of the ledger"
    ),
    Threat(
        "an old pass again",
        ("stress.commit", "stress.age", "promote.fresh"),
        "The same build promoted twice",
    ),
    Threat("evidence for another build", ("stress.commit", "trust.subject", "promote.subject")),
    Threat("a weak digest beside a strong one", ("trust.bundle",), "SHA-1 commits"),
    Threat("one person, two names or two keys", ("trust.approval",), "Two keys in one hand"),
    Threat("a rubber stamp", (), "a rubber stamp"),
    Threat("an approval used for other evidence", ("trust.approval",)),
    Threat("bytes that two parsers read in two ways", ("trust.bundle",)),
    Threat("the engine faked", ("stress.engine",), "A target that lies"),
    Threat("a stub in place of the service", ("stress.same-instance",), "A target that lies"),
    Threat("a saturated generator that looks fast", ("stress.saturated",), "The machine"),
    Threat("a fault that was never injected", ("failure.witnesses",), "A whole fabricated run"),
    Threat("a clock set back or forward", ("stress.clock-recorded", "stress.future"), "**Time**"),
    Threat("the evidence deleted, or the gate not called", ("promote.summary", "gate.stress-path")),
    Threat("gate or policy swapped by the change", ("gate.trust-policy", "promote.policy")),
    Threat("an old failing and a new passing side by side", ("trust.newest-run",)),
    Threat("the ledger cut", ("trust.ledger",), "cut back to what was last signed"),
    Threat("a decision written by hand", ("confirm.signed", "promote.signatures")),
    Threat("a consistent bundle fabricated whole", (), "A whole fabricated run"),
)


def known() -> dict[str, Rule[Any]]:
    """Return every rule by its id."""
    confirming = [each for each in vars(confirmation).values() if isinstance(each, Rule)]
    rules: list[Rule[Any]] = [*STRESS_RULES, *FAILURE_RULES, *ATTESTATION_RULES, *PROMOTION_RULES]
    return {each.id: each for each in (*rules, *BEFORE_STEPS, *TRUST_RULES, *confirming)}


@pytest.mark.parametrize("threat", THREATS, ids=lambda threat: threat.forgery)
def test_a_threat_is_met_or_written_down(threat: Threat) -> None:
    """By rules that block, or by a sentence that says what remains."""
    assert threat.rules or threat.residual
    rules = known()
    for name in threat.rules:
        assert rules[name].severity == "blocks"
    assert threat.residual in SECURITY.read_text(encoding="utf-8")


def test_every_rule_about_people_has_a_test_that_names_it() -> None:
    """A rule that no test has seen fail may as well not be there."""
    tests = [
        *(ROOT / "tests/unit/trust").glob("*.py"),
        *(ROOT / "tests/integration/gate").glob("*.py"),
    ]
    text = "".join(path.read_text(encoding="utf-8") for path in tests)
    rules = [*ATTESTATION_RULES, *PROMOTION_RULES, *TRUST_RULES]
    assert len(rules) > 15
    assert [each.id for each in rules if f'"{each.id}"' not in text and each.id not in text] == []
