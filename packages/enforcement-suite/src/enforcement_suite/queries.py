"""Invariants of the enforcement service as queries on its database.

Each returns one row ``(compared, violations)``: how many things it looked at, and how many of them
are wrong. They are asked on a direct connection of a superuser, after healing and quiescing, never
through the service. The chain's hashes are recomputed here and not by the service's own functions.
"""

from typing import Final

from stressproof.failures.parameters import S
from stressproof.failures.spec import Effects, Invariant

EFFECTS: Final = Effects(
    "db",
    """
WITH asked AS (
    SELECT d.tenant_id, d.decision_id, d.failsafe, d.voided,
           split_part(d.resource_reference, ':', 2) AS kind,
           split_part(d.resource_reference, ':', 4)::bigint AS key
    FROM enforcement.decisions d WHERE d.resource_reference LIKE %(prefix)s
), recorded AS (
    SELECT tenant_id, decision_id,
           count(*) FILTER (WHERE event = 'approval.token_consumed') AS spent,
           count(*) FILTER (WHERE event::text LIKE 'reservation.%%') AS settled
    FROM enforcement.ledger WHERE decision_id IN (SELECT decision_id FROM asked)
    GROUP BY tenant_id, decision_id
)
SELECT a.key, sum(CASE a.kind WHEN 'gate' THEN 1 WHEN 'token' THEN coalesce(r.spent, 0)
                              ELSE coalesce(r.settled, 0) END)::bigint AS effects
FROM asked a LEFT JOIN recorded r USING (tenant_id, decision_id)
WHERE NOT a.failsafe AND NOT a.voided
GROUP BY a.key
""",
)
"""How often each effect is there. ``prefix`` is ``fi:%%:<run>:%%``; a resource is named
``fi:<kind>:<run>:<key>``: a *gate* counts its decisions, a *token* its spendings in the ledger, a
*settlement* what closed its reservation there. No idempotency key is asked: it is under test."""

CHAIN_UNBROKEN: Final = Invariant(
    "chain_unbroken",
    "Every ledger is gap-free, linked, and hashes as it should, up to its head",
    "db",
    """
WITH rows AS (
    SELECT l.*,
           row_number() OVER w AS expected_sequence,
           coalesce(lag(entry_hash) OVER w, decode(repeat('00', 32), 'hex')) AS expected_prev,
           sha256(convert_to(concat_ws(E'\\n', 'enforcement.ledger.v1', tenant_id, sequence,
               encode(prev_hash, 'hex'), event,
               to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor,
               coalesce(decision_id::text, ''), coalesce(encode(decision_digest, 'hex'), ''),
               payload), 'UTF8')) AS expected_hash
    FROM enforcement.ledger l
    WINDOW w AS (PARTITION BY tenant_id ORDER BY sequence)
), ends AS (
    SELECT DISTINCT ON (tenant_id) tenant_id, sequence, entry_hash
    FROM enforcement.ledger ORDER BY tenant_id, sequence DESC
)
SELECT (SELECT count(*) FROM rows),
       (SELECT count(*) FROM rows
        WHERE sequence <> expected_sequence OR prev_hash <> expected_prev
           OR entry_hash <> expected_hash)
     + (SELECT count(*) FROM enforcement.ledger_heads h LEFT JOIN ends e USING (tenant_id)
        WHERE h.sequence <> coalesce(e.sequence, 0)
           OR (e.sequence IS NOT NULL AND h.entry_hash <> e.entry_hash))
""",
    at_least="effects",
)

DECISIONS_EQUAL_LEDGER: Final = Invariant(
    "decisions_equal_ledger",
    "Every decision has its one ledger row and every such row its decision",
    "db",
    """
SELECT count(*), count(*) FILTER (WHERE d.decision_id IS NULL OR l.decision_id IS NULL
    OR l.event::text <> CASE WHEN d.failsafe THEN 'decision.failsafe' ELSE 'decision' END)
FROM enforcement.decisions d
FULL JOIN (SELECT * FROM enforcement.ledger WHERE event IN ('decision', 'decision.failsafe')) l
    ON l.tenant_id = d.tenant_id AND l.sequence = d.ledger_sequence
   AND l.decision_id = d.decision_id
""",
    at_least="effects",
)

CREDITS_CONSERVED: Final = Invariant(
    "credits_conserved",
    "Every grant is what was given, less what is consumed, less what is still reserved",
    "db",
    """
SELECT count(*), count(*) FILTER (WHERE remaining_usd <> total_usd - held)
FROM (
    SELECT g.total_usd, g.remaining_usd,
           coalesce(sum(r.reserved_usd - r.released_usd), 0) AS held
    FROM enforcement.credit_grants g
    LEFT JOIN enforcement.credit_reservations r USING (tenant_id, grant_id)
    GROUP BY g.tenant_id, g.grant_id
) grants
""",
)

