"""``python -m shop``: prepare the database and serve."""

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

import uvicorn

from shop.database import own_database, prepare

FOLDER = Path(__file__).resolve().parents[1]


def main() -> int:
    """Serve until the process is asked to end."""
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # not at once: a database may be ours
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


if __name__ == "__main__":
    sys.exit(main())
