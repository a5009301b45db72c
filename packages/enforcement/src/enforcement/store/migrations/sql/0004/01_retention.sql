-- Rows of the ledger up to a tenant's anchor (archived_sequence) are kept elsewhere, with the
-- decisions that were over by then. What still stood there is the checkpoint: from it the events
-- that are left are replayed. An event says so, with the checkpoint's digest.

ALTER TYPE enforcement.event ADD VALUE 'ledger.archived';

CREATE TABLE enforcement.checkpoint_rows (
    tenant_id uuid NOT NULL REFERENCES enforcement.tenants,
    as_of     bigint NOT NULL,
    position  integer NOT NULL,
    sequence  bigint NOT NULL,
    kind      text NOT NULL,
    id        text NOT NULL,
    state     text NOT NULL,
    PRIMARY KEY (tenant_id, as_of, position)
);
CREATE INDEX checkpoint_decisions
    ON enforcement.checkpoint_rows (tenant_id, as_of, id) WHERE kind = 'decisions';

-- How far rows have been removed: up to the anchor in the end. A row of its own, so that removing
-- them takes no tenant's lock.
CREATE TABLE enforcement.pruning (
    tenant_id       uuid PRIMARY KEY REFERENCES enforcement.tenants,
    as_of           bigint NOT NULL,
    pruned_sequence bigint NOT NULL CHECK (pruned_sequence <= as_of)
);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['checkpoint_rows', 'pruning']
    LOOP
        EXECUTE format('ALTER TABLE enforcement.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE enforcement.%I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_tenant ON enforcement.%I'
            ' USING (tenant_id = NULLIF(current_setting(''enforcement.tenant_id'', true), '''')::uuid)'
            ' WITH CHECK (tenant_id = NULLIF(current_setting(''enforcement.tenant_id'', true), '''')::uuid)',
            t);
        EXECUTE format('REVOKE ALL ON enforcement.%I FROM PUBLIC', t);
        EXECUTE format('GRANT SELECT ON enforcement.%I TO enforcement_app', t);
    END LOOP;
END $$;

