-- The rows that are sums over many events, in the words of the ledger: what a replay compares.
-- (enforcement.state has those of before in it, for the tenants that were adopted then.)

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
GRANT SELECT ON enforcement.sums TO enforcement_app;
