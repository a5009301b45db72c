-- New functions are everybody's until this is said.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA enforcement FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    enforcement.has_own_budget(uuid, text),
    enforcement.payers(uuid, text[], timestamptz, integer),
    enforcement.chain_hash(uuid, bigint, bytea, enforcement.event, timestamptz, uuid, uuid, bytea,
        text),
    enforcement.ledger_entry_hash(enforcement.ledger),
    enforcement.decision_digest(enforcement.decisions),
    enforcement.parity_part(uuid, bigint, bigint),
    enforcement.parity_of_newest(uuid, integer),
    enforcement.parity_newest(uuid, integer),
    enforcement.parity_bounds(uuid, timestamptz, timestamptz),
    enforcement.gate_begin(uuid, enforcement.source[], text[], boolean[], uuid[], text[], integer,
        integer, boolean, boolean, integer)
    TO enforcement_app;
