-- Parity is of what is here: decisions that outlive their ledger rows in the checkpoint are proven
-- by it. Both say up to which row the ledger is archived.

CREATE OR REPLACE FUNCTION enforcement.parity_of_newest(p_tenant uuid, p_limit integer)
    RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_archived constant bigint := (SELECT archived_sequence FROM enforcement.ledger_heads
                                   WHERE tenant_id = p_tenant);
    v_low bigint;
    v_high bigint;
BEGIN
    SELECT min(n.s), max(n.s) INTO v_low, v_high FROM (
        SELECT ledger_sequence AS s FROM enforcement.decisions
        WHERE tenant_id = p_tenant AND ledger_sequence > v_archived
        ORDER BY ledger_sequence DESC LIMIT p_limit) n;
    RETURN json_build_array(
        v_archived, v_low, v_high, enforcement.parity_part(p_tenant, v_low, v_high));
END $$;

CREATE OR REPLACE FUNCTION enforcement.parity_bounds(
    p_tenant uuid, p_start timestamptz, p_end timestamptz
) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_archived constant bigint := (SELECT archived_sequence FROM enforcement.ledger_heads
                                   WHERE tenant_id = p_tenant);
BEGIN
    RETURN (SELECT json_build_array(v_archived, min(n.s), max(n.s)) FROM (
        SELECT ledger_sequence AS s FROM enforcement.decisions
        WHERE tenant_id = p_tenant AND created_at >= p_start AND created_at < p_end
        ORDER BY created_at OFFSET 0) n
        WHERE n.s > v_archived);
END $$;
