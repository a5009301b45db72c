"""A service of ``examples/coming-from/`` with a count of what it was asked.

``python counted_service.py SERVER.py PORT COUNTS.json``: serves the file's ``app`` until SIGTERM
and then writes how often each method and route was answered, and with which status.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from runpy import run_path
from typing import Any

import uvicorn

_VALUE = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}(?=/|$)|/sku-\d+(?=/|$)")


class CountedApp:
    """An ASGI application that counts the answers of another.

    Args:
        app: The other.
        counts: Where the counts are written when it stops: by method, route and status, such as
            ``GET /jobs/{} 200``.
    """

    def __init__(self, app: Any, counts: Path) -> None:
        self._app = app
        self._counts = counts
        self._answers: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the other answer."""

        async def count(message: Any) -> None:
            if message["type"] == "http.response.start":
                route = _VALUE.sub("/{}", scope["path"])
                self._answers[f"{scope['method']} {route} {message['status']}"] += 1
            await send(message)

        if scope["type"] == "http":
            await self._app(scope, receive, count)
        else:
            await self._app(scope, receive, send)
            self._counts.write_text(json.dumps(self._answers), encoding="utf-8")


def main(server: str, port: str, counts: str) -> None:
    """Serve, then write the counts."""
    app = CountedApp(run_path(server)["app"], Path(counts))
    uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False, log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
