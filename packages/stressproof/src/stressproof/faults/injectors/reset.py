"""Makes a database writable again, for whoever made it read-only and is gone.

The DSN is in our environment: arguments are seen by everybody on the machine.
"""

import os
import sys
from typing import Final

import psycopg

DSN_VARIABLE: Final = "STRESSPROOF_RESET_DSN"
RESET: Final = (
    "ALTER SYSTEM RESET default_transaction_read_only",
    "SELECT pg_reload_conf()",
)


def main() -> int:
    """Reset the setting; return an exit code."""
    try:
        with psycopg.connect(os.environ[DSN_VARIABLE], autocommit=True, connect_timeout=5) as open_:
            for statement in RESET:
                open_.execute(statement)
    except psycopg.Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
