-- The one way to change anything beside a gate's decision: an event goes into the ledger, and the
-- tables become what it says. Its payload is the new state, so the two cannot differ.

-- For whoever owns this function only.
CREATE FUNCTION enforcement.demand_changed(p_found boolean, p_event enforcement.event)
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT p_found THEN
        RAISE EXCEPTION '% does not fit the state it would change', p_event
            USING ERRCODE = CASE
                WHEN p_event = 'approval.token_consumed' THEN 'EN005'
                WHEN p_event::text LIKE 'approval.%' THEN 'EN006'
                WHEN p_event::text LIKE 'reservation.%' THEN 'EN007'
                ELSE 'EN003' END;
    END IF;
END $$;

CREATE FUNCTION enforcement.write_setting(p_event enforcement.event, p_state jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CASE p_event
    WHEN 'tenant.created', 'tenant.plan_set' THEN
        UPDATE enforcement.tenants SET plan = p_state ->> 'plan',
            ledger_sequence = (p_state ->> 'ledger_sequence')::bigint
        WHERE tenant_id = (p_state ->> 'tenant_id')::uuid;
        PERFORM enforcement.demand_changed(FOUND, p_event);
    WHEN 'principal.set' THEN
        INSERT INTO enforcement.principals
        SELECT * FROM jsonb_populate_record(NULL::enforcement.principals, p_state)
        ON CONFLICT (tenant_id, principal_id) DO UPDATE SET
            role = EXCLUDED.role, permissions = EXCLUDED.permissions, active = EXCLUDED.active,
            ledger_sequence = EXCLUDED.ledger_sequence;
    WHEN 'limits.set' THEN
        INSERT INTO enforcement.rate_settings
        SELECT * FROM jsonb_populate_record(NULL::enforcement.rate_settings, p_state)
        ON CONFLICT (tenant_id, bucket) DO UPDATE SET
            per_minute = EXCLUDED.per_minute, ledger_sequence = EXCLUDED.ledger_sequence;
    WHEN 'budget.set' THEN
        INSERT INTO enforcement.budgets
        SELECT * FROM jsonb_populate_record(NULL::enforcement.budgets, p_state)
        ON CONFLICT (tenant_id, scope_key) DO UPDATE SET
            monthly_limit_usd = EXCLUDED.monthly_limit_usd, active = EXCLUDED.active,
            updated_at = EXCLUDED.updated_at, ledger_sequence = EXCLUDED.ledger_sequence;
    WHEN 'policy.updated' THEN
        INSERT INTO enforcement.policies
        SELECT * FROM jsonb_populate_record(NULL::enforcement.policies, p_state
            || jsonb_build_object('version', p_state -> 'policy_version',
                                  'sha256', p_state -> 'policy_sha256'));
    WHEN 'credit.granted' THEN
        INSERT INTO enforcement.credit_grants
        SELECT * FROM jsonb_populate_record(NULL::enforcement.credit_grants, p_state
            || jsonb_build_object('remaining_usd', p_state -> 'total_usd'));
    WHEN 'costs.recorded' THEN
        INSERT INTO enforcement.cost_records (tenant_id, day, amount_usd, ledger_sequence)
        SELECT (p_state ->> 'tenant_id')::uuid, c.key::date, c.value::numeric,
               (p_state ->> 'ledger_sequence')::bigint
        FROM jsonb_each_text(p_state -> 'costs') AS c
        ON CONFLICT (tenant_id, day) DO UPDATE SET
            amount_usd = EXCLUDED.amount_usd, ledger_sequence = EXCLUDED.ledger_sequence;
    END CASE;
END $$;

CREATE FUNCTION enforcement.write_approval(p_event enforcement.event, p_state jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_row enforcement.approvals;
BEGIN
    v_row := jsonb_populate_record(NULL::enforcement.approvals,
        p_state || jsonb_build_object('rule', p_state -> 'routing_rule'));
    IF p_event = 'approval.requested' THEN
        INSERT INTO enforcement.approvals SELECT v_row.*;
        RETURN;
    END IF;
    UPDATE enforcement.approvals a SET
        state = v_row.state, reviewed_by = v_row.reviewed_by, reviewed_at = v_row.reviewed_at,
        review_notes = v_row.review_notes, token_sha256 = v_row.token_sha256,
        token_expires_at = v_row.token_expires_at,
        token_consumed_at = v_row.token_consumed_at,
        token_consumed_by = v_row.token_consumed_by, ledger_sequence = v_row.ledger_sequence
    WHERE a.tenant_id = v_row.tenant_id AND a.approval_id = v_row.approval_id
      AND a.token_consumed_at IS NULL
      AND (a.state = 'pending' AND p_event <> 'approval.token_consumed'
           OR a.state = 'approved' AND p_event NOT IN ('approval.approved', 'approval.denied'));
    PERFORM enforcement.demand_changed(FOUND, p_event);
END $$;

-- A reservation ends: settled against its real cost, or given back.
CREATE FUNCTION enforcement.write_settlement(p_event enforcement.event, p_state jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_tenant uuid := p_state ->> 'tenant_id';
    v_decision uuid := p_state ->> 'decision_id';
BEGIN
    UPDATE enforcement.decisions SET reservation_active = false
        WHERE tenant_id = v_tenant AND decision_id = v_decision AND reservation_active;
    PERFORM enforcement.demand_changed(FOUND, p_event);
    IF jsonb_array_length(p_state -> 'credits') > 0 THEN
        UPDATE enforcement.credit_reservations r SET
            consumed_usd = x.consumed_usd, released_usd = x.released_usd,
            ledger_sequence = (p_state ->> 'ledger_sequence')::bigint
        FROM jsonb_to_recordset(p_state -> 'credits')
            AS x (grant_id uuid, consumed_usd numeric, released_usd numeric)
        WHERE r.tenant_id = v_tenant AND r.decision_id = v_decision AND r.grant_id = x.grant_id;
        UPDATE enforcement.credit_grants g SET remaining_usd = g.remaining_usd + x.released_usd
        FROM jsonb_to_recordset(p_state -> 'credits') AS x (grant_id uuid, released_usd numeric)
        WHERE g.tenant_id = v_tenant AND g.grant_id = x.grant_id AND x.released_usd > 0;
    END IF;
    IF p_event = 'reservation.reconciled' THEN
        INSERT INTO enforcement.reconciliations
        SELECT * FROM jsonb_populate_record(NULL::enforcement.reconciliations, p_state);
    END IF;
END $$;

CREATE FUNCTION enforcement.record(
    p_tenant uuid, p_event enforcement.event, p_at timestamptz, p_actor uuid, p_decision uuid,
    p_payload text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_sequence bigint;
    v_state jsonb;
BEGIN
    INSERT INTO enforcement.ledger (tenant_id, event, occurred_at, actor, decision_id, payload)
        VALUES (p_tenant, p_event, p_at, p_actor, p_decision, p_payload)
        RETURNING sequence INTO v_sequence;
    v_state := p_payload::jsonb
        || jsonb_build_object('tenant_id', p_tenant, 'ledger_sequence', v_sequence);
    IF p_event::text LIKE 'approval.%' THEN
        PERFORM enforcement.write_approval(p_event, v_state);
    ELSIF p_event::text LIKE 'reservation.%' THEN
        PERFORM enforcement.write_settlement(p_event, v_state);
    ELSIF p_event = 'decision.voided' THEN
        UPDATE enforcement.decisions SET voided = true
            WHERE tenant_id = p_tenant AND decision_id = p_decision
              AND NOT failsafe AND NOT voided AND NOT replayed;
        PERFORM enforcement.demand_changed(FOUND, p_event);
    ELSE
        PERFORM enforcement.write_setting(p_event, v_state);
    END IF;
    RETURN v_sequence;
END $$;

-- A tenant and its chain, for whoever then records that it was created; NULL where it is there.
CREATE FUNCTION enforcement.found_tenant(p_tenant uuid, p_name text, p_plan text)
    RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_created_at timestamptz;
BEGIN
    PERFORM set_config('enforcement.tenant_id', p_tenant::text, true);
    INSERT INTO enforcement.tenants (tenant_id, name, plan, created_at)
        VALUES (p_tenant, p_name, p_plan, clock_timestamp())
        ON CONFLICT DO NOTHING RETURNING created_at INTO v_created_at;
    RETURN v_created_at;
END $$;

-- Reservations older than that, oldest first; who else holds one is not waited for.
CREATE FUNCTION enforcement.overdue_reservations(
    p_tenant uuid, p_before timestamptz, p_limit integer
) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT enforcement.decision_json(d) FROM enforcement.decisions d
    WHERE d.tenant_id = p_tenant AND d.reservation_active AND d.created_at < p_before
    ORDER BY d.created_at, d.decision_id LIMIT p_limit FOR UPDATE SKIP LOCKED;
END $$;
