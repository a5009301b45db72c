CREATE TABLE events (event text PRIMARY KEY, sold bigint NOT NULL DEFAULT 0);
CREATE TABLE tickets (id bigserial PRIMARY KEY, reference text NOT NULL, event text NOT NULL);
CREATE TABLE keys (key text PRIMARY KEY);
INSERT INTO events SELECT 'event-' || n FROM generate_series(1, 9) n;
CREATE TABLE vouchers (code text PRIMARY KEY, reference text NOT NULL, redeemed int NOT NULL DEFAULT 0);
