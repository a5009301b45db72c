CREATE TABLE orders (reference text PRIMARY KEY);
