"""Every rule says what it serves, and where a reader finds it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stressproof.gate import confirmation
from stressproof.gate.rules import BEFORE_STEPS, unchanged
from stressproof.gate.trust import TRUST_RULES
from stressproof.trust.attestation import RULES as ATTESTATION_RULES
from stressproof.trust.promotion import RULES as PROMOTION_RULES
from stressproof.verify.failure.verifier import RULES as FAILURE_RULES
from stressproof.verify.rule import Rule
from stressproof.verify.stress.verifier import RULES as STRESS_RULES

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = DOCS / "ops" / "enforcement_stress_evidence_protocol.md"
CLAUSES = 12

pytestmark = pytest.mark.gate


def headings(page: Path) -> set[str]:
    """Return a page's headings, without their marks and numbers."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return {re.sub(r"^#+ (\d+\. )?", "", line) for line in lines if line.startswith("#")}


def rules() -> Iterator[Rule[Any]]:
    """Yield the rules of verifiers and gates."""
    yield from STRESS_RULES
    yield from FAILURE_RULES
    yield from BEFORE_STEPS
    yield unchanged
    yield from TRUST_RULES
    yield from ATTESTATION_RULES
    yield from PROMOTION_RULES
    yield from (each for each in vars(confirmation).values() if isinstance(each, Rule))


def leads_somewhere(citation: str) -> bool:
    """Return whether a citation is a clause or a heading of the protocol, or a page's heading."""
    if match := re.fullmatch(r"protocol (\d+)", citation):
        return 1 <= int(match[1]) <= CLAUSES
    if match := re.fullmatch(r"protocol, (.+)", citation):
        return match[1] in headings(PROTOCOL)
    if match := re.fullmatch(r"([a-z-]+\.md), (.+)", citation):
        page = DOCS / match[1]
        return page.is_file() and match[2] in headings(page)
    return False


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.id)
def test_every_clause_leads_somewhere(rule: Rule[Any]) -> None:
    """What a rule cites is a clause of the protocol or a heading of our own pages."""
    clause = re.sub(r" \(requirements? [a-z_, ]+\)$", "", rule.clause)
    citations = clause.split("; ")
    assert [each for each in citations if not leads_somewhere(each)] == []


@pytest.mark.parametrize(
    "citation", ["nowhere", "protocol 13", "evidence.md, Nothing", "absent.md, Time", ""]
)
def test_a_citation_that_leads_nowhere_is_found(citation: str) -> None:
    """The check can fail."""
    assert not leads_somewhere(citation)
