-- What a tenant has committed, kept beside what each of its projects has: headroom costs no sum.

-- Whether a project has an active budget of its own; else "default" answers for it.
ALTER TABLE enforcement.project_usage ADD own_budget boolean NOT NULL DEFAULT false;

-- The sums over a tenant's projects, so that a gate never makes them: any member may name a new
-- project. The row of a month holds what was settled in it; that of '-infinity', what is active.
-- "default_usd" is the share, without credits, of projects that have no active budget of their
-- own, for which the budget "default" answers.
CREATE TABLE enforcement.tenant_usage (
    tenant_id   uuid NOT NULL REFERENCES enforcement.tenants,
    month       date NOT NULL,
    total_usd   enforcement.usd NOT NULL,
    default_usd enforcement.usd NOT NULL,
    PRIMARY KEY (tenant_id, month)
) WITH (fillfactor = 40);

-- What is there already, as the owner, whom this migration shows all tenants.
UPDATE enforcement.project_usage u SET own_budget = true
    FROM enforcement.budgets b
    WHERE b.tenant_id = u.tenant_id AND b.scope_key = u.project_id AND b.active
      AND b.scope_key <> 'default';
INSERT INTO enforcement.tenant_usage
SELECT x.tenant_id, x.month, sum(x.allocation + x.credits),
       sum(CASE WHEN x.own_budget THEN 0 ELSE x.allocation END)
FROM (
    SELECT tenant_id, date '-infinity' AS month, own_budget,
           active_allocation_usd AS allocation, active_credits_usd AS credits
    FROM enforcement.project_usage
    UNION ALL
    SELECT tenant_id, settled_month, own_budget, settled_allocation_usd, settled_credits_usd
    FROM enforcement.project_usage
) x
GROUP BY x.tenant_id, x.month HAVING sum(x.allocation + x.credits) > 0;

ALTER TABLE enforcement.tenant_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE enforcement.tenant_usage FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON enforcement.tenant_usage
    USING (tenant_id = NULLIF(current_setting('enforcement.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = NULLIF(current_setting('enforcement.tenant_id', true), '')::uuid);
GRANT SELECT ON enforcement.tenant_usage TO enforcement_app;

-- Whether a project answers to a budget of its own; else it answers to "default".
CREATE FUNCTION enforcement.has_own_budget(p_tenant uuid, p_project text) RETURNS boolean
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN p_project <> 'default' AND EXISTS (
        SELECT FROM enforcement.budgets
        WHERE tenant_id = p_tenant AND scope_key = p_project AND active);
END $$;

-- Once for all decisions that are written together.
DROP TRIGGER reservation_opened ON enforcement.decisions;
CREATE OR REPLACE FUNCTION enforcement.reservation_opened() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_sum record;
BEGIN
    FOR v_sum IN
        SELECT m.tenant_id, m.project_id, sum(m.allocation_usd) AS allocation_usd,
               sum(m.credits_usd) AS credits_usd
        FROM made m WHERE m.reservation_active
        GROUP BY m.tenant_id, m.project_id
    LOOP
        UPDATE enforcement.project_usage u SET
            active_allocation_usd = u.active_allocation_usd + v_sum.allocation_usd,
            active_credits_usd = u.active_credits_usd + v_sum.credits_usd
        WHERE u.tenant_id = v_sum.tenant_id AND u.project_id = v_sum.project_id;
        CONTINUE WHEN FOUND;
        INSERT INTO enforcement.project_usage AS u
            (tenant_id, project_id, own_budget, active_allocation_usd, active_credits_usd)
        VALUES (v_sum.tenant_id, v_sum.project_id,
                enforcement.has_own_budget(v_sum.tenant_id, v_sum.project_id),
                v_sum.allocation_usd, v_sum.credits_usd)
        ON CONFLICT (tenant_id, project_id) DO UPDATE SET
            active_allocation_usd = u.active_allocation_usd + EXCLUDED.active_allocation_usd,
            active_credits_usd = u.active_credits_usd + EXCLUDED.active_credits_usd;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER reservation_opened AFTER INSERT ON enforcement.decisions
    REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION enforcement.reservation_opened();

CREATE FUNCTION enforcement.budget_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE enforcement.project_usage SET own_budget = NEW.active
    WHERE tenant_id = NEW.tenant_id AND project_id = NEW.scope_key
      AND own_budget <> NEW.active;
    RETURN NULL;
END $$;

CREATE TRIGGER budget_changed AFTER INSERT OR UPDATE OF active ON enforcement.budgets
    FOR EACH ROW WHEN (NEW.scope_key <> 'default')
    EXECUTE FUNCTION enforcement.budget_changed();

CREATE FUNCTION enforcement.add_usage(
    p_tenant uuid, p_month date, p_total numeric, p_default numeric
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_total = 0 AND p_default = 0 THEN
        RETURN;
    END IF;
    UPDATE enforcement.tenant_usage SET
        total_usd = total_usd + p_total, default_usd = default_usd + p_default
    WHERE tenant_id = p_tenant AND month = p_month;
    IF NOT FOUND THEN
        INSERT INTO enforcement.tenant_usage AS u VALUES (p_tenant, p_month, p_total, p_default)
        ON CONFLICT (tenant_id, month) DO UPDATE SET
            total_usd = u.total_usd + EXCLUDED.total_usd,
            default_usd = u.default_usd + EXCLUDED.default_usd;
    END IF;
END $$;

-- Carries what a project's row gained or lost over to its tenant's rows: exact whatever was
-- changed, its amounts, its month, or which budget it answers to.
CREATE FUNCTION enforcement.usage_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    o enforcement.project_usage;
    n enforcement.project_usage := NEW;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        o := OLD;
    ELSE
        o := ROW (n.tenant_id, n.project_id, 0, 0, n.settled_month, 0, 0, n.own_budget);
    END IF;
    PERFORM enforcement.add_usage(n.tenant_id, '-infinity',
        n.active_allocation_usd + n.active_credits_usd
            - o.active_allocation_usd - o.active_credits_usd,
        CASE WHEN n.own_budget THEN 0 ELSE n.active_allocation_usd END
            - CASE WHEN o.own_budget THEN 0 ELSE o.active_allocation_usd END);
    IF (o.own_budget, o.settled_month, o.settled_allocation_usd, o.settled_credits_usd)
        <> (n.own_budget, n.settled_month, n.settled_allocation_usd, n.settled_credits_usd)
    THEN
        PERFORM enforcement.add_usage(n.tenant_id, o.settled_month,
            -o.settled_allocation_usd - o.settled_credits_usd,
            CASE WHEN o.own_budget THEN 0 ELSE -o.settled_allocation_usd END);
        PERFORM enforcement.add_usage(n.tenant_id, n.settled_month,
            n.settled_allocation_usd + n.settled_credits_usd,
            CASE WHEN n.own_budget THEN 0 ELSE n.settled_allocation_usd END);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER usage_changed AFTER INSERT OR UPDATE ON enforcement.project_usage
    FOR EACH ROW EXECUTE FUNCTION enforcement.usage_changed();

DROP FUNCTION enforcement.committed(uuid, date, text);
