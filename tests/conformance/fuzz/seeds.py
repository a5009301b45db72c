"""Seeds of the current shape, from the honest artifacts: python tests/conformance/fuzz/seeds.py."""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from forgeries import honest  # noqa: E402  # found by the line above

_SMALL: dict[str, Any] = {
    "rounds": 2,
    "duration_s": 3,
    "users": 2,
    "ramp_s": 1,
    "endpoints": honest.ENDPOINTS[:2],
}
_BEYOND = 2**53


def seeds() -> dict[str, bytes]:
    """Return each seed by the name of its file in the corpus."""
    closed = honest.full(honest.Plan(**_SMALL))
    huge = json.loads(json.dumps(closed))
    huge["measurements"]["runs"][0]["rows"][0]["corrected"]["buckets"][0] = _BEYOND
    opened = honest.full(honest.Plan(**_SMALL, closed_loop=False))
    made = {"stress-full-small": closed, "stress-open-small": opened, "huge-bucket": huge}
    return {f"{name}.json": json.dumps(data).encode() for name, data in made.items()}


if __name__ == "__main__":
    for name, content in seeds().items():
        (HERE / "corpus" / name).write_bytes(content)
