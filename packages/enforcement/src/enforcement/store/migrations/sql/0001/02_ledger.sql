-- The chain. What these functions hash is what enforcement.domain.ledger and
-- enforcement.domain.decision hash; a test compares the two on the same rows.

CREATE FUNCTION enforcement.chain_hash(
    p_tenant uuid, p_sequence bigint, p_prev bytea, p_event enforcement.event,
    p_occurred_at timestamptz, p_actor uuid, p_decision uuid, p_digest bytea, p_payload text
) RETURNS bytea LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN sha256(convert_to(concat_ws(E'\n',
        'enforcement.ledger.v1',
        p_tenant,
        p_sequence,
        encode(p_prev, 'hex'),
        p_event,
        to_char(p_occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        p_actor,
        coalesce(p_decision::text, ''),
        coalesce(encode(p_digest, 'hex'), ''),
        p_payload
    ), 'UTF8'));
END $$;

CREATE FUNCTION enforcement.ledger_entry_hash(r enforcement.ledger) RETURNS bytea
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN enforcement.chain_hash(r.tenant_id, r.sequence, r.prev_hash, r.event, r.occurred_at,
        r.actor, r.decision_id, r.decision_digest, r.payload);
END $$;

CREATE FUNCTION enforcement.decision_digest(d enforcement.decisions) RETURNS bytea
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN sha256(convert_to(concat_ws(E'\n',
        'enforcement.decision.v1',
        d.tenant_id,
        d.decision_id,
        d.source,
        d.idempotency_key,
        d.fingerprint,
        d.outcome,
        array_to_string(d.reason_codes, ','),
        d.mode,
        d.policy_version,
        d.policy_sha256,
        d.project_id,
        d.environment,
        d.action,
        d.resource_reference,
        d.monthly_delta_usd,
        d.hourly_delta_usd,
        CASE WHEN d.dry_run THEN 'true' ELSE 'false' END,
        d.allocation_usd,
        d.credits_usd,
        CASE WHEN d.approval_required THEN 'true' ELSE 'false' END,
        d.ttl_seconds,
        CASE WHEN d.failsafe THEN 'true' ELSE 'false' END,
        d.created_by,
        to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        encode(sha256(convert_to(d.details_text, 'UTF8')), 'hex')
    ), 'UTF8'));
END $$;

-- Numbers, links and hashes every new row, whatever the inserter wrote in those columns.
-- Runs as the owner: the application role may not touch the heads. Row-level security binds
-- the owner too (FORCE), so another tenant's head is out of reach here as well.
CREATE FUNCTION enforcement.ledger_append() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
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

CREATE TRIGGER ledger_append BEFORE INSERT ON enforcement.ledger
    FOR EACH ROW EXECUTE FUNCTION enforcement.ledger_append();

CREATE FUNCTION enforcement.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: rows there are never changed or removed',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'EN002';
END $$;

-- Statement level: refused even where no row matches.
CREATE TRIGGER ledger_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON enforcement.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION enforcement.refuse();
CREATE TRIGGER policies_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON enforcement.policies
    FOR EACH STATEMENT EXECUTE FUNCTION enforcement.refuse();
CREATE TRIGGER decisions_kept BEFORE DELETE OR TRUNCATE ON enforcement.decisions
    FOR EACH STATEMENT EXECUTE FUNCTION enforcement.refuse();
CREATE TRIGGER reconciliations_immutable
    BEFORE UPDATE OR DELETE OR TRUNCATE ON enforcement.reconciliations
    FOR EACH STATEMENT EXECUTE FUNCTION enforcement.refuse();

CREATE FUNCTION enforcement.found_chain() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO enforcement.ledger_heads (tenant_id) VALUES (NEW.tenant_id);
    RETURN NULL;
END $$;

CREATE TRIGGER found_chain AFTER INSERT ON enforcement.tenants
    FOR EACH ROW EXECUTE FUNCTION enforcement.found_chain();
