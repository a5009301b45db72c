-- Row-level security binds everyone, the owner included. The application role owns nothing,
-- changes only the columns that are meant to change, and deletes nothing.

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenants', 'principals', 'ledger_heads', 'ledger', 'policies',
        'budgets', 'project_usage', 'credit_grants', 'decisions', 'credit_reservations',
        'approvals', 'reconciliations', 'cost_records', 'rate_settings']
    LOOP
        EXECUTE format('ALTER TABLE enforcement.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE enforcement.%I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_tenant ON enforcement.%I'
            ' USING (tenant_id = NULLIF(current_setting(''enforcement.tenant_id'', true), '''')::uuid)'
            ' WITH CHECK (tenant_id = NULLIF(current_setting(''enforcement.tenant_id'', true), '''')::uuid)',
            t);
        EXECUTE format('REVOKE ALL ON enforcement.%I FROM PUBLIC', t);
        EXECUTE format('GRANT SELECT ON enforcement.%I TO enforcement_app', t);
    END LOOP;
END $$;

REVOKE ALL ON enforcement.rate_counters, enforcement.rate_global FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA enforcement FROM PUBLIC;
GRANT USAGE ON SCHEMA enforcement TO enforcement_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA enforcement TO enforcement_app;
-- Called only by functions that run as the owner.
REVOKE EXECUTE ON FUNCTION enforcement.rate_roll(text, uuid, bigint) FROM enforcement_app;

GRANT INSERT, UPDATE (plan) ON enforcement.tenants TO enforcement_app;
GRANT INSERT, UPDATE (role, permissions, active) ON enforcement.principals TO enforcement_app;
GRANT INSERT (tenant_id, event, occurred_at, actor, decision_id, decision_digest, payload)
    ON enforcement.ledger TO enforcement_app;
GRANT INSERT ON enforcement.policies TO enforcement_app;
GRANT INSERT, UPDATE (monthly_limit_usd, active, updated_at)
    ON enforcement.budgets TO enforcement_app;
GRANT INSERT, UPDATE (active_allocation_usd, active_credits_usd, settled_month,
    settled_allocation_usd, settled_credits_usd) ON enforcement.project_usage TO enforcement_app;
GRANT INSERT, UPDATE (remaining_usd) ON enforcement.credit_grants TO enforcement_app;
GRANT INSERT, UPDATE (reservation_active, approval_id)
    ON enforcement.decisions TO enforcement_app;
GRANT INSERT, UPDATE (consumed_usd, released_usd)
    ON enforcement.credit_reservations TO enforcement_app;
GRANT INSERT, UPDATE (state, reviewed_by, reviewed_at, review_notes, token_sha256,
    token_expires_at, token_consumed_at, token_consumed_by)
    ON enforcement.approvals TO enforcement_app;
GRANT INSERT ON enforcement.reconciliations TO enforcement_app;
GRANT INSERT, UPDATE (amount_usd) ON enforcement.cost_records TO enforcement_app;
GRANT INSERT, UPDATE (per_minute) ON enforcement.rate_settings TO enforcement_app;
