"""Bring a database to this code's schema. The only module that imports Alembic."""


def migrate(dsn: str, *, app_password: str) -> str:
    """Create or upgrade the schema, its roles and their privileges; safe to run in parallel.

    Args:
        dsn: Of a role that may create roles and schemas (the cluster's superuser will do).
        app_password: Login password of ``enforcement_app``, set on every run.

    Returns:
        The migration head now in place.

    Raises:
        StoreError: The database cannot be reached or refuses.
    """
    raise NotImplementedError


def app_dsn(dsn: str, app_password: str) -> str:
    """Return the DSN of the application role on the same server and database."""
    raise NotImplementedError
