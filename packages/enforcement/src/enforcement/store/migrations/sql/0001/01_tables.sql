-- Tables. Every row belongs to a tenant; money is numeric with 4 places (hourly: 6).
--
-- The gate writes decisions and ledger, so those two are lean: words are enumerations and money
-- a domain, both checked when a value is made. A CHECK constraint is parsed anew by every INSERT
-- statement, and a foreign key takes a row lock in tenants: measured, a dozen of one and one of
-- the other were three quarters of such an INSERT. What their foreign key would say holds all
-- the same: no row of the ledger exists without a head (its trigger), no head without a tenant.

CREATE TYPE enforcement.source AS ENUM ('terraform', 'k8s_admission', 'cloud_event');
CREATE TYPE enforcement.mode AS ENUM ('shadow', 'soft', 'hard');
CREATE TYPE enforcement.outcome AS ENUM (
    'ALLOW', 'DENY', 'REQUIRE_APPROVAL', 'ALLOW_WITH_CREDITS');
CREATE TYPE enforcement.event AS ENUM (
    'decision', 'decision.failsafe', 'approval.requested', 'approval.approved',
    'approval.denied', 'approval.expired', 'approval.cancelled', 'approval.token_consumed',
    'reservation.reconciled', 'reservation.released', 'policy.updated', 'budget.set',
    'credit.granted', 'limits.set');
CREATE DOMAIN enforcement.usd AS numeric(20, 4) CHECK (VALUE >= 0);
CREATE DOMAIN enforcement.usd_hourly AS numeric(20, 6) CHECK (VALUE >= 0);
CREATE DOMAIN enforcement.sha256 AS bytea CHECK (length(VALUE) = 32);

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
    sequence   bigint NOT NULL DEFAULT 0,
    prev_hash  enforcement.sha256 NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    entry_hash enforcement.sha256 NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
) WITH (fillfactor = 40);

CREATE TABLE enforcement.ledger (
    tenant_id       uuid NOT NULL,
    sequence        bigint NOT NULL,
    event           enforcement.event NOT NULL,
    occurred_at     timestamptz NOT NULL,
    actor           uuid NOT NULL,
    decision_id     uuid,
    decision_digest enforcement.sha256,
    payload         text NOT NULL,
    prev_hash       enforcement.sha256 NOT NULL,
    entry_hash      enforcement.sha256 NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);
-- Time runs along with the rows, so ranges of blocks are enough: a few bytes, no cost to a gate,
-- and never a plan's choice for anything but time.
CREATE INDEX ledger_by_time ON enforcement.ledger
    USING brin (occurred_at) WITH (pages_per_range = 16, autosummarize = on);

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
    monthly_limit_usd enforcement.usd NOT NULL,
    active            boolean NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, scope_key)
);

-- What a project has committed: kept by triggers on decisions and reconciliations, so that
-- headroom never costs a sum over reservations. "settled" counts in its month only.
CREATE TABLE enforcement.project_usage (
    tenant_id              uuid NOT NULL REFERENCES enforcement.tenants,
    project_id             text NOT NULL,
    active_allocation_usd  enforcement.usd NOT NULL DEFAULT 0,
    active_credits_usd     enforcement.usd NOT NULL DEFAULT 0,
    settled_month          date NOT NULL DEFAULT '-infinity',
    settled_allocation_usd enforcement.usd NOT NULL DEFAULT 0,
    settled_credits_usd    enforcement.usd NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, project_id)
) WITH (fillfactor = 50);

CREATE TABLE enforcement.credit_grants (
    tenant_id     uuid NOT NULL REFERENCES enforcement.tenants,
    grant_id      uuid NOT NULL,
    pool          text NOT NULL CHECK (pool IN ('reserved', 'emergency')),
    scope_key     text NOT NULL CHECK (length(scope_key) BETWEEN 1 AND 128),
    total_usd     enforcement.usd NOT NULL CHECK (total_usd > 0),
    remaining_usd enforcement.usd NOT NULL CHECK (remaining_usd <= total_usd),
    expires_at    timestamptz,
    reason        text NOT NULL,
    created_by    uuid NOT NULL,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, grant_id)
);
CREATE INDEX credit_grants_newest ON enforcement.credit_grants (tenant_id, created_at DESC);

CREATE TABLE enforcement.decisions (
    tenant_id          uuid NOT NULL,
    decision_id        uuid NOT NULL,
    source             enforcement.source NOT NULL,
    idempotency_key    text NOT NULL,
    fingerprint        text NOT NULL,
    outcome            enforcement.outcome NOT NULL,
    reason_codes       text[] NOT NULL,
    mode               enforcement.mode NOT NULL,
    policy_version     integer NOT NULL,
    policy_sha256      text NOT NULL,
    project_id         text NOT NULL,
    environment        text NOT NULL,
    action             text NOT NULL,
    resource_reference text NOT NULL,
    monthly_delta_usd  enforcement.usd NOT NULL,
    hourly_delta_usd   enforcement.usd_hourly NOT NULL,
    dry_run            boolean NOT NULL,
    allocation_usd     enforcement.usd NOT NULL,
    credits_usd        enforcement.usd NOT NULL,
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
    CONSTRAINT reservation_is_possible CHECK (
        NOT reservation_active OR NOT (dry_run OR failsafe OR outcome = 'DENY'))
);
-- Fail-safe answers are outside: they must never be found under their key. The source comes
-- last: comparing an enumeration is not leakproof, so row-level security keeps it out of index
-- conditions, and in the middle it would make a lookup read all keys of the tenant.
CREATE UNIQUE INDEX decisions_by_key
    ON enforcement.decisions (tenant_id, idempotency_key, source) WHERE NOT failsafe;
CREATE UNIQUE INDEX decisions_by_sequence
    ON enforcement.decisions (tenant_id, ledger_sequence);
CREATE INDEX decisions_by_time ON enforcement.decisions
    USING brin (created_at) WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX decisions_reserving
    ON enforcement.decisions (tenant_id, created_at) WHERE reservation_active;

CREATE TABLE enforcement.credit_reservations (
    tenant_id    uuid NOT NULL REFERENCES enforcement.tenants,
    decision_id  uuid NOT NULL,
    grant_id     uuid NOT NULL,
    position     integer NOT NULL,
    reserved_usd enforcement.usd NOT NULL CHECK (reserved_usd > 0),
    consumed_usd enforcement.usd NOT NULL DEFAULT 0,
    released_usd enforcement.usd NOT NULL DEFAULT 0,
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
    actual_usd           enforcement.usd NOT NULL,
    reserved_usd         enforcement.usd NOT NULL CHECK (reserved_usd > 0),
    allocation_spent_usd enforcement.usd NOT NULL,
    credits_consumed_usd enforcement.usd NOT NULL,
    credits_released_usd enforcement.usd NOT NULL,
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
    amount_usd enforcement.usd NOT NULL,
    PRIMARY KEY (tenant_id, day)
);

CREATE TABLE enforcement.rate_settings (
    tenant_id  uuid NOT NULL REFERENCES enforcement.tenants,
    bucket     text NOT NULL,
    per_minute integer NOT NULL CHECK (per_minute BETWEEN 1 AND 10000000),
    PRIMARY KEY (tenant_id, bucket)
);
