-- Applied at start; whatever is there already stays as it is.
CREATE TABLE IF NOT EXISTS products (
    sku text PRIMARY KEY,
    name text NOT NULL,
    price numeric(10, 2) NOT NULL,
    stock bigint NOT NULL CHECK (stock >= 0),
    initial bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS accounts (
    name text PRIMARY KEY,
    salt bytea NOT NULL,
    password bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (
    token_sha256 bytea PRIMARY KEY,
    account text NOT NULL REFERENCES accounts,
    expires_at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS carts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account text NOT NULL REFERENCES accounts,
    ordered boolean NOT NULL DEFAULT false
);
CREATE TABLE IF NOT EXISTS cart_items (
    cart uuid REFERENCES carts,
    sku text REFERENCES products,
    quantity int NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (cart, sku)
);
CREATE TABLE IF NOT EXISTS orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference text NOT NULL,
    state text NOT NULL DEFAULT 'open',
    placed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS order_lines (
    order_id bigint REFERENCES orders,
    sku text REFERENCES products,
    quantity int NOT NULL CHECK (quantity > 0),
    price numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, sku)
);
CREATE TABLE IF NOT EXISTS idempotency_keys (
    key text PRIMARY KEY,
    request_sha256 bytea NOT NULL,
    order_id bigint REFERENCES orders
);
