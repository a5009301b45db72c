-- The state of the tables beside decisions, a JSON object a row, in the words of the events: each
-- row with the event that last wrote it, and apart from those the sums over many events.

CREATE FUNCTION enforcement.rfc3339(p_at timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

CREATE VIEW enforcement.state WITH (security_invoker = true) AS
SELECT tenant_id, ledger_sequence, 'tenants' AS kind, tenant_id::text AS id, json_build_object(
        'name', name, 'plan', plan, 'created_at', enforcement.rfc3339(created_at))::text AS state
    FROM enforcement.tenants
UNION ALL
SELECT tenant_id, ledger_sequence, 'principals', principal_id::text, json_build_object(
        'principal_id', principal_id, 'name', name, 'role', role, 'permissions', permissions,
        'active', active, 'created_at', enforcement.rfc3339(created_at))::text
    FROM enforcement.principals
UNION ALL
SELECT tenant_id, ledger_sequence, 'rate_settings', bucket, json_build_object(
        'bucket', bucket, 'per_minute', per_minute)::text
    FROM enforcement.rate_settings
UNION ALL
SELECT tenant_id, ledger_sequence, 'cost_records', day::text, json_build_object(
        'day', day::text, 'amount_usd', amount_usd::text)::text
    FROM enforcement.cost_records
UNION ALL
SELECT tenant_id, ledger_sequence, 'policies', version::text, json_build_object(
        'policy_version', version, 'policy_sha256', sha256, 'document', document,
        'created_by', created_by, 'created_at', enforcement.rfc3339(created_at))::text
    FROM enforcement.policies
UNION ALL
SELECT tenant_id, ledger_sequence, 'budgets', scope_key, json_build_object(
        'scope_key', scope_key, 'monthly_limit_usd', monthly_limit_usd::text, 'active', active,
        'updated_at', enforcement.rfc3339(updated_at))::text
    FROM enforcement.budgets
UNION ALL
SELECT tenant_id, ledger_sequence, 'credit_grants', grant_id::text, json_build_object(
        'grant_id', grant_id, 'pool', pool, 'scope_key', scope_key,
        'total_usd', total_usd::text, 'expires_at', enforcement.rfc3339(expires_at),
        'reason', reason, 'created_by', created_by,
        'created_at', enforcement.rfc3339(created_at))::text
    FROM enforcement.credit_grants
UNION ALL
SELECT tenant_id, ledger_sequence, 'approvals', approval_id::text, json_build_object(
        'approval_id', approval_id, 'decision_id', decision_id, 'state', state,
        'routing_rule', rule, 'required_permission', required_permission,
        'allowed_roles', allowed_roles, 'require_separation', require_separation,
        'requested_by', requested_by, 'requested_at', enforcement.rfc3339(requested_at),
        'expires_at', enforcement.rfc3339(expires_at), 'notes', notes,
        'reviewed_by', reviewed_by, 'reviewed_at', enforcement.rfc3339(reviewed_at),
        'review_notes', review_notes, 'token_sha256', token_sha256,
        'token_expires_at', enforcement.rfc3339(token_expires_at),
        'token_consumed_at', enforcement.rfc3339(token_consumed_at),
        'token_consumed_by', token_consumed_by)::text
    FROM enforcement.approvals
UNION ALL
SELECT tenant_id, ledger_sequence, 'credit_reservations', decision_id || ':' || grant_id,
    json_build_object(
        'decision_id', decision_id, 'grant_id', grant_id, 'position', position,
        'reserved_usd', reserved_usd::text, 'consumed_usd', consumed_usd::text,
        'released_usd', released_usd::text)::text
    FROM enforcement.credit_reservations
UNION ALL
SELECT tenant_id, ledger_sequence, 'reconciliations', decision_id::text, json_build_object(
        'decision_id', decision_id, 'idempotency_key', idempotency_key, 'notes', notes,
        'actual_usd', actual_usd::text, 'reserved_usd', reserved_usd::text,
        'allocation_spent_usd', allocation_spent_usd::text,
        'credits_consumed_usd', credits_consumed_usd::text,
        'credits_released_usd', credits_released_usd::text, 'drift_usd', drift_usd::text,
        'status', status, 'reconciled_by', reconciled_by,
        'reconciled_at', enforcement.rfc3339(reconciled_at))::text
    FROM enforcement.reconciliations;

CREATE VIEW enforcement.sums WITH (security_invoker = true) AS
SELECT tenant_id, 'project_usage' AS kind, project_id AS id, json_build_object(
        'own_budget', own_budget, 'active_allocation_usd', active_allocation_usd::text,
        'active_credits_usd', active_credits_usd::text, 'settled_month', settled_month::text,
        'settled_allocation_usd', settled_allocation_usd::text,
        'settled_credits_usd', settled_credits_usd::text)::text AS state
    FROM enforcement.project_usage
UNION ALL
SELECT tenant_id, 'tenant_usage', month::text, json_build_object(
        'total_usd', total_usd::text, 'default_usd', default_usd::text)::text
    FROM enforcement.tenant_usage
UNION ALL
SELECT tenant_id, 'credit_balances', grant_id::text, json_build_object(
        'remaining_usd', remaining_usd::text)::text
    FROM enforcement.credit_grants;
