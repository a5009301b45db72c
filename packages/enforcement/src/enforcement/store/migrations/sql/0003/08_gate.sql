-- The gate, again: decisions are remembered under a key that was given, or while they are alive;
-- what it reads does not grow with projects and grants; what is decided together is written
-- together, by the owner's functions alone.

DROP FUNCTION enforcement.gate_begin(
    uuid, enforcement.source[], text[], text[], integer, integer, boolean, boolean);
DROP FUNCTION enforcement.decision_by_key(uuid, enforcement.source, text);

DROP FUNCTION enforcement.add_approval(uuid, jsonb, text);

CREATE OR REPLACE FUNCTION enforcement.decision_json(d enforcement.decisions) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT row_to_json(r)::text FROM (SELECT
        (d).decision_id, (d).tenant_id, (d).source, (d).idempotency_key, (d).key_given,
        (d).fingerprint, (d).outcome, (d).reason_codes, (d).mode, (d).policy_version,
        (d).policy_sha256, (d).project_id, (d).environment, (d).action, (d).resource_reference,
        (d).monthly_delta_usd::text, (d).hourly_delta_usd::text, (d).dry_run,
        (d).allocation_usd::text, (d).credits_usd::text, (d).reservation_active,
        (d).approval_required, (d).ttl_seconds, (d).failsafe, (d).voided, (d).created_by,
        (d).created_at, (d).details_text, (d).approval_id
    ) r);
END $$;