RESERVATIONS_SETTLED_ONCE: Final = Invariant(
    "reservations_settled_once",
    "What a reservation held is all consumed or released once it is closed, and untouched before",
    "db",
    """
SELECT (SELECT count(*) FROM enforcement.decisions WHERE allocation_usd + credits_usd > 0),
       (SELECT count(*) FROM enforcement.credit_reservations r
        JOIN enforcement.decisions d USING (tenant_id, decision_id)
        WHERE r.consumed_usd + r.released_usd
              <> CASE WHEN d.reservation_active THEN 0 ELSE r.reserved_usd END)
     + (SELECT count(*) FROM enforcement.reconciliations r
        JOIN enforcement.decisions d USING (tenant_id, decision_id) WHERE d.reservation_active)
     + (SELECT count(*) FROM (
            SELECT tenant_id, decision_id FROM enforcement.ledger
            WHERE event IN ('reservation.reconciled', 'reservation.released')
            GROUP BY tenant_id, decision_id HAVING count(*) > 1) twice)
     + (SELECT count(*) FROM (
            SELECT tenant_id, decision_id FROM enforcement.ledger
            WHERE event = 'reservation.reconciled') l
        FULL JOIN enforcement.reconciliations r USING (tenant_id, decision_id)
        WHERE r.idempotency_key IS NULL OR l IS NULL)
""",
    at_least="effects",
    of=("settle*", "race_same_*", "race_different"),
)

USAGE_IS_THE_SUM: Final = Invariant(
    "usage_is_the_sum",
    "What each project is said to have committed is the sum of its active reservations",
    "db",
    """
SELECT count(*), count(*) FILTER (WHERE u.active_allocation_usd <> coalesce(d.allocation, 0)
                                     OR u.active_credits_usd <> coalesce(d.credits, 0))
FROM enforcement.project_usage u
LEFT JOIN (
    SELECT tenant_id, project_id, sum(allocation_usd) AS allocation, sum(credits_usd) AS credits
    FROM enforcement.decisions WHERE reservation_active GROUP BY tenant_id, project_id
) d USING (tenant_id, project_id)
""",
)

BUDGETS_NOT_EXCEEDED: Final = Invariant(
    "budgets_not_exceeded",
    "No budget has more committed against it than it holds",
    "db",
    """
SELECT count(*), count(*) FILTER (WHERE committed > monthly_limit_usd)
FROM (
    SELECT b.monthly_limit_usd, coalesce(sum(u.active_allocation_usd), 0) AS committed
    FROM enforcement.budgets b
    LEFT JOIN enforcement.project_usage u
        ON u.tenant_id = b.tenant_id AND u.project_id = b.scope_key
    WHERE b.active AND b.scope_key <> 'default'
    GROUP BY b.tenant_id, b.scope_key, b.monthly_limit_usd
) budgets
""",
)

TOKENS_SPENT_ONCE: Final = Invariant(
    "tokens_spent_once",
    "Every approval token is spent at most once, and each spending is in the ledger",
    "db",
    """
SELECT (SELECT count(*) FROM enforcement.approvals WHERE token_sha256 IS NOT NULL),
       (SELECT count(*) FROM (
            SELECT a.tenant_id, a.decision_id,
                   count(l.sequence) AS spendings,
                   bool_or(a.token_consumed_at IS NOT NULL) AS consumed
            FROM enforcement.approvals a
            LEFT JOIN enforcement.ledger l
                ON l.tenant_id = a.tenant_id AND l.decision_id = a.decision_id
               AND l.event = 'approval.token_consumed'
            GROUP BY a.tenant_id, a.decision_id) spent
        WHERE spendings <> CASE WHEN consumed THEN 1 ELSE 0 END)
""",
    at_least="effects",
    of=("consume*", "replay_*"),
)

NOTHING_LEAKED: Final = Invariant(
    "nothing_leaked",
    "No session of the service sits in a forgotten transaction or waits for a lock",
    "db",
    """
SELECT count(*), count(*) FILTER (WHERE (state LIKE 'idle in transaction%%'
                                      OR wait_event_type = 'Lock')
    AND clock_timestamp() - state_change > interval '1 second')
FROM pg_stat_activity
WHERE application_name LIKE 'enforcement%%' AND backend_type = 'client backend'
""",
    settle_us=20 * S,
)

FAILSAFES_RECORDED: Final = Invariant(
    "failsafes_recorded",
    "Every fail-safe that was answered is in the ledger exactly once",
    "db",
    """
SELECT count(*), count(*) FILTER (WHERE recorded <> 1)
FROM (
    SELECT a.id, count(l.sequence) AS recorded
    FROM unnest(%(failsafes)s::uuid[]) AS a (id)
    LEFT JOIN enforcement.ledger l
        ON l.decision_id = a.id AND l.event = 'decision.failsafe'
    GROUP BY a.id
) answered
""",
    faults_only=True,
    at_least="effects",
    codes=("*/failsafe:*",),
    settle_us=20 * S,
)

LEDGER: Final = (CHAIN_UNBROKEN, DECISIONS_EQUAL_LEDGER, USAGE_IS_THE_SUM, NOTHING_LEAKED)
"""What every scenario asks."""
