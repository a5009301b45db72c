-- Tables. Every row belongs to a tenant; money is numeric with 4 places (hourly: 6).

CREATE TABLE enforcement.tenants (
    tenant_id  uuid PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    plan       text NOT NULL CHECK (plan IN ('free', 'starter', 'pro', 'enterprise')),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE enforcement.principals (
    tenant_id    uuid NOT NULL REFERENCES enforcement.tenants,
    principal_id uuid NOT NULL,
    name         text NOT NULL,
    role         text NOT NULL CHECK (role IN ('member', 'admin', 'owner')),
    permissions  text[] NOT NULL DEFAULT '{}',
    active       boolean NOT NULL DEFAULT true,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, principal_id),
    UNIQUE (tenant_id, name)
);

-- One row a tenant: the end of its chain. Its row lock is the tenant's lock: whoever changes
-- money or the ledger holds it until commit. Updated in place (HOT), hence the fill factor.
CREATE TABLE enforcement.ledger_heads (
    tenant_id  uuid PRIMARY KEY REFERENCES enforcement.tenants,
    sequence   bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
    entry_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
               CHECK (length(entry_hash) = 32)
) WITH (fillfactor = 40);

CREATE TABLE enforcement.ledger (
    tenant_id       uuid NOT NULL REFERENCES enforcement.tenants,
    sequence        bigint NOT NULL CHECK (sequence >= 1),
    event           text NOT NULL CHECK (event ~ '^[a-z_]+(\.[a-z_]+)?$'),
    occurred_at     timestamptz NOT NULL,
    actor           uuid NOT NULL,
    decision_id     uuid,
    decision_digest bytea CHECK (length(decision_digest) = 32),
    payload         text NOT NULL CHECK (json_typeof(payload::json) = 'object'),
    prev_hash       bytea NOT NULL CHECK (length(prev_hash) = 32),
    entry_hash      bytea NOT NULL CHECK (length(entry_hash) = 32),
    PRIMARY KEY (tenant_id, sequence),
    CHECK (decision_digest IS NULL OR decision_id IS NOT NULL)
);
CREATE INDEX ledger_by_time ON enforcement.ledger (tenant_id, occurred_at);

-- Every version is kept: a decision names the version and hash it followed.
CREATE TABLE enforcement.policies (
    tenant_id  uuid NOT NULL REFERENCES enforcement.tenants,
    version    integer NOT NULL CHECK (version >= 1),
    document   text NOT NULL,
    sha256     text NOT NULL CHECK (sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')),
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, version)
);

CREATE TABLE enforcement.budgets (
    tenant_id         uuid NOT NULL REFERENCES enforcement.tenants,
    scope_key         text NOT NULL CHECK (length(scope_key) BETWEEN 1 AND 128),
    monthly_limit_usd numeric(20, 4) NOT NULL CHECK (monthly_limit_usd >= 0),
    active            boolean NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, scope_key)
);

-- What a project has committed: kept by triggers on decisions and reconciliations, so that
-- headroom never costs a sum over reservations. "settled" counts in its month only.
CREATE TABLE enforcement.project_usage (
    tenant_id              uuid NOT NULL REFERENCES enforcement.tenants,
    project_id             text NOT NULL,
    active_allocation_usd  numeric(20, 4) NOT NULL DEFAULT 0 CHECK (active_allocation_usd >= 0),
    active_credits_usd     numeric(20, 4) NOT NULL DEFAULT 0 CHECK (active_credits_usd >= 0),
    settled_month          date NOT NULL DEFAULT '-infinity',
    settled_allocation_usd numeric(20, 4) NOT NULL DEFAULT 0 CHECK (settled_allocation_usd >= 0),
    settled_credits_usd    numeric(20, 4) NOT NULL DEFAULT 0 CHECK (settled_credits_usd >= 0),
    PRIMARY KEY (tenant_id, project_id)
) WITH (fillfactor = 50);

