-- What projects have committed, kept true by whatever changes a reservation.

CREATE FUNCTION enforcement.reservation_opened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO enforcement.project_usage AS u
        (tenant_id, project_id, active_allocation_usd, active_credits_usd)
    VALUES (NEW.tenant_id, NEW.project_id, NEW.allocation_usd, NEW.credits_usd)
    ON CONFLICT (tenant_id, project_id) DO UPDATE SET
        active_allocation_usd = u.active_allocation_usd + EXCLUDED.active_allocation_usd,
        active_credits_usd = u.active_credits_usd + EXCLUDED.active_credits_usd;
    RETURN NULL;
END $$;

CREATE TRIGGER reservation_opened AFTER INSERT ON enforcement.decisions
    FOR EACH ROW WHEN (NEW.reservation_active)
    EXECUTE FUNCTION enforcement.reservation_opened();

CREATE FUNCTION enforcement.reservation_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE enforcement.project_usage SET
        active_allocation_usd = active_allocation_usd - OLD.allocation_usd,
        active_credits_usd = active_credits_usd - OLD.credits_usd
    WHERE tenant_id = OLD.tenant_id AND project_id = OLD.project_id;
    RETURN NULL;
END $$;

CREATE TRIGGER reservation_closed AFTER UPDATE OF reservation_active ON enforcement.decisions
    FOR EACH ROW WHEN (OLD.reservation_active AND NOT NEW.reservation_active)
    EXECUTE FUNCTION enforcement.reservation_closed();

CREATE FUNCTION enforcement.reservation_settled() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_month date := date_trunc('month', NEW.reconciled_at AT TIME ZONE 'UTC')::date;
BEGIN
    UPDATE enforcement.project_usage u SET
        settled_month = v_month,
        settled_allocation_usd = NEW.allocation_spent_usd
            + CASE WHEN u.settled_month = v_month THEN u.settled_allocation_usd ELSE 0 END,
        settled_credits_usd = NEW.credits_consumed_usd
            + CASE WHEN u.settled_month = v_month THEN u.settled_credits_usd ELSE 0 END
    FROM enforcement.decisions d
    WHERE d.tenant_id = NEW.tenant_id AND d.decision_id = NEW.decision_id
      AND u.tenant_id = d.tenant_id AND u.project_id = d.project_id;
    RETURN NULL;
END $$;

CREATE TRIGGER reservation_settled AFTER INSERT ON enforcement.reconciliations
    FOR EACH ROW EXECUTE FUNCTION enforcement.reservation_settled();

-- Committed by the tenant, by one project, and by all projects without an active budget of
-- their own, for which the budget "default" answers. (PL/pgSQL, since up to version 17
-- PostgreSQL plans a function in language SQL anew at every call.)
CREATE FUNCTION enforcement.committed(
    p_tenant uuid, p_month date, p_project text,
    OUT tenant_usd numeric, OUT project_usd numeric, OUT default_usd numeric
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT coalesce(sum(x.allocation + x.credits), 0.0000),
           coalesce(sum(x.allocation) FILTER (WHERE x.project_id = p_project), 0.0000),
           coalesce(sum(x.allocation) FILTER (WHERE x.scope_key IS NULL), 0.0000)
    INTO tenant_usd, project_usd, default_usd
    FROM (
        SELECT u.project_id, b.scope_key,
               CASE WHEN u.settled_month = p_month
                    THEN u.active_allocation_usd + u.settled_allocation_usd
                    ELSE u.active_allocation_usd END AS allocation,
               CASE WHEN u.settled_month = p_month
                    THEN u.active_credits_usd + u.settled_credits_usd
                    ELSE u.active_credits_usd END AS credits
        FROM enforcement.project_usage u
        LEFT JOIN enforcement.budgets b
            ON b.tenant_id = p_tenant AND b.scope_key = u.project_id AND b.active
               AND b.scope_key <> 'default'
        WHERE u.tenant_id = p_tenant
    ) x;
END $$;
