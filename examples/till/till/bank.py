"""A stand-in for the bank: rates, charges under idempotency keys, and its own list of charges."""

import sys
from collections import Counter
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header

app = FastAPI(title="Bank", version="1.0")
charges: dict[str, dict[str, Any]] = {}
"""By idempotency key."""


@app.get("/rates/{currency}")
async def rate(currency: str) -> dict[str, str]:
    """Give a rate, and the small print that comes with it."""
    return {"currency": currency, "rate": "1.0950", "terms": "Without obligation. " * 20}


@app.post("/charges")
async def charge(
    asked: dict[str, Any], idempotency_key: Annotated[str, Header()]
) -> dict[str, Any]:
    """Charge once for each key."""
    charges.setdefault(idempotency_key, asked)
    return {"charged": charges[idempotency_key]["cents"]}


@app.get("/charges")
async def listed(prefix: str) -> dict[str, Any]:
    """List what was charged under references that begin so."""
    return {"charges": [one for one in charges.values() if one["reference"].startswith(prefix)]}


@app.get("/audit")
async def audit() -> dict[str, int]:
    """Count references, and how many of them were charged more than once."""
    times = Counter(one["reference"] for one in charges.values())
    return {"checked": len(times), "twice": sum(count > 1 for count in times.values())}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
