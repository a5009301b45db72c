-- The application role reads its tenant's rows and calls functions; it writes no table.

REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA enforcement FROM enforcement_app;
DO $$
DECLARE
    v_table text;
    v_columns text;
BEGIN
    -- A privilege on a column outlives the one on its table.
    FOR v_table, v_columns IN
        SELECT c.relname, string_agg(quote_ident(a.attname), ', ')
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'enforcement'::regnamespace AND c.relkind = 'r'
          AND a.attnum > 0 AND NOT a.attisdropped
        GROUP BY c.relname
    LOOP
        EXECUTE format('REVOKE INSERT (%2$s), UPDATE (%2$s) ON enforcement.%1$I FROM'
            ' enforcement_app', v_table, v_columns);
    END LOOP;
END $$;

GRANT SELECT ON enforcement.state, enforcement.sums TO enforcement_app;
-- New functions are everybody's until this is said.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA enforcement FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    enforcement.rfc3339(timestamptz),
    enforcement.ends_at(text, timestamptz, timestamptz),
    enforcement.record(uuid, enforcement.event, timestamptz, uuid, uuid, text),
    enforcement.found_tenant(uuid, text, text),
    enforcement.overdue_reservations(uuid, timestamptz, integer),
    enforcement.mark_replayed(uuid, uuid),
    enforcement.decision_remembered(uuid, enforcement.source, text, boolean, uuid),
    enforcement.decisions_remembered(uuid, enforcement.source[], text[], boolean[], uuid[]),
    enforcement.payers(uuid, text[], timestamptz, integer),
    enforcement.gate_begin(uuid, enforcement.source[], text[], boolean[], uuid[], text[], integer,
        integer, boolean, boolean, integer),
    enforcement.tenants_to_sweep(integer),
    enforcement.backlog(integer),
    enforcement.parity_part(uuid, bigint, bigint),
    enforcement.parity_of_newest(uuid, integer),
    enforcement.parity_newest(uuid, integer),
    enforcement.parity_bounds(uuid, timestamptz, timestamptz)
    TO enforcement_app;
