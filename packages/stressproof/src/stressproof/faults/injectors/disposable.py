"""Which databases may be broken: those on loopback that somebody has given up."""

from stressproof.errors import RunError, UsageError
from stressproof.extras import extra
from stressproof.failures.loopback import require_loopback

with extra("postgres", "breaking a PostgreSQL database"):
    import psycopg

MARK = "stressproof.disposable"


def require_disposable(dsn: str, *, started_by_us: bool = False) -> None:
    """Refuse a database that nobody has given up.

    Args:
        dsn: Where to connect; its host is a loopback address or a socket folder.
        started_by_us: The server is a child of ours (`disposable_postgres`).

    Raises:
        UsageError: It is elsewhere, or its owner has not marked it.
        RunError: It cannot be asked.
    """
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    for key in ("host", "hostaddr"):
        for host in str(parts.get(key) or "").split(","):
            if host and not host.startswith(("/", "@")):
                require_loopback(host)
    if not parts.get("host") and not parts.get("hostaddr"):
        raise UsageError(
            "the database's address is left to the environment, so it may be anywhere",
            hint="Name a host in the DSN: 127.0.0.1, or a socket folder.",
        )
    if started_by_us:
        return
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            row = connection.execute("SELECT current_setting(%s, true)", (MARK,)).fetchone()
    except psycopg.Error as error:
        raise RunError(
            f"the database cannot be asked whether it is disposable: {error}",
            hint="Start it, or let the tool keep a database of its own.",
        ) from error
    if row is None or row[0] != "on":
        raise UsageError(
            "this database is not marked as disposable, so nothing in it will be broken",
            hint=f"If nobody needs it: ALTER DATABASE ... SET {MARK} = 'on', as its owner.",
        )