CREATE TABLE enforcement.credit_grants (
    tenant_id     uuid NOT NULL REFERENCES enforcement.tenants,
    grant_id      uuid NOT NULL,
    pool          text NOT NULL CHECK (pool IN ('reserved', 'emergency')),
    scope_key     text NOT NULL CHECK (length(scope_key) BETWEEN 1 AND 128),
    total_usd     numeric(20, 4) NOT NULL CHECK (total_usd > 0),
    remaining_usd numeric(20, 4) NOT NULL CHECK (remaining_usd BETWEEN 0 AND total_usd),
    expires_at    timestamptz,
    reason        text NOT NULL,
    created_by    uuid NOT NULL,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, grant_id)
);
CREATE INDEX credit_grants_newest ON enforcement.credit_grants (tenant_id, created_at DESC);

CREATE TABLE enforcement.decisions (
    tenant_id          uuid NOT NULL REFERENCES enforcement.tenants,
    decision_id        uuid NOT NULL,
    source             text NOT NULL
                       CHECK (source IN ('terraform', 'k8s_admission', 'cloud_event')),
    idempotency_key    text NOT NULL,
    fingerprint        text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    outcome            text NOT NULL
                       CHECK (outcome IN ('ALLOW', 'DENY', 'REQUIRE_APPROVAL',
                                          'ALLOW_WITH_CREDITS')),
    reason_codes       text[] NOT NULL,
    mode               text NOT NULL CHECK (mode IN ('shadow', 'soft', 'hard')),
    policy_version     integer NOT NULL,
    policy_sha256      text NOT NULL,
    project_id         text NOT NULL,
    environment        text NOT NULL,
    action             text NOT NULL,
    resource_reference text NOT NULL,
    monthly_delta_usd  numeric(20, 4) NOT NULL CHECK (monthly_delta_usd >= 0),
    hourly_delta_usd   numeric(20, 6) NOT NULL CHECK (hourly_delta_usd >= 0),
    dry_run            boolean NOT NULL,
    allocation_usd     numeric(20, 4) NOT NULL CHECK (allocation_usd >= 0),
    credits_usd        numeric(20, 4) NOT NULL CHECK (credits_usd >= 0),
    approval_required  boolean NOT NULL,
    ttl_seconds        integer NOT NULL,
    failsafe           boolean NOT NULL,
    created_by         uuid NOT NULL,
    created_at         timestamptz NOT NULL,
    details_text       text NOT NULL,
    approval_id        uuid,
    reservation_active boolean NOT NULL,
    ledger_sequence    bigint NOT NULL,
    PRIMARY KEY (tenant_id, decision_id),
    CHECK (NOT reservation_active OR allocation_usd + credits_usd > 0),
    CHECK (NOT (reservation_active AND (dry_run OR failsafe OR outcome = 'DENY'))),
    CHECK (approval_required = (outcome = 'REQUIRE_APPROVAL'))
);
-- Fail-safe answers are outside: they must never be found under their key.
CREATE UNIQUE INDEX decisions_by_key
    ON enforcement.decisions (tenant_id, source, idempotency_key) WHERE NOT failsafe;
CREATE UNIQUE INDEX decisions_by_sequence
    ON enforcement.decisions (tenant_id, ledger_sequence);
CREATE INDEX decisions_by_time ON enforcement.decisions (tenant_id, created_at);
CREATE INDEX decisions_reserving
    ON enforcement.decisions (tenant_id, created_at) WHERE reservation_active;

