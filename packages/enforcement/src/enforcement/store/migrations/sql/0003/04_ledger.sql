-- The ledger: how rows are chained, and pages of it.

-- In SQL, which a query takes in; a call for each row took longer than what it computes.
CREATE OR REPLACE FUNCTION enforcement.chain_hash(
    p_tenant uuid, p_sequence bigint, p_prev bytea, p_event enforcement.event,
    p_occurred_at timestamptz, p_actor uuid, p_decision uuid, p_digest bytea, p_payload text
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(convert_to(concat_ws(E'\n',
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
    ), 'UTF8'))
$$;

CREATE OR REPLACE FUNCTION enforcement.ledger_entry_hash(r enforcement.ledger) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT enforcement.chain_hash(r.tenant_id, r.sequence, r.prev_hash, r.event, r.occurred_at,
        r.actor, r.decision_id, r.decision_digest, r.payload)
$$;

CREATE OR REPLACE FUNCTION enforcement.decision_digest(d enforcement.decisions) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(convert_to(concat_ws(E'\n',
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
    ), 'UTF8'))
$$;

-- Only functions that run as the owner append: this need not become the owner by itself.
CREATE OR REPLACE FUNCTION enforcement.ledger_append() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- Only functions of the owner write rows, and those that come with a hash have been chained.
DROP TRIGGER ledger_append ON enforcement.ledger;
CREATE TRIGGER ledger_append BEFORE INSERT ON enforcement.ledger
    FOR EACH ROW WHEN (NEW.entry_hash IS NULL) EXECUTE FUNCTION enforcement.ledger_append();

-- A page of the ledger, newest first, as JSON text: the payload is JSON already. One of the two
-- arms reads, the other has LIMIT 0; each has a plan that begins where the page begins.
CREATE OR REPLACE FUNCTION enforcement.ledger_page(
    p_tenant uuid, p_limit integer, p_before bigint, p_start timestamptz, p_end timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_timed constant boolean := p_start IS NOT NULL OR p_end IS NOT NULL;
    v_start constant timestamptz := coalesce(p_start, '-infinity');
    v_end constant timestamptz := coalesce(p_end, 'infinity');
    v_before bigint := coalesce(p_before, 9223372036854775807);
    v_at timestamptz;
BEGIN
    PERFORM enforcement.enter(p_tenant);
    IF v_timed THEN
        -- In order, so that only the index by sequence will do, even over a small table.
        SELECT l.occurred_at INTO v_at FROM enforcement.ledger l
            WHERE l.tenant_id = p_tenant AND l.sequence >= p_before
            ORDER BY l.sequence LIMIT 1;
        IF NOT FOUND OR v_at >= v_end THEN
            v_at := v_end;
            v_before := 0;  -- no row has it: everything before that instant
        END IF;
    END IF;
    RETURN (SELECT '[' || coalesce(string_agg(concat(
            '{"sequence":', r.sequence,
            ',"event":"', r.event,
            '","occurred_at":"', to_char(
                r.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            '","actor":"', r.actor,
            '","decision_id":', coalesce('"' || r.decision_id || '"', 'null'),
            ',"decision_digest":', coalesce('"' || encode(r.decision_digest, 'hex') || '"', 'null'),
            ',"prev_hash":"', encode(r.prev_hash, 'hex'),
            '","entry_hash":"', encode(r.entry_hash, 'hex'),
            '","payload":', r.payload, '}'), ','
            ORDER BY CASE WHEN v_timed THEN r.occurred_at END DESC, r.sequence DESC), '') || ']'
        FROM (
            (SELECT * FROM enforcement.ledger l
             WHERE l.tenant_id = p_tenant AND l.sequence < v_before
             ORDER BY l.sequence DESC LIMIT CASE WHEN v_timed THEN 0 ELSE p_limit END)
            UNION ALL
            (SELECT * FROM enforcement.ledger l
             WHERE l.tenant_id = p_tenant AND l.occurred_at >= v_start
               AND (l.occurred_at, l.sequence) < (v_at, v_before)
             ORDER BY l.occurred_at DESC, l.sequence DESC
             LIMIT CASE WHEN v_timed THEN p_limit ELSE 0 END)
        ) r);
END $$;
