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
