-- What is active is written where a reservation opens and closes, its tenant's share with its
-- project's, by one function; no trigger is asked. (A condition of a trigger is parsed anew by every
-- statement on its table, as a CHECK is: those of a gate's tables go, or name columns instead.)

-- Adds to what a project has active, and to its tenant's sums; what is below zero takes away.
-- (Returns something, so that PL/pgSQL can call it in an expression, without a query around it.)
CREATE FUNCTION enforcement.reserve(
    p_tenant uuid, p_project text, p_allocation numeric, p_credits numeric
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_own_budget boolean;
BEGIN
    UPDATE enforcement.project_usage SET
        active_allocation_usd = active_allocation_usd + p_allocation,
        active_credits_usd = active_credits_usd + p_credits
    WHERE tenant_id = p_tenant AND project_id = p_project
    RETURNING own_budget INTO v_own_budget;
    IF NOT FOUND THEN
        INSERT INTO enforcement.project_usage (tenant_id, project_id, own_budget)
        VALUES (p_tenant, p_project, enforcement.has_own_budget(p_tenant, p_project))
        ON CONFLICT DO NOTHING;
        RETURN enforcement.reserve(p_tenant, p_project, p_allocation, p_credits);
    END IF;
    UPDATE enforcement.tenant_usage SET
        total_usd = total_usd + p_allocation + p_credits,
        default_usd = default_usd + CASE WHEN v_own_budget THEN 0 ELSE p_allocation END
    WHERE tenant_id = p_tenant AND month = '-infinity';
    IF NOT FOUND THEN
        PERFORM enforcement.add_usage(p_tenant, '-infinity', p_allocation + p_credits,
            CASE WHEN v_own_budget THEN 0 ELSE p_allocation END);
    END IF;
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION enforcement.reserve(uuid, text, numeric, numeric) FROM PUBLIC;

-- gate_commit calls it for what it writes.
DROP TRIGGER reservation_opened ON enforcement.decisions;
DROP FUNCTION enforcement.reservation_opened();

CREATE OR REPLACE FUNCTION enforcement.reservation_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM enforcement.reserve(
        OLD.tenant_id, OLD.project_id, -OLD.allocation_usd, -OLD.credits_usd);
    RETURN NULL;
END $$;

-- Everything else about a project's row goes the long way, exact whatever was changed.
DROP TRIGGER usage_changed ON enforcement.project_usage;
CREATE TRIGGER usage_changed
    AFTER INSERT OR UPDATE OF own_budget, settled_month, settled_allocation_usd, settled_credits_usd
    ON enforcement.project_usage
    FOR EACH ROW EXECUTE FUNCTION enforcement.usage_changed();

-- Rows that come with a hash have been chained.
CREATE OR REPLACE FUNCTION enforcement.ledger_append() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.entry_hash IS NOT NULL THEN
        RETURN NEW;
    END IF;
    UPDATE enforcement.ledger_heads h SET
        sequence = h.sequence + 1,
        prev_hash = h.entry_hash,
        entry_hash = enforcement.chain_hash(NEW.tenant_id, h.sequence + 1, h.entry_hash,
            NEW.event, NEW.occurred_at, NEW.actor, NEW.decision_id, NEW.decision_digest,
            NEW.payload)
    WHERE h.tenant_id = NEW.tenant_id
    RETURNING h.sequence, h.prev_hash, h.entry_hash
    INTO NEW.sequence, NEW.prev_hash, NEW.entry_hash;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such tenant' USING ERRCODE = 'EN001';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER ledger_append ON enforcement.ledger;
CREATE TRIGGER ledger_append BEFORE INSERT ON enforcement.ledger
    FOR EACH ROW EXECUTE FUNCTION enforcement.ledger_append();
