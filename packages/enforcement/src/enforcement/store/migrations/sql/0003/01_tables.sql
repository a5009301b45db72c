-- Each row of the state names the event that last wrote it. 0: none did.
ALTER TABLE enforcement.tenants ADD ledger_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE enforcement.principals ADD ledger_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE enforcement.policies ADD ledger_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE enforcement.budgets ADD ledger_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE enforcement.credit_grants ADD ledger_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE enforcement.credit_reservations ADD ledger_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE enforcement.approvals ADD ledger_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE enforcement.reconciliations ADD ledger_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE enforcement.cost_records ADD ledger_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE enforcement.rate_settings ADD ledger_sequence bigint NOT NULL DEFAULT 0;

-- key_given: the caller gave the key; else it is the request's fingerprint, and the decision is
-- remembered under it only while it is alive. voided: its caller was told something else.
-- replayed: its caller has heard it a second time, so it can no longer be voided.
ALTER TABLE enforcement.decisions
    ADD key_given boolean NOT NULL DEFAULT true,
    ADD voided boolean NOT NULL DEFAULT false,
    ADD replayed boolean NOT NULL DEFAULT false;

UPDATE enforcement.decisions SET key_given = false WHERE idempotency_key = fingerprint;

-- How far a tenant's rows are kept elsewhere, and the hash of the last of those: the link of the
-- first row that is still here.
ALTER TABLE enforcement.ledger_heads
    ADD archived_sequence bigint NOT NULL DEFAULT 0,
    ADD archived_hash enforcement.sha256 NOT NULL DEFAULT decode(repeat('00', 32), 'hex');

DROP INDEX enforcement.decisions_by_key;
CREATE UNIQUE INDEX decisions_by_key ON enforcement.decisions
    (tenant_id, idempotency_key, source) WHERE key_given AND NOT failsafe AND NOT voided;
CREATE INDEX decisions_by_fingerprint ON enforcement.decisions
    (tenant_id, idempotency_key, ledger_sequence) WHERE NOT key_given AND NOT failsafe;

-- Time runs along with the sequence but for late rows (a fail-safe's, from the journal). By ranges
-- of blocks, cheaper to keep, a tenant's day cost every tenant's rows of it; so did a page.
DROP INDEX enforcement.ledger_by_time;
CREATE INDEX ledger_by_time ON enforcement.ledger (tenant_id, occurred_at, sequence);
DROP INDEX enforcement.decisions_by_time;
CREATE INDEX decisions_by_time
    ON enforcement.decisions (tenant_id, created_at, ledger_sequence);
DROP INDEX enforcement.decisions_reserving;
CREATE INDEX decisions_reserving
    ON enforcement.decisions (tenant_id, created_at, decision_id) WHERE reservation_active;
DROP INDEX enforcement.reconciliations_drifting;
CREATE INDEX reconciliations_drifting
    ON enforcement.reconciliations (tenant_id, reconciled_at DESC, decision_id DESC)
    WHERE drift_usd <> 0;

-- What ends by itself, and when. The queue reads it from the present on, so that what expired
-- costs it nothing; the sweep reads it up to the present.
CREATE FUNCTION enforcement.ends_at(
    p_state text, p_expires_at timestamptz, p_token_expires_at timestamptz
) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE p_state WHEN 'pending' THEN p_expires_at ELSE p_token_expires_at END
$$;
DROP INDEX enforcement.approvals_pending;
CREATE INDEX approvals_pending
    ON enforcement.approvals (tenant_id, expires_at, approval_id) WHERE state = 'pending';
CREATE INDEX approvals_ending
    ON enforcement.approvals (enforcement.ends_at(state, expires_at, token_expires_at))
    WHERE state = 'pending' OR (state = 'approved' AND token_consumed_at IS NULL);
