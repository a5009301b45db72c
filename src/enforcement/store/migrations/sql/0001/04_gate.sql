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

-- Returns {"existing": decision} when the key was used before, else everything a decision
-- depends on. p_known_version: the policy version the caller holds; its text is then left out.
CREATE FUNCTION enforcement.gate_begin(
    p_tenant uuid, p_source enforcement.source, p_key text, p_project text,
    p_known_version integer, p_lock_timeout_ms integer, p_lock boolean, p_lookup boolean
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_existing text;
    v_waits boolean := false;
BEGIN
    PERFORM set_config('enforcement.tenant_id', p_tenant::text, true),
            set_config('lock_timeout', p_lock_timeout_ms::text, true);
    IF p_lock THEN
        v_waits := NOT enforcement.try_lock_tenant(p_tenant);
    END IF;
    -- A replay does not wait for the lock; a first request looks again once it holds it.
    LOOP
        IF p_lookup THEN
            SELECT enforcement.decision_json(d) INTO v_existing FROM enforcement.decisions d
                WHERE d.tenant_id = p_tenant AND d.source = p_source
                  AND d.idempotency_key = p_key AND NOT d.failsafe;
            IF FOUND THEN
                RETURN '{"existing":' || v_existing || '}';
            END IF;
        END IF;
        EXIT WHEN NOT v_waits;
        PERFORM enforcement.lock_tenant(p_tenant);
        v_waits := false;
    END LOOP;
    RETURN enforcement.standing(p_tenant, p_project, p_known_version);
END $$;

-- VOLATILE, so that its one query sees what is committed now, after the lock.
CREATE FUNCTION enforcement.standing(p_tenant uuid, p_project text, p_known_version integer)
    RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_today date := (v_now AT TIME ZONE 'UTC')::date;
    v_text text;
BEGIN
    SELECT json_build_object(
        'now', v_now,
        'policy_version', coalesce(p.version, 0),
        'policy_text', CASE WHEN p.version IS DISTINCT FROM p_known_version
                            THEN p.document END,
        'committed_usd', c.tenant_usd::text,
        'budget_scope', b.scope_key,
        'budget_limit_usd', b.monthly_limit_usd::text,
        'budget_committed_usd', CASE WHEN b.scope_key = 'default' THEN c.default_usd
                                     ELSE c.project_usd END::text,
        'grants', coalesce((
            SELECT json_agg(json_build_object(
                'grant_id', g.grant_id, 'pool', g.pool, 'scope_key', g.scope_key,
                'total_usd', g.total_usd::text, 'remaining_usd', g.remaining_usd::text,
                'created_at', g.created_at, 'expires_at', g.expires_at))
            FROM enforcement.credit_grants g
            WHERE g.tenant_id = p_tenant AND g.remaining_usd > 0
              AND (g.expires_at IS NULL OR g.expires_at > v_now)
              AND (g.pool = 'emergency' OR g.scope_key IN (p_project, 'default'))), '[]'),
        'costs', coalesce((
            SELECT json_agg(json_build_array(r.day, r.amount_usd::text))
            FROM enforcement.cost_records r
            WHERE r.tenant_id = p_tenant AND r.day > v_today - 35), '[]')
    )
    INTO v_text
    FROM enforcement.committed(p_tenant, date_trunc('month', v_today)::date, p_project) c
    LEFT JOIN LATERAL (
        SELECT x.version, x.document FROM enforcement.policies x
        WHERE x.tenant_id = p_tenant ORDER BY x.version DESC LIMIT 1) p ON true
    LEFT JOIN LATERAL (
        SELECT y.scope_key, y.monthly_limit_usd FROM enforcement.budgets y
        WHERE y.tenant_id = p_tenant AND y.active AND y.scope_key IN (p_project, 'default')
        ORDER BY y.scope_key <> p_project LIMIT 1) b ON true;
    RETURN v_text;
END $$;

-- Writes decision, draws, approval and the chained ledger rows, and returns the decision's
-- sequence. p_draws: [{"grant_id", "amount_usd"}, ...] or NULL.
CREATE FUNCTION enforcement.gate_commit(
    p_tenant uuid, p_decision json, p_digest bytea, p_payload text, p_draws jsonb,
    p_approval jsonb, p_approval_payload text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_row enforcement.decisions;
BEGIN
    v_row := json_populate_record(NULL::enforcement.decisions, p_decision);
    -- The pair of the check that parity makes later: what is stored is what was hashed.
    IF enforcement.decision_digest(v_row) <> p_digest THEN
        RAISE EXCEPTION 'decision and digest disagree' USING ERRCODE = 'EN003';
    END IF;
    INSERT INTO enforcement.ledger
        (tenant_id, event, occurred_at, actor, decision_id, decision_digest, payload)
    VALUES (p_tenant,
            CASE WHEN v_row.failsafe THEN 'decision.failsafe'::enforcement.event
                 ELSE 'decision'::enforcement.event END,
            v_row.created_at, v_row.created_by, v_row.decision_id, p_digest, p_payload)
    RETURNING sequence INTO v_row.ledger_sequence;
    INSERT INTO enforcement.decisions SELECT v_row.*;
    IF p_draws IS NOT NULL THEN
        PERFORM enforcement.draw_credits(p_tenant, v_row.decision_id, p_draws);
    END IF;
    IF p_approval IS NOT NULL THEN
        PERFORM enforcement.add_approval(p_tenant, p_approval, p_approval_payload);
    END IF;
    RETURN v_row.ledger_sequence;
END $$;

CREATE FUNCTION enforcement.draw_credits(p_tenant uuid, p_decision uuid, p_draws jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_count integer;
BEGIN
    INSERT INTO enforcement.credit_reservations
        (tenant_id, decision_id, grant_id, position, reserved_usd)
    SELECT p_tenant, p_decision, (e.item ->> 'grant_id')::uuid, e.ordinality,
           (e.item ->> 'amount_usd')::numeric
    FROM jsonb_array_elements(p_draws) WITH ORDINALITY AS e (item, ordinality);
    UPDATE enforcement.credit_grants g
        SET remaining_usd = g.remaining_usd - (e.item ->> 'amount_usd')::numeric
        FROM jsonb_array_elements(p_draws) AS e (item)
        WHERE g.tenant_id = p_tenant AND g.grant_id = (e.item ->> 'grant_id')::uuid;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count <> jsonb_array_length(p_draws) THEN
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
