-- Parity: each of these is STABLE, so that everything inside sees one snapshot.

-- Rows of a range with what is wrong with each: its number, its link, its hash. The row before
-- the range serves as the first row's link.
CREATE FUNCTION enforcement.chain_faults(p_tenant uuid, p_low bigint, p_high bigint)
    RETURNS TABLE (sequence bigint, fault text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT c.sequence, CASE
        WHEN c.sequence <> coalesce(c.before_sequence, 0) + 1 THEN 'gap'
        WHEN c.prev_hash <> coalesce(c.before_hash, decode(repeat('00', 32), 'hex'))
            THEN 'broken_link'
        ELSE 'wrong_hash' END
    FROM (
        SELECT l.sequence, l.prev_hash, l.entry_hash,
               enforcement.ledger_entry_hash(l) AS computed,
               lag(l.sequence) OVER w AS before_sequence,
               lag(l.entry_hash) OVER w AS before_hash
        FROM enforcement.ledger l
        WHERE l.tenant_id = p_tenant AND l.sequence BETWEEN p_low - 1 AND p_high
        WINDOW w AS (ORDER BY l.sequence)
    ) c
    WHERE c.sequence >= p_low AND (
        c.sequence <> coalesce(c.before_sequence, 0) + 1
        OR c.prev_hash <> coalesce(c.before_hash, decode(repeat('00', 32), 'hex'))
        OR c.entry_hash <> c.computed);
END $$;

CREATE FUNCTION enforcement.parity_range(p_tenant uuid, p_low bigint, p_high bigint)
    RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (WITH d AS (
        SELECT x.ledger_sequence AS sequence, x.decision_id,
               enforcement.decision_digest(x) AS digest
        FROM enforcement.decisions x
        WHERE x.tenant_id = p_tenant AND x.ledger_sequence BETWEEN p_low AND p_high
        -- Asked for in order, so that even over a small table only the index in that order will
        -- do: the plan is kept as the table grows.
        ORDER BY x.ledger_sequence
    ), l AS (
        SELECT y.sequence, y.decision_id, y.decision_digest AS digest
        FROM enforcement.ledger y
        WHERE y.tenant_id = p_tenant AND y.sequence BETWEEN p_low AND p_high
          AND y.decision_digest IS NOT NULL
    ), compared AS (
        SELECT coalesce(d.sequence, l.sequence) AS sequence, CASE
            WHEN l.sequence IS NULL THEN 'missing_ledger_row'
            WHEN d.sequence IS NULL THEN 'missing_decision'
            WHEN d.decision_id <> l.decision_id OR d.digest <> l.digest THEN 'digest_differs'
            END AS fault
        FROM d FULL JOIN l ON d.sequence = l.sequence
    ), chain AS (
        SELECT * FROM enforcement.chain_faults(p_tenant, p_low, p_high)
    ), faults AS (
        SELECT sequence, fault FROM compared WHERE fault IS NOT NULL
        UNION ALL SELECT sequence, fault FROM chain
        ORDER BY 1, 2 LIMIT 1
    )
    SELECT json_build_object(
        'parity_ok', NOT EXISTS (SELECT 1 FROM faults),
        'decisions', (SELECT count(*) FROM d),
        'ledger_rows', (SELECT count(*) FROM enforcement.ledger y
            WHERE y.tenant_id = p_tenant AND y.sequence BETWEEN p_low AND p_high),
        'decision_rows', (SELECT count(*) FROM l),
        'decisions_sha256', (SELECT encode(sha256(
            coalesce(string_agg(digest, ''::bytea ORDER BY sequence), '')), 'hex') FROM d),
        'ledger_sha256', (SELECT encode(sha256(
            coalesce(string_agg(digest, ''::bytea ORDER BY sequence), '')), 'hex') FROM l),
        'first_sequence', p_low,
        'last_sequence', p_high,
        'chain_ok', NOT EXISTS (SELECT 1 FROM chain),
        'first_mismatch', (SELECT sequence FROM faults),
        'mismatch_reason', (SELECT fault FROM faults)
    )::text);
END $$;

CREATE FUNCTION enforcement.parity_of_newest(p_tenant uuid, p_limit integer) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_low bigint;
    v_high bigint;
BEGIN
    SELECT min(n.s), max(n.s) INTO v_low, v_high FROM (
        SELECT ledger_sequence AS s FROM enforcement.decisions
        WHERE tenant_id = p_tenant ORDER BY ledger_sequence DESC LIMIT p_limit) n;
    RETURN enforcement.parity_range(p_tenant, v_low, v_high);
END $$;

CREATE FUNCTION enforcement.parity_newest(p_tenant uuid, p_limit integer) RETURNS text
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM enforcement.enter(p_tenant);
    RETURN enforcement.parity_of_newest(p_tenant, p_limit);
END $$;

-- NULL where the range holds more rows than p_most.
CREATE FUNCTION enforcement.parity_of_window(
    p_tenant uuid, p_start timestamptz, p_end timestamptz, p_most integer
) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_low bigint;
    v_high bigint;
BEGIN
    SELECT min(ledger_sequence), max(ledger_sequence) INTO v_low, v_high
        FROM enforcement.decisions
        WHERE tenant_id = p_tenant AND created_at >= p_start AND created_at < p_end;
    IF v_high - v_low >= p_most THEN
        RETURN NULL;
    END IF;
    RETURN enforcement.parity_range(p_tenant, v_low, v_high);
END $$;

CREATE FUNCTION enforcement.parity_window(
    p_tenant uuid, p_start timestamptz, p_end timestamptz, p_most integer
) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM enforcement.enter(p_tenant);
    RETURN enforcement.parity_of_window(p_tenant, p_start, p_end, p_most);
END $$;

-- A page of the ledger, newest first, as JSON text: the payload is JSON already.
CREATE FUNCTION enforcement.ledger_page(
    p_tenant uuid, p_limit integer, p_before bigint, p_start timestamptz, p_end timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM enforcement.enter(p_tenant);
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
            '","payload":', r.payload, '}'), ',' ORDER BY r.sequence DESC), '') || ']'
        FROM (
            SELECT * FROM enforcement.ledger l
            WHERE l.tenant_id = p_tenant
              AND (p_before IS NULL OR l.sequence < p_before)
              AND (p_start IS NULL OR l.occurred_at >= p_start)
              AND (p_end IS NULL OR l.occurred_at < p_end)
            ORDER BY l.sequence DESC LIMIT p_limit
        ) r);
END $$;
