-- The rate limiter: counts by second over the last 60 seconds, one row a tenant and bucket, and
-- one row (tenant 0) for all tenants together. Only these functions, as the owner, touch them.

CREATE TABLE enforcement.rate_global (
    bucket     text PRIMARY KEY,
    per_minute integer NOT NULL CHECK (per_minute BETWEEN 1 AND 10000000)
);

-- counts[1 + second % 61]: any 60-second interval lies within 61 whole seconds.
CREATE TABLE enforcement.rate_counters (
    bucket      text NOT NULL,
    tenant_id   uuid NOT NULL,
    last_second bigint NOT NULL,
    total       integer NOT NULL DEFAULT 0,
    counts      integer[] NOT NULL DEFAULT array_fill(0, ARRAY[61]),
    PRIMARY KEY (bucket, tenant_id)
) WITH (fillfactor = 20);

-- Lock a counter and bring it to the second given, dropping what is older than 60 seconds.
CREATE FUNCTION enforcement.rate_roll(p_bucket text, p_tenant uuid, p_second bigint)
    RETURNS enforcement.rate_counters LANGUAGE plpgsql AS $$
DECLARE
    v enforcement.rate_counters;
    v_slot integer;
BEGIN
    SELECT * INTO v FROM enforcement.rate_counters
        WHERE bucket = p_bucket AND tenant_id = p_tenant FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO enforcement.rate_counters (bucket, tenant_id, last_second)
            VALUES (p_bucket, p_tenant, p_second) ON CONFLICT DO NOTHING;
        SELECT * INTO v FROM enforcement.rate_counters
            WHERE bucket = p_bucket AND tenant_id = p_tenant FOR UPDATE;
    END IF;
    IF p_second - v.last_second > 60 THEN
        v.counts := array_fill(0, ARRAY[61]);
        v.total := 0;
        v.last_second := p_second;
    ELSIF p_second < v.last_second - 1 THEN
        -- The clock was set back: everything counted moves to the present second, so that
        -- nothing is forgiven and nothing waits for the clock to catch up.
        v.counts := array_fill(0, ARRAY[61]);
        v.counts[1 + p_second % 61] := v.total;
        v.last_second := p_second;
        -- Kept even if this request is refused: else each refusal would start the minute anew.
        UPDATE enforcement.rate_counters c
            SET last_second = v.last_second, counts = v.counts
            WHERE c.bucket = p_bucket AND c.tenant_id = p_tenant;
    ELSE
        WHILE v.last_second < p_second LOOP
            v.last_second := v.last_second + 1;
            v_slot := 1 + v.last_second % 61;
            v.total := v.total - v.counts[v_slot];
            v.counts[v_slot] := 0;
        END LOOP;
    END IF;
    RETURN v;
END $$;

-- Seconds until p_needed of what a counter holds has left the window.
CREATE FUNCTION enforcement.rate_wait(v enforcement.rate_counters, p_needed integer)
    RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_freed integer := 0;
BEGIN
    IF p_needed <= 0 THEN
        RETURN 0;
    END IF;
    FOR i IN 1..61 LOOP
        v_freed := v_freed + v.counts[1 + (v.last_second + i) % 61];
        IF v_freed >= p_needed THEN
            RETURN i;
        END IF;
    END LOOP;
    RETURN 61;
END $$;

CREATE FUNCTION enforcement.rate_limits(
    p_tenant uuid, p_bucket text, OUT tenant_per_minute integer, OUT global_per_minute integer
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    tenant_per_minute := coalesce((SELECT per_minute FROM enforcement.rate_settings
        WHERE tenant_id = p_tenant AND bucket = p_bucket), 120);
    global_per_minute := coalesce((SELECT per_minute FROM enforcement.rate_global
        WHERE bucket = p_bucket), 1200);
END $$;

-- Count up to p_count requests; ``granted`` says how many pass. Its commit does not wait for the
-- disk: a crash of the server forgets less than a second of counting, never the limit itself.
CREATE FUNCTION enforcement.rate_admit(
    p_tenant uuid, p_bucket text, p_count integer, OUT granted integer, OUT "limit" integer,
    OUT remaining integer, OUT retry_after_s integer, OUT reset_s integer, OUT scope text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_second bigint;
    v_limits record;
    v_mine enforcement.rate_counters;
    v_all enforcement.rate_counters;
    v_zero constant uuid := '00000000-0000-0000-0000-000000000000';
    v_slot integer;
    v_left_mine integer;
    v_left_all integer;
BEGIN
    PERFORM set_config('enforcement.tenant_id', p_tenant::text, true),
            set_config('synchronous_commit', 'off', true);
    SELECT * INTO v_limits FROM enforcement.rate_limits(p_tenant, p_bucket);
    v_second := floor(extract(epoch FROM clock_timestamp()))::bigint;
    v_mine := enforcement.rate_roll(p_bucket, p_tenant, v_second);
    v_left_mine := v_limits.tenant_per_minute - v_mine.total;
    IF v_left_mine <= 0 THEN
        -- Refused by its own limit before the shared row is touched: a flood of one tenant
        -- does not queue on what the others need.
        granted := 0;
        "limit" := v_limits.tenant_per_minute;
        remaining := 0;
        retry_after_s := enforcement.rate_wait(v_mine, 1 - v_left_mine);
        reset_s := enforcement.rate_wait(v_mine, v_mine.total);
        scope := 'tenant';
        RETURN;
    END IF;
    v_all := enforcement.rate_roll(p_bucket, v_zero, v_second);
    -- Whoever waited for the shared row counts in the second that row has reached.
    v_left_all := v_limits.global_per_minute - v_all.total;
    granted := greatest(least(p_count, v_left_mine, v_left_all), 0);
    IF granted > 0 THEN
        v_slot := 1 + v_mine.last_second % 61;
        v_mine.counts[v_slot] := v_mine.counts[v_slot] + granted;
        v_mine.total := v_mine.total + granted;
        v_slot := 1 + v_all.last_second % 61;
        v_all.counts[v_slot] := v_all.counts[v_slot] + granted;
        v_all.total := v_all.total + granted;
        UPDATE enforcement.rate_counters c
            SET last_second = v_mine.last_second, total = v_mine.total, counts = v_mine.counts
            WHERE c.bucket = p_bucket AND c.tenant_id = p_tenant;
        UPDATE enforcement.rate_counters c
            SET last_second = v_all.last_second, total = v_all.total, counts = v_all.counts
            WHERE c.bucket = p_bucket AND c.tenant_id = v_zero;
        v_left_mine := v_left_mine - granted;
        v_left_all := v_left_all - granted;
    END IF;
    retry_after_s := CASE
        WHEN granted = p_count THEN 0
        ELSE greatest(
            enforcement.rate_wait(v_mine, 1 - v_left_mine),
            enforcement.rate_wait(v_all, 1 - v_left_all)
        )
    END;
    IF v_left_mine <= v_left_all THEN
        "limit" := v_limits.tenant_per_minute;
        remaining := greatest(v_left_mine, 0);
        reset_s := enforcement.rate_wait(v_mine, v_mine.total);
        scope := 'tenant';
    ELSE
        "limit" := v_limits.global_per_minute;
        remaining := greatest(v_left_all, 0);
        reset_s := enforcement.rate_wait(v_all, v_all.total);
        scope := 'global';
    END IF;
END $$;

CREATE FUNCTION enforcement.set_global_limit(p_bucket text, p_per_minute integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO enforcement.rate_global (bucket, per_minute) VALUES (p_bucket, p_per_minute)
    ON CONFLICT (bucket) DO UPDATE SET per_minute = EXCLUDED.per_minute
$$;
