"""A PostgreSQL server as a direct child process, disposable and crash-testable."""