CREATE TABLE enforcement.credit_reservations (
    tenant_id    uuid NOT NULL REFERENCES enforcement.tenants,
    decision_id  uuid NOT NULL,
    grant_id     uuid NOT NULL,
    position     integer NOT NULL,
    reserved_usd numeric(20, 4) NOT NULL CHECK (reserved_usd > 0),
    consumed_usd numeric(20, 4) NOT NULL DEFAULT 0 CHECK (consumed_usd >= 0),
    released_usd numeric(20, 4) NOT NULL DEFAULT 0 CHECK (released_usd >= 0),
    PRIMARY KEY (tenant_id, decision_id, grant_id),
    FOREIGN KEY (tenant_id, decision_id) REFERENCES enforcement.decisions,
    FOREIGN KEY (tenant_id, grant_id) REFERENCES enforcement.credit_grants,
    CHECK (consumed_usd + released_usd <= reserved_usd)
);

CREATE TABLE enforcement.approvals (
    tenant_id           uuid NOT NULL REFERENCES enforcement.tenants,
    approval_id         uuid NOT NULL,
    decision_id         uuid NOT NULL,
    state               text NOT NULL
                        CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'cancelled')),
    rule                text,
    required_permission text NOT NULL,
    allowed_roles       text[] NOT NULL,
    require_separation  boolean NOT NULL,
    requested_by        uuid NOT NULL,
    requested_at        timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    notes               text NOT NULL DEFAULT '',
    reviewed_by         uuid,
    reviewed_at         timestamptz,
    review_notes        text NOT NULL DEFAULT '',
    token_sha256        text,
    token_expires_at    timestamptz,
    token_consumed_at   timestamptz,
    token_consumed_by   uuid,
    PRIMARY KEY (tenant_id, approval_id),
    UNIQUE (tenant_id, decision_id),
    FOREIGN KEY (tenant_id, decision_id) REFERENCES enforcement.decisions,
    CHECK (token_consumed_at IS NULL OR state = 'approved'),
    CHECK ((token_sha256 IS NULL) = (state <> 'approved'))
);
CREATE INDEX approvals_pending
    ON enforcement.approvals (tenant_id, requested_at) WHERE state = 'pending';

-- One settlement a decision, whatever key it came under.
CREATE TABLE enforcement.reconciliations (
    tenant_id            uuid NOT NULL REFERENCES enforcement.tenants,
    decision_id          uuid NOT NULL,
    idempotency_key      text NOT NULL,
    notes                text NOT NULL,
    actual_usd           numeric(20, 4) NOT NULL CHECK (actual_usd >= 0),
    reserved_usd         numeric(20, 4) NOT NULL CHECK (reserved_usd > 0),
    allocation_spent_usd numeric(20, 4) NOT NULL CHECK (allocation_spent_usd >= 0),
    credits_consumed_usd numeric(20, 4) NOT NULL CHECK (credits_consumed_usd >= 0),
    credits_released_usd numeric(20, 4) NOT NULL CHECK (credits_released_usd >= 0),
    drift_usd            numeric(20, 4) NOT NULL,
    status               text NOT NULL CHECK (status IN ('matched', 'overage', 'savings')),
    reconciled_by        uuid NOT NULL,
    reconciled_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, decision_id),
    FOREIGN KEY (tenant_id, decision_id) REFERENCES enforcement.decisions,
    CHECK (allocation_spent_usd + credits_consumed_usd = actual_usd),
    CHECK (drift_usd = actual_usd - reserved_usd)
);
CREATE INDEX reconciliations_drifting
    ON enforcement.reconciliations (tenant_id, reconciled_at DESC) WHERE drift_usd <> 0;

CREATE TABLE enforcement.cost_records (
    tenant_id  uuid NOT NULL REFERENCES enforcement.tenants,
    day        date NOT NULL,
    amount_usd numeric(20, 4) NOT NULL CHECK (amount_usd >= 0),
    PRIMARY KEY (tenant_id, day)
);

CREATE TABLE enforcement.rate_settings (
    tenant_id  uuid NOT NULL REFERENCES enforcement.tenants,
    bucket     text NOT NULL,
    per_minute integer NOT NULL CHECK (per_minute BETWEEN 1 AND 10000000),
    PRIMARY KEY (tenant_id, bucket)
);
