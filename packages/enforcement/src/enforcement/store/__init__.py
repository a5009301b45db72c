"""SQL, transactions, row-level security, migrations."""
