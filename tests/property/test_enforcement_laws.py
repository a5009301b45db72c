"""Laws of the domain that hold for every input, not for the examples alone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcement.domain import money
from enforcement.domain.canonical import canonical_text
from enforcement.domain.credits import Grant
from enforcement.domain.enums import CreditPool
from enforcement.domain.environment import normalise
from enforcement.domain.ledger import GENESIS, Entry, chain, verify_chain
from enforcement.domain.policy import (
    Entitlements,
    PolicyDocument,
    document_text,
    materialise,
    read_policy,
)
from enforcement.domain.reservations import CreditReservation, release, settle
from enforcement.domain.timestamps import instant, rfc3339
from enforcement.domain.waterfall import Budget, Standing, fund

pytestmark = pytest.mark.gate

NOW = datetime(2026, 2, 25, 12, tzinfo=UTC)
amounts = st.decimals(min_value=0, max_value=10**9, places=4)
positive = st.decimals(min_value=Decimal("0.0001"), max_value=10**9, places=4)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(amounts)
def test_money_survives_the_wire(amount: Decimal) -> None:
    """Writing and parsing an amount gives the amount."""
    assert money.parse_monthly(money.monthly_text(amount)) == amount


@given(st.text(max_size=30))
def test_whatever_parses_is_written_the_same_again(text: str) -> None:
    """No text is read as an amount that its pattern would not allow."""
    try:
        value = money.parse_monthly(text)
    except money.InvalidError:
        return
    assert set(text) <= set("0123456789.")
    assert money.parse_monthly(money.monthly_text(value)) == value


@given(json_values)
def test_canonical_json_is_a_fixed_point(value: Any) -> None:
    """Reading canonical text and writing it again changes nothing, and it is ASCII."""
    text = canonical_text(value)
    assert text.isascii()
    assert canonical_text(msgspec.json.decode(text)) == text or "\\ud" in text


@given(st.text(max_size=40))
def test_normalising_an_environment_twice_is_normalising_it_once(name: str) -> None:
    """The normal form is normal."""
    assert normalise(normalise(name)) == normalise(name)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_survives_its_text(moment: datetime) -> None:
    """Nothing is lost, down to the microsecond."""
    assert instant(rfc3339(moment)) == moment


@given(amounts, amounts)
def test_a_policys_hash_is_that_of_its_stored_text(low: Decimal, high: Decimal) -> None:
    """Materialising, storing and reading back keeps version, hash and amounts."""
    auto, deny = sorted((low, high))
    document = PolicyDocument(
        entitlements=Entitlements(
            auto_approve_below_monthly_usd=money.monthly_text(auto),
            hard_deny_above_monthly_usd=money.monthly_text(deny),
        )
    )
    policy = materialise(document, 3)
    assert read_policy(document_text(policy.document), 3) == policy


grants = st.builds(
    Grant,
    grant_id=st.uuids(),
    pool=st.sampled_from(CreditPool),
    scope_key=st.sampled_from(["web", "default", "other"]),
    total_usd=st.just(Decimal(10**9)),
    remaining_usd=amounts,
    created_at=st.integers(-9, 0).map(lambda days: NOW + timedelta(days=days)),
    expires_at=st.none() | st.integers(-2, 3).map(lambda days: NOW + timedelta(days=days)),
)
budgets = st.none() | st.builds(
    Budget, scope_key=st.just("web"), monthly_limit_usd=amounts, committed_usd=amounts
)


@given(
    amounts,
    amounts,
    budgets,
    st.lists(grants, max_size=6, unique_by=lambda grant: grant.grant_id),
    st.none() | amounts,
    st.none() | amounts,
)
def test_the_waterfall_never_creates_or_loses_money(
    delta: Decimal,
    committed: Decimal,
    budget: Budget | None,
    given_grants: list[Grant],
    plan: Decimal | None,
    enterprise: Decimal | None,
) -> None:
    """Stages account for the whole delta; no source gives more than it has; grants only once."""
    standing = Standing(committed_usd=committed, budget=budget, grants=tuple(given_grants))
    funding = fund(
        delta,
        standing,
        project_id="web",
        plan_ceiling=plan,
        enterprise_ceiling=enterprise,
        now=NOW,
    )
    by_id = {grant.grant_id: grant for grant in given_grants}
    assert sum(s.consumed_usd for s in funding.stages) == funding.reserved_usd
    assert funding.stages[-1].remaining_usd == delta - funding.reserved_usd
    assert len({d.grant_id for d in funding.draws}) == len(funding.draws)
    for item in funding.draws:
        source = by_id[item.grant_id]
        assert 0 < item.amount_usd <= source.remaining_usd
        assert source.is_usable(NOW)
    if budget is not None:
        assert funding.allocation_usd <= budget.headroom_usd
    if funding.violation is None:
        assert funding.reserved_usd == delta
        for ceiling in (plan, enterprise):
            assert ceiling is None or committed + delta <= max(ceiling, committed)


held = st.lists(
    st.builds(CreditReservation, grant_id=st.uuids(), reserved_usd=positive), max_size=5
)


@given(amounts, held, amounts)
def test_a_settlement_accounts_for_every_unit(
    allocation: Decimal, reservations: list[CreditReservation], actual: Decimal
) -> None:
    """Each credit is consumed or released in full; budget and credits pay the actual cost."""
    done = settle(allocation, reservations, actual)
    for before, after in zip(reservations, done.credits, strict=True):
        assert after.consumed_usd + after.released_usd == before.reserved_usd
        assert min(after.consumed_usd, after.released_usd) >= 0
    assert done.allocation_spent_usd + done.credits_consumed_usd == actual
    assert done.allocation_spent_usd >= 0
    total = sum((item.reserved_usd for item in reservations), start=Decimal(0))
    assert done.drift_usd == actual - allocation - total
    assert sum(c.consumed_usd for c in release(reservations)) == 0


events = st.sampled_from(["decision", "approval.requested", "reservation.released"])
payloads = st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=3)


@st.composite
def ledgers(draw: st.DrawFn) -> list[Entry]:
    """A well-formed ledger of one tenant."""
    tenant = draw(st.uuids())
    entries: list[Entry] = []
    for _ in range(draw(st.integers(1, 8))):
        digest = draw(st.none() | st.binary(min_size=32, max_size=32))
        entry = Entry(
            tenant_id=tenant,
            sequence=0,
            event=draw(events),
            occurred_at=draw(st.datetimes(timezones=st.just(UTC))),
            actor=draw(st.uuids()),
            decision_id=draw(st.uuids()) if digest else draw(st.none() | st.uuids()),
            decision_digest=digest,
            payload=canonical_text(draw(payloads)),
            prev_hash=GENESIS,
            entry_hash=b"",
        )
        entries.append(chain(entry, entries[-1] if entries else None))
    return entries


@given(ledgers())
def test_a_chain_as_written_holds(entries: list[Entry]) -> None:
    """No fault is found where there is none, with the head known or not."""
    assert verify_chain(entries) is None
    last = entries[-1]
    assert verify_chain(entries, head_sequence=last.sequence, head_hash=last.entry_hash) is None


@given(ledgers(), st.data())
def test_a_changed_field_is_found_at_its_row(entries: list[Entry], data: st.DataObject) -> None:
    """Editing any field of any row is found at that row, never before it."""
    at = data.draw(st.integers(0, len(entries) - 1))
    field, value = data.draw(
        st.sampled_from(
            [
                ("event", "approval.denied"),
                ("occurred_at", datetime(1999, 1, 1, tzinfo=UTC)),
                ("actor", UUID(int=0)),
                ("decision_id", UUID(int=0)),
                ("decision_digest", b"\1" * 32),
                ("payload", '{"forged":true}'),
                ("tenant_id", UUID(int=0)),
                ("entry_hash", b"\1" * 32),
            ]
        )
    )
    edited = list(entries)
    edited[at] = msgspec.structs.replace(entries[at], **{field: value})
    fault = verify_chain(edited)
    assert fault is not None
    assert fault.sequence == at + 1


@given(ledgers(), st.data())
def test_a_rehashed_edit_is_found_at_the_next_row(
    entries: list[Entry], data: st.DataObject
) -> None:
    """Hashing an edited row again breaks the link of the row after it, or the head."""
    at = data.draw(st.integers(0, len(entries) - 1))
    head = entries[-1]
    edited = list(entries)
    forged = msgspec.structs.replace(entries[at], payload='{"forged":true}')
    edited[at] = chain(forged, entries[at - 1] if at else None)
    fault = verify_chain(edited, head_sequence=head.sequence, head_hash=head.entry_hash)
    assert fault is not None
    assert fault.sequence == min(at + 2, len(entries))


@given(ledgers(), st.data())
def test_a_rehashed_and_relinked_edit_is_found_one_row_later(
    entries: list[Entry], data: st.DataObject
) -> None:
    """Pointing the next row at the forged one changes what that row's hash covers."""
    if len(entries) > 1:
        at = data.draw(st.integers(0, len(entries) - 2))
        edited = list(entries)
        forged = msgspec.structs.replace(entries[at], payload='{"forged":true}')
        edited[at] = chain(forged, entries[at - 1] if at else None)
        edited[at + 1] = msgspec.structs.replace(entries[at + 1], prev_hash=edited[at].entry_hash)
        fault = verify_chain(edited)
        assert fault is not None
        assert (fault.sequence, fault.kind) == (at + 2, "wrong_hash")


@given(ledgers(), st.data())
def test_a_row_that_was_removed_is_found(entries: list[Entry], data: st.DataObject) -> None:
    """A hole is found where it is, at the end as well when the head is known."""
    at = data.draw(st.integers(0, len(entries) - 1))
    head = entries[-1]
    fault = verify_chain(
        entries[:at] + entries[at + 1 :],
        head_sequence=head.sequence,
        head_hash=head.entry_hash,
    )
    assert fault is not None
    assert (fault.sequence, fault.kind) == (at + 1, "gap")


@given(ledgers())
def test_swapped_rows_are_found(entries: list[Entry]) -> None:
    """Order is part of the chain."""
    if len(entries) > 1:
        entries[0], entries[1] = entries[1], entries[0]
        fault = verify_chain(entries)
        assert fault is not None
        assert fault.sequence == 1