-- Removes what is archived, and nothing else, whoever asks. The argument names the column that
-- holds the number of the row's event.
CREATE FUNCTION enforcement.demand_archived() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_other boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM gone g'
        ' LEFT JOIN enforcement.ledger_heads h ON h.tenant_id = g.tenant_id'
        ' WHERE g.%I > coalesce(h.archived_sequence, 0))', TG_ARGV[0]) INTO v_other;
    IF v_other THEN
        RAISE EXCEPTION '% on %.% is refused: only rows that are archived are ever removed',
            TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'EN002';
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER ledger_immutable ON enforcement.ledger;
DROP TRIGGER decisions_kept ON enforcement.decisions;
DROP TRIGGER reconciliations_immutable ON enforcement.reconciliations;
CREATE TRIGGER decisions_whole BEFORE TRUNCATE ON enforcement.decisions
    FOR EACH STATEMENT EXECUTE FUNCTION enforcement.refuse();
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['ledger', 'reconciliations']
    LOOP
        EXECUTE format('CREATE TRIGGER %1$s_immutable BEFORE UPDATE OR TRUNCATE ON enforcement.%1$s'
            ' FOR EACH STATEMENT EXECUTE FUNCTION enforcement.refuse()', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['ledger', 'decisions', 'reconciliations']
    LOOP
        -- Refused even where no row matches, but for whoever prunes; and then where one is not
        -- archived.
        EXECUTE format('CREATE TRIGGER %1$s_kept BEFORE DELETE ON enforcement.%1$s'
            ' FOR EACH STATEMENT'
            ' WHEN (current_setting(''enforcement.pruning'', true) IS DISTINCT FROM ''on'')'
            ' EXECUTE FUNCTION enforcement.refuse()', t);
        EXECUTE format('CREATE TRIGGER %1$s_archived AFTER DELETE ON enforcement.%1$s'
            ' REFERENCING OLD TABLE AS gone FOR EACH STATEMENT'
            ' EXECUTE FUNCTION enforcement.demand_archived(%2$L)',
            t, CASE t WHEN 'ledger' THEN 'sequence' ELSE 'ledger_sequence' END);
    END LOOP;
END $$;

-- Moves the anchor, and writes that into the ledger; the caller holds the tenant's lock. Only the
-- owner calls this. p_payload: of the event ledger.archived.
CREATE FUNCTION enforcement.move_anchor(p_tenant uuid, p_actor uuid, p_payload text)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_payload constant json := p_payload;
    v_as_of constant bigint := v_payload ->> 'archived_sequence';
    v_hash constant bytea := decode(v_payload ->> 'archived_hash', 'hex');
BEGIN
    IF NOT EXISTS (SELECT FROM enforcement.ledger
                   WHERE tenant_id = p_tenant AND sequence = v_as_of AND entry_hash = v_hash)
    THEN
        RAISE EXCEPTION 'row % has another hash, or is not there', v_as_of USING ERRCODE = 'EN003';
    END IF;
    INSERT INTO enforcement.ledger (tenant_id, event, occurred_at, actor, payload)
        VALUES (p_tenant, 'ledger.archived', clock_timestamp(), p_actor, p_payload);
    UPDATE enforcement.ledger_heads SET archived_sequence = v_as_of, archived_hash = v_hash
        WHERE tenant_id = p_tenant;
    INSERT INTO enforcement.pruning VALUES (p_tenant, v_as_of, 0)
        ON CONFLICT (tenant_id) DO UPDATE SET as_of = EXCLUDED.as_of, pruned_sequence = 0;
END $$;

-- Removes the next rows up to the anchor, about p_limit of each table, and says up to where; takes
-- no tenant's lock. Decisions that stand in the checkpoint stay, with all that hangs on them.
CREATE FUNCTION enforcement.prune_part(p_tenant uuid, p_limit integer) RETURNS bigint
    LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
    v_from bigint;
    v_as_of bigint;
    v_to bigint;
    v_over uuid[];
BEGIN
    SELECT pruned_sequence, as_of INTO v_from, v_as_of FROM enforcement.pruning
        WHERE tenant_id = p_tenant FOR UPDATE;
    SELECT max(s) INTO v_to FROM (
        SELECT s FROM (
            (SELECT sequence AS s FROM enforcement.ledger
             WHERE tenant_id = p_tenant AND sequence > v_from AND sequence <= v_as_of
             ORDER BY sequence LIMIT p_limit)
            UNION ALL
            (SELECT ledger_sequence FROM enforcement.decisions
             WHERE tenant_id = p_tenant AND ledger_sequence > v_from
               AND ledger_sequence <= v_as_of
             ORDER BY ledger_sequence LIMIT p_limit)) x
        ORDER BY s LIMIT p_limit) y;
    v_to := coalesce(v_to, v_as_of);
    v_over := ARRAY(
        SELECT d.decision_id FROM enforcement.decisions d
        WHERE d.tenant_id = p_tenant AND d.ledger_sequence > v_from AND d.ledger_sequence <= v_to
          AND NOT EXISTS (
              SELECT FROM enforcement.checkpoint_rows c
              WHERE c.tenant_id = p_tenant AND c.as_of = v_as_of AND c.kind = 'decisions'
                AND c.id = d.decision_id::text));
    PERFORM set_config('enforcement.pruning', 'on', true);
    DELETE FROM enforcement.credit_reservations
        WHERE tenant_id = p_tenant AND decision_id = ANY (v_over);
    DELETE FROM enforcement.approvals WHERE tenant_id = p_tenant AND decision_id = ANY (v_over);
    DELETE FROM enforcement.reconciliations
        WHERE tenant_id = p_tenant AND decision_id = ANY (v_over);
    DELETE FROM enforcement.decisions WHERE tenant_id = p_tenant AND decision_id = ANY (v_over);
    DELETE FROM enforcement.ledger
        WHERE tenant_id = p_tenant AND sequence > v_from AND sequence <= v_to;
    PERFORM set_config('enforcement.pruning', 'off', true);
    UPDATE enforcement.pruning SET pruned_sequence = v_to WHERE tenant_id = p_tenant;
    IF v_to = v_as_of THEN
        DELETE FROM enforcement.checkpoint_rows WHERE tenant_id = p_tenant AND as_of <> v_as_of;
    END IF;
    RETURN v_to;
END $$;
REVOKE ALL ON FUNCTION enforcement.move_anchor(uuid, uuid, text),
    enforcement.prune_part(uuid, integer), enforcement.demand_archived() FROM PUBLIC;
