-- What the scheduled sweep asks of all tenants at once. Row-level security shows other tenants'
-- rows to the owner alone, for reading, and only inside these functions.

CREATE POLICY sweeping ON enforcement.approvals FOR SELECT TO enforcement_owner
    USING (current_setting('enforcement.sweeping', true) = 'on');
CREATE POLICY sweeping ON enforcement.decisions FOR SELECT TO enforcement_owner
    USING (current_setting('enforcement.sweeping', true) = 'on');

-- Tenants with an approval or a token whose time is over.
CREATE FUNCTION enforcement.tenants_to_sweep(p_limit integer) RETURNS SETOF uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('enforcement.sweeping', 'on', true);
    RETURN QUERY
    SELECT a.tenant_id FROM enforcement.approvals a
    WHERE (a.state = 'pending' OR (a.state = 'approved' AND a.token_consumed_at IS NULL))
      AND enforcement.ends_at(a.state, a.expires_at, a.token_expires_at) <= statement_timestamp()
    GROUP BY a.tenant_id
    ORDER BY min(enforcement.ends_at(a.state, a.expires_at, a.token_expires_at)) LIMIT p_limit;
    PERFORM set_config('enforcement.sweeping', 'off', true);
END $$;

-- Of all tenants: approvals that wait, those of them and of their tokens whose time is over, and
-- reservations that nobody settled within p_overdue_s.
CREATE FUNCTION enforcement.backlog(
    p_overdue_s integer, OUT pending bigint, OUT overdue_approvals bigint,
    OUT overdue_reservations bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('enforcement.sweeping', 'on', true);
    SELECT count(*) INTO pending FROM enforcement.approvals a WHERE a.state = 'pending';
    SELECT count(*) INTO overdue_approvals FROM enforcement.approvals a
    WHERE (a.state = 'pending' OR (a.state = 'approved' AND a.token_consumed_at IS NULL))
      AND enforcement.ends_at(a.state, a.expires_at, a.token_expires_at) <= statement_timestamp();
    SELECT count(*) INTO overdue_reservations FROM enforcement.decisions d
    WHERE d.reservation_active
      AND d.created_at < statement_timestamp() - make_interval(secs => p_overdue_s);
    PERFORM set_config('enforcement.sweeping', 'off', true);
END $$;