-- Whoever hears a decision again can rely on it: from then on it cannot be voided. False where it
-- has been.
CREATE FUNCTION enforcement.mark_replayed(p_tenant uuid, p_decision uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE enforcement.decisions SET replayed = true
        WHERE tenant_id = p_tenant AND decision_id = p_decision AND NOT voided;
    RETURN FOUND;
END $$;

-- The decision that answers a request without deciding it, or NULL: the one an attempt before
-- this may have committed (p_own), the one made under a given key, or the last one made for the
-- same request, as long as it is alive. (A function of its own, so that the planner cannot join:
-- while the table is small it would read all decisions of the tenant, and keep that plan.)
CREATE FUNCTION enforcement.decision_remembered(
    p_tenant uuid, p_source enforcement.source, p_key text, p_given boolean, p_own uuid
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_row enforcement.decisions;
BEGIN
    IF p_own IS NOT NULL THEN
        SELECT * INTO v_row FROM enforcement.decisions d
            WHERE d.tenant_id = p_tenant AND d.decision_id = p_own AND NOT d.voided;
        IF FOUND THEN
            RETURN enforcement.decision_json(v_row);
        END IF;
    END IF;
    IF p_given THEN
        SELECT * INTO v_row FROM enforcement.decisions d
            WHERE d.tenant_id = p_tenant AND d.source = p_source AND d.idempotency_key = p_key
              AND d.key_given AND NOT d.failsafe AND NOT d.voided;
    ELSE
        SELECT * INTO v_row FROM enforcement.decisions d
            WHERE d.tenant_id = p_tenant AND d.source = p_source AND d.idempotency_key = p_key
              AND NOT d.key_given AND NOT d.failsafe
            ORDER BY d.ledger_sequence DESC LIMIT 1;
        IF v_row.voided OR NOT v_row.reservation_active AND NOT EXISTS (
            SELECT FROM enforcement.approvals a
            WHERE a.tenant_id = p_tenant AND a.approval_id = v_row.approval_id
              AND a.state = 'pending' AND a.expires_at > clock_timestamp())
        THEN
            RETURN NULL;
        END IF;
    END IF;
    IF v_row.decision_id IS NULL OR NOT v_row.replayed
        AND NOT enforcement.mark_replayed(p_tenant, v_row.decision_id)
    THEN
        RETURN NULL;
    END IF;
    RETURN enforcement.decision_json(v_row);
END $$;

CREATE FUNCTION enforcement.decisions_remembered(
    p_tenant uuid, p_sources enforcement.source[], p_keys text[], p_given boolean[], p_own uuid[]
) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
    RETURN (
        SELECT coalesce(json_agg(json_build_array(k.place, k.found::json)), '[]')
        FROM (
            SELECT x.place - 1 AS place, enforcement.decision_remembered(
                p_tenant, x.source, x.key, x.given, p_own[x.place::integer]) AS found
            FROM unnest(p_sources, p_keys, p_given)
                WITH ORDINALITY AS x (source, key, given, place)
            OFFSET 0
        ) k WHERE k.found IS NOT NULL);
END $$;

-- Locks, and reads what requests of one tenant depend on; the arrays run in parallel, one place
-- a request. p_given: whether the caller gave the key. p_own: NULL, or the decisions' ids where an
-- attempt before this one may have committed them. "existing" holds [place, decision] for each
-- request that is answered from memory. p_known_version: the policy version the caller holds; its
-- text is then left out. p_payers: of how many grants a decision draws at most.
CREATE FUNCTION enforcement.gate_begin(
    p_tenant uuid, p_sources enforcement.source[], p_keys text[], p_given boolean[],
    p_own uuid[], p_projects text[], p_known_version integer, p_lock_timeout_ms integer,
    p_lock boolean, p_lookup boolean, p_payers integer
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz;
    v_today date;
    v_month date;
    v_existing json;
    v_text text;
BEGIN
    PERFORM set_config('enforcement.tenant_id', p_tenant::text, true),
            set_config('lock_timeout', p_lock_timeout_ms::text, true);
    IF p_lock AND NOT enforcement.try_lock_tenant(p_tenant) THEN
        -- Where every request is a replay under a given key, nobody waits for the lock.
        IF p_lookup AND true = ALL (p_given) THEN
            v_existing := enforcement.decisions_remembered(
                p_tenant, p_sources, p_keys, p_given, p_own);
        END IF;
        IF v_existing IS NULL OR json_array_length(v_existing) < cardinality(p_keys) THEN
            v_existing := NULL;
            PERFORM enforcement.lock_tenant(p_tenant);
        END IF;
    END IF;
    IF v_existing IS NULL AND p_lookup THEN
        IF cardinality(p_keys) = 1 THEN  -- most often; a query over one costs more than this
            v_text := enforcement.decision_remembered(
                p_tenant, p_sources[1], p_keys[1], p_given[1], p_own[1]);
            IF v_text IS NOT NULL THEN
                v_existing := json_build_array(json_build_array(0, v_text::json));
            END IF;
        ELSE
            v_existing := enforcement.decisions_remembered(
                p_tenant, p_sources, p_keys, p_given, p_own);
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
        'grants', enforcement.payers(p_tenant, p_projects, v_now, p_payers),
        'costs', coalesce((
            SELECT json_agg(json_build_array(r.day, r.amount_usd::text))
            FROM enforcement.cost_records r
            WHERE r.tenant_id = p_tenant AND r.day > v_today - 35), '[]'),
        'existing', coalesce(v_existing, '[]')
    )
    INTO v_text
    FROM (
        SELECT coalesce(sum(t.total_usd), 0.0000) AS tenant_usd,
               jsonb_build_object('default', coalesce(sum(t.default_usd), 0.0000)::text)
               || coalesce((
                   SELECT jsonb_object_agg(a.project_id, (
                       CASE WHEN a.settled_month = v_month
                            THEN a.active_allocation_usd + a.settled_allocation_usd
                            ELSE a.active_allocation_usd END)::text)
                   FROM enforcement.project_usage a
                   WHERE a.tenant_id = p_tenant AND a.project_id = ANY (p_projects)
                     AND a.own_budget), '{}') AS scopes
        FROM enforcement.tenant_usage t
        WHERE t.tenant_id = p_tenant AND t.month IN ('-infinity', v_month)
    ) u
    LEFT JOIN LATERAL (
        SELECT z.version, z.document FROM enforcement.policies z
        WHERE z.tenant_id = p_tenant ORDER BY z.version DESC LIMIT 1) p ON true;
    RETURN v_text;
END $$;

-- Writes decisions, each after its ledger row, in the order given; then their draws and their
-- approval requests. p_items: [{"decision", "digest", "payload"}, ...]; p_draws:
-- [{"decision_id", "grant_id", "position", "reserved_usd"}, ...]; p_approvals: payloads of
-- approval.requested; both NULL when empty.
CREATE OR REPLACE FUNCTION enforcement.gate_commit(
    p_tenant uuid, p_items json, p_draws json, p_approvals json
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_item record;
    v_head enforcement.ledger_heads;
    v_entry enforcement.ledger;
    v_entries enforcement.ledger[];
    v_row enforcement.decisions;
    v_rows enforcement.decisions[];
BEGIN
    SELECT * INTO v_head FROM enforcement.ledger_heads WHERE tenant_id = p_tenant FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such tenant' USING ERRCODE = 'EN001';
    END IF;
    v_entry.tenant_id := p_tenant;
    FOR v_item IN
        SELECT * FROM json_to_recordset(p_items) AS x (decision json, digest text, payload text)
    LOOP
        v_row := json_populate_record(NULL::enforcement.decisions, v_item.decision);
        v_head.sequence := v_head.sequence + 1;
        v_head.prev_hash := v_head.entry_hash;
        v_entry.sequence := v_head.sequence;
        v_entry.event := CASE WHEN v_row.failsafe THEN 'decision.failsafe' ELSE 'decision' END;
        v_entry.occurred_at := v_row.created_at;
        v_entry.actor := v_row.created_by;
        v_entry.decision_id := v_row.decision_id;
        v_entry.decision_digest := decode(v_item.digest, 'hex');
        v_entry.payload := v_item.payload;
        v_entry.prev_hash := v_head.prev_hash;
        v_entry.entry_hash := enforcement.chain_hash(p_tenant, v_entry.sequence,
            v_entry.prev_hash, v_entry.event, v_entry.occurred_at, v_entry.actor,
            v_entry.decision_id, v_entry.decision_digest, v_entry.payload);
        v_head.entry_hash := v_entry.entry_hash;
        v_entries := v_entries || v_entry;
        v_row.ledger_sequence := v_head.sequence;
        v_row.voided := false;
        v_row.replayed := false;
        v_rows := v_rows || v_row;
    END LOOP;
    INSERT INTO enforcement.ledger SELECT * FROM unnest(v_entries);
    INSERT INTO enforcement.decisions SELECT * FROM unnest(v_rows);
    UPDATE enforcement.ledger_heads SET sequence = v_head.sequence,
        prev_hash = v_head.prev_hash, entry_hash = v_head.entry_hash
        WHERE tenant_id = p_tenant;
    IF p_draws IS NOT NULL THEN
        PERFORM enforcement.draw_credits(p_tenant, p_draws);
    END IF;
    IF p_approvals IS NOT NULL THEN
        PERFORM enforcement.record(p_tenant, 'approval.requested',
            (a.payload::json ->> 'requested_at')::timestamptz,
            (a.payload::json ->> 'requested_by')::uuid,
            (a.payload::json ->> 'decision_id')::uuid, a.payload)
        FROM json_array_elements_text(p_approvals) AS a (payload);
    END IF;
END $$;
