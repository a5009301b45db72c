-- Parity: each STABLE function sees one snapshot.

DROP FUNCTION enforcement.parity_newest(uuid, integer);
DROP FUNCTION enforcement.parity_of_newest(uuid, integer);
DROP FUNCTION enforcement.parity_window(uuid, timestamptz, timestamptz, integer);
DROP FUNCTION enforcement.parity_of_window(uuid, timestamptz, timestamptz, integer);
DROP FUNCTION enforcement.parity_range(uuid, bigint, bigint);
DROP FUNCTION enforcement.chain_faults(uuid, bigint, bigint);

-- A stretch of a tenant's history, its decisions beside its ledger: counts, digests one after the
-- other, for the caller to hash, and the first thing wrong. All of it sees one snapshot. The row
-- before the stretch is the link of its first. Everything is asked for in order, so that even over
-- a small table only the index in that order will do: the plan is kept as the table grows.
CREATE FUNCTION enforcement.parity_part(p_tenant uuid, p_low bigint, p_high bigint)
    RETURNS json LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_archived bigint;
    v_archived_hash bytea;
BEGIN
    SELECT archived_sequence, archived_hash INTO v_archived, v_archived_hash
        FROM enforcement.ledger_heads WHERE tenant_id = p_tenant;
    RETURN (WITH d AS MATERIALIZED (
        SELECT x.ledger_sequence AS sequence, x.decision_id,
               enforcement.decision_digest(x) AS digest
        FROM enforcement.decisions x
        WHERE x.tenant_id = p_tenant AND x.ledger_sequence BETWEEN p_low AND p_high
        ORDER BY x.ledger_sequence
    ), linked AS MATERIALIZED (
        SELECT y.sequence, y.decision_id, y.decision_digest AS digest, CASE
            WHEN y.sequence <> lag(y.sequence, 1, v_archived) OVER w + 1 THEN 'gap'
            WHEN y.prev_hash <> lag(y.entry_hash, 1, v_archived_hash) OVER w THEN 'broken_link'
            WHEN y.entry_hash <> enforcement.ledger_entry_hash(y) THEN 'wrong_hash'
            END AS fault
        FROM enforcement.ledger y
        WHERE y.tenant_id = p_tenant AND y.sequence BETWEEN p_low - 1 AND p_high
        WINDOW w AS (ORDER BY y.sequence)
    ), l AS (
        SELECT * FROM linked WHERE sequence >= p_low
    ), compared AS (
        SELECT coalesce(d.sequence, r.sequence) AS sequence, CASE
            WHEN r.sequence IS NULL THEN 'missing_ledger_row'
            WHEN d.sequence IS NULL THEN 'missing_decision'
            WHEN d.decision_id <> r.decision_id OR d.digest <> r.digest THEN 'digest_differs'
            END AS fault
        FROM d FULL JOIN (SELECT * FROM l WHERE digest IS NOT NULL) r ON d.sequence = r.sequence
    ), faults AS (
        SELECT sequence, fault FROM compared WHERE fault IS NOT NULL
        UNION ALL SELECT sequence, fault FROM l WHERE fault IS NOT NULL
        ORDER BY 1, 2 LIMIT 1
    )
    SELECT json_build_object(
        'decisions', (SELECT count(*) FROM d),
        'ledger_rows', (SELECT count(*) FROM l),
        'decision_rows', (SELECT count(digest) FROM l),
        'decision_digests', (SELECT encode(
            coalesce(string_agg(digest, ''::bytea ORDER BY sequence), ''), 'base64') FROM d),
        'ledger_digests', (SELECT encode(
            coalesce(string_agg(digest, ''::bytea ORDER BY sequence), ''), 'base64') FROM l),
        'chain_ok', NOT EXISTS (SELECT 1 FROM l WHERE fault IS NOT NULL),
        'first_mismatch', (SELECT sequence FROM faults),
        'mismatch_reason', (SELECT fault FROM faults)));
END $$;

-- Of the newest decisions: where their stretch begins and ends, and the whole of it.
CREATE FUNCTION enforcement.parity_of_newest(p_tenant uuid, p_limit integer) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_low bigint;
    v_high bigint;
BEGIN
    SELECT min(n.s), max(n.s) INTO v_low, v_high FROM (
        SELECT ledger_sequence AS s FROM enforcement.decisions
        WHERE tenant_id = p_tenant ORDER BY ledger_sequence DESC LIMIT p_limit) n;
    RETURN json_build_array(v_low, v_high, enforcement.parity_part(p_tenant, v_low, v_high));
END $$;

CREATE FUNCTION enforcement.parity_newest(p_tenant uuid, p_limit integer) RETURNS text
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM enforcement.enter(p_tenant);
    RETURN enforcement.parity_of_newest(p_tenant, p_limit);
END $$;

-- Where the stretch begins and ends that holds every decision made in a time.
CREATE FUNCTION enforcement.parity_bounds(
    p_tenant uuid, p_start timestamptz, p_end timestamptz
) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT json_build_array(min(n.s), max(n.s)) FROM (
        SELECT ledger_sequence AS s FROM enforcement.decisions
        WHERE tenant_id = p_tenant AND created_at >= p_start AND created_at < p_end
        ORDER BY created_at OFFSET 0) n);
END $$;
