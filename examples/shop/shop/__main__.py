"""``python -m shop``: prepare the database and serve."""

import argparse
import contextlib
import os
import sys
from pathlib import Path

import uvicorn

from shop.database import prepare

FOLDER = Path(__file__).resolve().parents[1]


def main() -> int:
    """Serve until the process is asked to end."""
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if not os.environ.get("DATABASE_URL"):
            os.environ["DATABASE_URL"] = own_database(stack)
        prepare(os.environ["DATABASE_URL"], FOLDER)
        uvicorn.run(
            "shop.app:app",
            host=asked.host,
            port=asked.port,
            workers=asked.workers,
            access_log=False,
            log_level="warning",
        )
    return 0


def own_database(stack: contextlib.ExitStack) -> str:
    """Start a PostgreSQL that lasts as long as the shop, and return where it is."""
    try:
        from disposable_postgres import PostgresServer  # noqa: PLC0415  # only where it is wanted
    except ModuleNotFoundError:
        sys.exit("Set DATABASE_URL to a PostgreSQL, or: pip install disposable-postgres")
    return stack.enter_context(PostgresServer.start()).dsn()


if __name__ == "__main__":
    sys.exit(main())
