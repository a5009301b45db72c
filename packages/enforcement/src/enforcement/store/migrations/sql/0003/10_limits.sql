-- Reads have a bucket of their own, with more room: a dashboard asks ten times as often as a gate.
CREATE OR REPLACE FUNCTION enforcement.rate_limits(
    p_tenant uuid, p_bucket text, OUT tenant_per_minute integer, OUT global_per_minute integer
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_default constant integer := CASE p_bucket WHEN 'read' THEN 1200 ELSE 120 END;
BEGIN
    tenant_per_minute := coalesce((SELECT per_minute FROM enforcement.rate_settings
        WHERE tenant_id = p_tenant AND bucket = p_bucket), v_default);
    global_per_minute := coalesce((SELECT per_minute FROM enforcement.rate_global
        WHERE bucket = p_bucket), 10 * v_default);
END $$;
