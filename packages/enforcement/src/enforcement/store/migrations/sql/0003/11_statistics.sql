-- Plans are made once a session, maybe while the tables are empty. Without statistics a tenant
-- then has one row, any index that begins with the tenant is as good as the one by id, and what
-- looks a row up (a foreign key's check, too) goes on to read all of the tenant's, until the server
-- first analyses the table. Before version 18 nothing but rows can say otherwise.

DO $$
DECLARE
    v_table name;
BEGIN
    IF current_setting('server_version_num')::integer < 180000 THEN
        RETURN;
    END IF;
    FOR v_table IN
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'enforcement'::regnamespace AND c.relkind = 'r'
          AND a.attname = 'tenant_id'
          AND NOT EXISTS (SELECT FROM pg_stats s WHERE s.schemaname = 'enforcement'
                          AND s.tablename = c.relname AND s.attname = 'tenant_id')
    LOOP
        PERFORM pg_restore_attribute_stats(
            'schemaname', 'enforcement', 'relname', v_table::text, 'attname', 'tenant_id',
            'inherited', false, 'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 4::real);
    END LOOP;
END $$;
