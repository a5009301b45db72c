-- The gate: one function that locks and reads, one that writes; between them, the decision.
-- Both are VOLATILE: each of their statements sees what was committed before it began, so what
-- is read after the lock is what the last holder of the lock left behind.

CREATE FUNCTION enforcement.enter(p_tenant uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('enforcement.tenant_id', p_tenant::text, true);
END $$;

-- The tenant's lock, held to the end of the transaction. As the owner, since the application
-- role may not touch the heads.
CREATE FUNCTION enforcement.lock_tenant(p_tenant uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM 1 FROM enforcement.ledger_heads WHERE tenant_id = p_tenant FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such tenant' USING ERRCODE = 'EN001';
    END IF;
END $$;

-- The same without waiting: whether it was free.
CREATE FUNCTION enforcement.try_lock_tenant(p_tenant uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM 1 FROM enforcement.ledger_heads WHERE tenant_id = p_tenant
        FOR UPDATE SKIP LOCKED;
    RETURN FOUND;
END $$;

CREATE FUNCTION enforcement.enter_locked(
    p_tenant uuid, p_lock_timeout_ms integer, p_lock boolean DEFAULT true
) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('enforcement.tenant_id', p_tenant::text, true),
            set_config('lock_timeout', p_lock_timeout_ms::text, true);
    IF p_lock THEN
        PERFORM enforcement.lock_tenant(p_tenant);
    END IF;
    RETURN clock_timestamp();
END $$;

CREATE FUNCTION enforcement.decision_json(d enforcement.decisions) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT row_to_json(r)::text FROM (SELECT
        (d).decision_id, (d).tenant_id, (d).source, (d).idempotency_key, (d).fingerprint,
        (d).outcome, (d).reason_codes, (d).mode, (d).policy_version, (d).policy_sha256,
        (d).project_id, (d).environment, (d).action, (d).resource_reference,
        (d).monthly_delta_usd::text, (d).hourly_delta_usd::text, (d).dry_run,
        (d).allocation_usd::text, (d).credits_usd::text, (d).reservation_active,
        (d).approval_required, (d).ttl_seconds, (d).failsafe, (d).created_by, (d).created_at,
        (d).details_text, (d).approval_id
    ) r);
END $$;

-- The decision made under a key, or NULL. A function of its own, so that the planner cannot join:
-- while the table is small it would read all decisions of the tenant, and keep that plan.
CREATE FUNCTION enforcement.decision_by_key(
    p_tenant uuid, p_source enforcement.source, p_key text
) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_row enforcement.decisions;
BEGIN
    SELECT * INTO v_row FROM enforcement.decisions d
        WHERE d.tenant_id = p_tenant AND d.source = p_source AND d.idempotency_key = p_key
          AND NOT d.failsafe;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN enforcement.decision_json(v_row);
END $$;

-- Locks, and reads what requests of one tenant depend on; the arrays run in parallel, one place
-- a request. "existing" holds [place, decision] for each key used before. p_known_version: the
-- policy version the caller holds; its text is then left out.
CREATE FUNCTION enforcement.gate_begin(
    p_tenant uuid, p_sources enforcement.source[], p_keys text[], p_projects text[],
    p_known_version integer, p_lock_timeout_ms integer, p_lock boolean, p_lookup boolean
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz;
    v_today date;
    v_month date;
    v_text text;
BEGIN
    PERFORM set_config('enforcement.tenant_id', p_tenant::text, true),
            set_config('lock_timeout', p_lock_timeout_ms::text, true);
    IF p_lock AND NOT enforcement.try_lock_tenant(p_tenant) THEN
        -- Where every request is a replay, nobody waits for the lock.
        IF NOT p_lookup OR EXISTS (
            SELECT FROM unnest(p_sources, p_keys) AS k (source, key)
            WHERE enforcement.decision_by_key(p_tenant, k.source, k.key) IS NULL)
        THEN
            PERFORM enforcement.lock_tenant(p_tenant);
        END IF;
    END IF;
    v_now := clock_timestamp();
    v_today := (v_now AT TIME ZONE 'UTC')::date;
    v_month := date_trunc('month', v_today)::date;
    SELECT json_build_object(
        'now', v_now,
        'policy_version', coalesce(p.version, 0),
        'policy_text', CASE WHEN p.version IS DISTINCT FROM p_known_version
                            THEN p.document END,
        'committed_usd', u.tenant_usd::text,
        'scopes', u.scopes,
        'budgets', coalesce((
            SELECT json_object_agg(y.scope_key, y.monthly_limit_usd::text)
            FROM enforcement.budgets y
            WHERE y.tenant_id = p_tenant AND y.active
              AND (y.scope_key = 'default' OR y.scope_key = ANY (p_projects))), '{}'),
        'grants', coalesce((
            SELECT json_agg(json_build_object(
                'grant_id', g.grant_id, 'pool', g.pool, 'scope_key', g.scope_key,
                'total_usd', g.total_usd::text, 'remaining_usd', g.remaining_usd::text,
                'created_at', g.created_at, 'expires_at', g.expires_at))
            FROM enforcement.credit_grants g
            WHERE g.tenant_id = p_tenant AND g.remaining_usd > 0
              AND (g.expires_at IS NULL OR g.expires_at > v_now)
              AND (g.pool = 'emergency' OR g.scope_key = 'default'
                   OR g.scope_key = ANY (p_projects))), '[]'),
        'costs', coalesce((
            SELECT json_agg(json_build_array(r.day, r.amount_usd::text))
            FROM enforcement.cost_records r
            WHERE r.tenant_id = p_tenant AND r.day > v_today - 35), '[]'),
        'existing', coalesce((
            SELECT json_agg(json_build_array(k.place - 1, k.found::json))
            FROM (
                SELECT x.place, enforcement.decision_by_key(p_tenant, x.source, x.key) AS found
                FROM unnest(p_sources, p_keys) WITH ORDINALITY AS x (source, key, place)
                WHERE p_lookup
            ) k WHERE k.found IS NOT NULL), '[]')
    )
    INTO v_text
    FROM (
        -- The budget "default" answers for every project without an active one of its own.
        SELECT coalesce(sum(x.allocation + x.credits), 0.0000) AS tenant_usd,
               json_build_object('default',
                   coalesce(sum(x.allocation) FILTER (WHERE x.own IS NULL), 0.0000)::text)::jsonb
               || coalesce(jsonb_object_agg(x.own, x.allocation::text)
                           FILTER (WHERE x.own = ANY (p_projects)), '{}') AS scopes
        FROM (
            SELECT b.scope_key AS own,
                   CASE WHEN a.settled_month = v_month
                        THEN a.active_allocation_usd + a.settled_allocation_usd
                        ELSE a.active_allocation_usd END AS allocation,
                   CASE WHEN a.settled_month = v_month
                        THEN a.active_credits_usd + a.settled_credits_usd
                        ELSE a.active_credits_usd END AS credits
            FROM enforcement.project_usage a
            LEFT JOIN enforcement.budgets b
                ON b.tenant_id = p_tenant AND b.scope_key = a.project_id AND b.active
                   AND b.scope_key <> 'default'
            WHERE a.tenant_id = p_tenant
        ) x
    ) u
    LEFT JOIN LATERAL (
        SELECT z.version, z.document FROM enforcement.policies z
        WHERE z.tenant_id = p_tenant ORDER BY z.version DESC LIMIT 1) p ON true;
    RETURN v_text;
END $$;

-- Writes decisions, each after its ledger row, in the order given; then their draws and their
-- approval requests. p_items: [{"decision", "digest", "payload"}, ...]; p_draws:
-- [{"decision_id", "grant_id", "position", "reserved_usd"}, ...]; p_approvals:
-- [{"row", "payload"}, ...]; both NULL when empty.
CREATE FUNCTION enforcement.gate_commit(
    p_tenant uuid, p_items json, p_draws json, p_approvals json
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_item json;
    v_row enforcement.decisions;
BEGIN
    FOR v_item IN SELECT json_array_elements(p_items) LOOP
        v_row := json_populate_record(NULL::enforcement.decisions, v_item -> 'decision');
        INSERT INTO enforcement.ledger
            (tenant_id, event, occurred_at, actor, decision_id, decision_digest, payload)
        VALUES (p_tenant,
                CASE WHEN v_row.failsafe THEN 'decision.failsafe'::enforcement.event
                     ELSE 'decision'::enforcement.event END,
                v_row.created_at, v_row.created_by, v_row.decision_id,
                decode(v_item ->> 'digest', 'hex'), v_item ->> 'payload')
        RETURNING sequence INTO v_row.ledger_sequence;
        INSERT INTO enforcement.decisions VALUES (v_row.*);
    END LOOP;
    IF p_draws IS NOT NULL THEN
        PERFORM enforcement.draw_credits(p_tenant, p_draws);
    END IF;
    IF p_approvals IS NOT NULL THEN
        PERFORM enforcement.add_approval(p_tenant, (a.e -> 'row')::jsonb, a.e ->> 'payload')
        FROM json_array_elements(p_approvals) AS a (e);
    END IF;
END $$;

CREATE FUNCTION enforcement.draw_credits(p_tenant uuid, p_draws json) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    v_missing integer;
BEGIN
    INSERT INTO enforcement.credit_reservations
        (tenant_id, decision_id, grant_id, position, reserved_usd)
    SELECT p_tenant, x.decision_id, x.grant_id, x.position, x.reserved_usd
    FROM json_to_recordset(p_draws)
        AS x (decision_id uuid, grant_id uuid, position integer, reserved_usd numeric);
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

CREATE FUNCTION enforcement.add_approval(p_tenant uuid, p_approval jsonb, p_payload text)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_row enforcement.approvals;
BEGIN
    v_row := jsonb_populate_record(
        NULL::enforcement.approvals, p_approval || (p_approval -> 'routing'));
    INSERT INTO enforcement.approvals SELECT v_row.*;
    INSERT INTO enforcement.ledger (tenant_id, event, occurred_at, actor, decision_id, payload)
    VALUES (p_tenant, 'approval.requested', v_row.requested_at, v_row.requested_by,
            v_row.decision_id, p_payload);
END $$;

CREATE FUNCTION enforcement.approval_json(a enforcement.approvals) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT row_to_json(r)::text FROM (SELECT
        (a).approval_id, (a).tenant_id, (a).decision_id, (a).state,
        json_build_object(
            'rule', (a).rule, 'required_permission', (a).required_permission,
            'allowed_roles', (a).allowed_roles, 'require_separation', (a).require_separation
        ) AS routing,
        (a).requested_by, (a).requested_at, (a).expires_at, (a).notes, (a).reviewed_by,
        (a).reviewed_at, (a).review_notes, (a).token_sha256, (a).token_expires_at,
        (a).token_consumed_at, (a).token_consumed_by
    ) r);
END $$;

CREATE FUNCTION enforcement.reconciliation_json(r enforcement.reconciliations) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT row_to_json(x)::text FROM (SELECT
        (r).decision_id, (r).idempotency_key, (r).notes, (r).actual_usd::text,
        (r).reserved_usd::text, (r).allocation_spent_usd::text, (r).credits_consumed_usd::text,
        (r).credits_released_usd::text, (r).drift_usd::text, (r).status, (r).reconciled_by,
        (r).reconciled_at
    ) x);
END $$;
