-- Grants in the order in which they pay: for a scope and, of emergency credit, for all; and in the
-- order in which they are listed. (Not COALESCE: row-level security takes it for leaky, and keeps
-- it out of index conditions. No two of the indexes fit one query: while the table is small either
-- looks as good, and that plan would be kept.)
CREATE INDEX credit_grants_of_scope ON enforcement.credit_grants
    (tenant_id, pool, scope_key,
     (CASE WHEN expires_at IS NULL THEN 'infinity' ELSE expires_at END), created_at, grant_id)
    WHERE remaining_usd > 0;
CREATE INDEX credit_grants_of_emergency ON enforcement.credit_grants
    (tenant_id,
     (CASE WHEN expires_at IS NULL THEN 'infinity' ELSE expires_at END), created_at, grant_id)
    WHERE remaining_usd > 0 AND pool = 'emergency';
DROP INDEX enforcement.credit_grants_newest;
CREATE INDEX credit_grants_newest
    ON enforcement.credit_grants (tenant_id, created_at DESC, grant_id DESC);

-- The first grants, p_most of each pool, that may pay for each of these projects, and maybe others;
-- the caller puts them in order. Each arm walks an index in the order of payment and stops.
CREATE FUNCTION enforcement.payers(
    p_tenant uuid, p_projects text[], p_now timestamptz, p_most integer
) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((
        SELECT json_agg(json_build_object(
            'grant_id', g.grant_id, 'pool', g.pool, 'scope_key', g.scope_key,
            'total_usd', g.total_usd::text, 'remaining_usd', g.remaining_usd::text,
            'created_at', g.created_at, 'expires_at', g.expires_at))
        FROM (
            SELECT x.*
            FROM (SELECT 'default' UNION SELECT unnest(p_projects)) AS s (scope_key),
                 (VALUES ('reserved'), ('emergency')) AS p (pool),
                 LATERAL (
                     SELECT * FROM enforcement.credit_grants y
                     WHERE y.tenant_id = p_tenant AND y.pool = p.pool
                       AND y.scope_key = s.scope_key AND y.remaining_usd > 0
                       AND CASE WHEN y.expires_at IS NULL THEN 'infinity'
                                ELSE y.expires_at END > p_now
                     ORDER BY CASE WHEN y.expires_at IS NULL THEN 'infinity'
                                   ELSE y.expires_at END, y.created_at, y.grant_id
                     LIMIT p_most) x
            UNION
            (SELECT * FROM enforcement.credit_grants z
             WHERE z.tenant_id = p_tenant AND z.pool = 'emergency' AND z.remaining_usd > 0
               AND CASE WHEN z.expires_at IS NULL THEN 'infinity' ELSE z.expires_at END > p_now
             ORDER BY CASE WHEN z.expires_at IS NULL THEN 'infinity' ELSE z.expires_at END,
                      z.created_at, z.grant_id
             LIMIT p_most)
        ) g), '[]');
END $$;

-- Only functions of the owner draw.
DROP FUNCTION enforcement.draw_credits(uuid, json);
CREATE FUNCTION enforcement.draw_credits(p_tenant uuid, p_draws json) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_missing integer;
BEGIN
    INSERT INTO enforcement.credit_reservations
        (tenant_id, decision_id, grant_id, position, reserved_usd, ledger_sequence)
    SELECT p_tenant, x.decision_id, x.grant_id, x.position, x.reserved_usd, d.ledger_sequence
    FROM json_to_recordset(p_draws)
        AS x (decision_id uuid, grant_id uuid, position integer, reserved_usd numeric)
    JOIN enforcement.decisions d ON d.tenant_id = p_tenant AND d.decision_id = x.decision_id;
    WITH wanted AS (
        SELECT x.grant_id, sum(x.reserved_usd) AS amount
        FROM json_to_recordset(p_draws) AS x (grant_id uuid, reserved_usd numeric)
        GROUP BY x.grant_id
    ), paid AS (
        UPDATE enforcement.credit_grants g SET remaining_usd = g.remaining_usd - w.amount
        FROM wanted w WHERE g.tenant_id = p_tenant AND g.grant_id = w.grant_id
        RETURNING g.grant_id
    )
    SELECT (SELECT count(*) FROM wanted) - (SELECT count(*) FROM paid) INTO v_missing;
    IF v_missing <> 0 THEN
        RAISE EXCEPTION 'a grant drawn from is not there' USING ERRCODE = 'EN004';
    END IF;
END $$;
