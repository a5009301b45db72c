-- Words for what was changed without a ledger row before. A migration of their own: PostgreSQL
-- lets nobody use a word in the transaction that adds it.

ALTER TYPE enforcement.event ADD VALUE 'tenant.created';
ALTER TYPE enforcement.event ADD VALUE 'tenant.plan_set';
ALTER TYPE enforcement.event ADD VALUE 'principal.set';
ALTER TYPE enforcement.event ADD VALUE 'costs.recorded';
ALTER TYPE enforcement.event ADD VALUE 'decision.voided';
ALTER TYPE enforcement.event ADD VALUE 'state.adopted';
