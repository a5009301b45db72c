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

CREATE FUNCTION enforcement.grants_json(
    p_tenant uuid, p_now timestamptz, p_project text
) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(json_agg(row_to_json(r)), '[]') FROM (
        SELECT grant_id, pool, scope_key, total_usd::text, remaining_usd::text, created_at,
               expires_at
        FROM enforcement.credit_grants
        WHERE tenant_id = p_tenant AND remaining_usd > 0
          AND (expires_at IS NULL OR expires_at > p_now)
          AND (pool = 'emergency' OR scope_key IN (p_project, 'default'))
    ) r);
END $$;

-- Returns {"existing": decision} when the key was used before, else everything a decision
-- depends on. p_known_version: the policy version the caller holds; its text is then left out.
CREATE FUNCTION enforcement.gate_begin(
    p_tenant uuid, p_source text, p_key text, p_project text, p_known_version integer,
    p_lock_timeout_ms integer, p_lock boolean, p_lookup boolean
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_existing text;
    v_now timestamptz;
    v_policy record;
    v_committed record;
    v_budget record;
    v_costs json;
BEGIN
    PERFORM set_config('enforcement.tenant_id', p_tenant::text, true),
            set_config('lock_timeout', p_lock_timeout_ms::text, true);
    IF p_lookup THEN
        SELECT enforcement.decision_json(d) INTO v_existing FROM enforcement.decisions d
            WHERE d.tenant_id = p_tenant AND d.source = p_source
              AND d.idempotency_key = p_key AND NOT d.failsafe;
        IF FOUND THEN
            RETURN '{"existing":' || v_existing || '}';
        END IF;
    END IF;
    IF p_lock THEN
        PERFORM enforcement.lock_tenant(p_tenant);
        IF p_lookup THEN
            SELECT enforcement.decision_json(d) INTO v_existing FROM enforcement.decisions d
                WHERE d.tenant_id = p_tenant AND d.source = p_source
                  AND d.idempotency_key = p_key AND NOT d.failsafe;
            IF FOUND THEN
                RETURN '{"existing":' || v_existing || '}';
            END IF;
        END IF;
    END IF;
    v_now := clock_timestamp();
    SELECT version, document INTO v_policy FROM enforcement.policies
        WHERE tenant_id = p_tenant ORDER BY version DESC LIMIT 1;
    SELECT * INTO v_committed FROM enforcement.committed(
        p_tenant, date_trunc('month', v_now AT TIME ZONE 'UTC')::date);
    SELECT scope_key, monthly_limit_usd INTO v_budget FROM enforcement.budgets
        WHERE tenant_id = p_tenant AND active AND scope_key IN (p_project, 'default')
        ORDER BY scope_key <> p_project LIMIT 1;
    SELECT json_agg(json_build_array(day, amount_usd::text)) INTO v_costs
        FROM enforcement.cost_records
        WHERE tenant_id = p_tenant AND day > (v_now AT TIME ZONE 'UTC')::date - 35;
    RETURN json_build_object(
        'now', v_now,
        'policy_version', coalesce(v_policy.version, 0),
        'policy_text', CASE WHEN v_policy.version IS DISTINCT FROM p_known_version
                            THEN v_policy.document END,
        'committed_usd', v_committed.tenant_usd::text,
        'budget_scope', v_budget.scope_key,
        'budget_limit_usd', v_budget.monthly_limit_usd::text,
        'budget_committed_usd', coalesce(v_committed.scopes ->> v_budget.scope_key, '0.0000'),
        'grants', enforcement.grants_json(p_tenant, v_now, p_project),
        'costs', coalesce(v_costs, '[]')
    );
END $$;

-- Writes decision, draws, approval and the chained ledger rows, and returns the decision's
-- sequence. p_doc: {"decision": {...}, "digest": hex, "payload": text, "draws": [...],
-- "approval": {...} | null, "approval_payload": text | null}.
CREATE FUNCTION enforcement.gate_commit(p_tenant uuid, p_doc jsonb) RETURNS bigint
    LANGUAGE plpgsql AS $$
DECLARE
    v_row enforcement.decisions;
    v_digest bytea := decode(p_doc ->> 'digest', 'hex');
    v_draws jsonb := p_doc -> 'draws';
    v_count integer;
BEGIN
    v_row := jsonb_populate_record(NULL::enforcement.decisions, p_doc -> 'decision');
    -- The pair of the check that parity makes later: what is stored is what was hashed.
    IF enforcement.decision_digest(v_row) <> v_digest THEN
        RAISE EXCEPTION 'decision and digest disagree' USING ERRCODE = 'EN003';
    END IF;
    INSERT INTO enforcement.ledger
        (tenant_id, event, occurred_at, actor, decision_id, decision_digest, payload)
    VALUES (p_tenant, CASE WHEN v_row.failsafe THEN 'decision.failsafe' ELSE 'decision' END,
            v_row.created_at, v_row.created_by, v_row.decision_id, v_digest,
            p_doc ->> 'payload')
    RETURNING sequence INTO v_row.ledger_sequence;
    INSERT INTO enforcement.decisions SELECT v_row.*;
    IF jsonb_array_length(v_draws) > 0 THEN
        INSERT INTO enforcement.credit_reservations
            (tenant_id, decision_id, grant_id, position, reserved_usd)
        SELECT p_tenant, v_row.decision_id, (e.item ->> 'grant_id')::uuid, e.ordinality,
               (e.item ->> 'amount_usd')::numeric
        FROM jsonb_array_elements(v_draws) WITH ORDINALITY AS e (item, ordinality);
        UPDATE enforcement.credit_grants g
            SET remaining_usd = g.remaining_usd - (e.item ->> 'amount_usd')::numeric
            FROM jsonb_array_elements(v_draws) AS e (item)
            WHERE g.tenant_id = p_tenant AND g.grant_id = (e.item ->> 'grant_id')::uuid;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        IF v_count <> jsonb_array_length(v_draws) THEN
            RAISE EXCEPTION 'a grant drawn from is not there' USING ERRCODE = 'EN004';
        END IF;
    END IF;
    IF jsonb_typeof(p_doc -> 'approval') = 'object' THEN
        PERFORM enforcement.add_approval(
            p_tenant, p_doc -> 'approval', p_doc ->> 'approval_payload');
    END IF;
    RETURN v_row.ledger_sequence;
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
