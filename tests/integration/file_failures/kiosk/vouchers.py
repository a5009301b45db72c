"""Vouchers that were issued before anybody asks, and some that were not."""

from typing import Any

ISSUED = 300


def vouchers(bed: Any) -> dict[str, list[dict[str, str]]]:
    """Issue vouchers, each of which is one effect; forge others."""
    issued = []
    with bed.connect() as connection:
        for _ in range(ISSUED):
            reference = bed.effect()
            code = f"{bed.secret('mint')}-{reference}"
            connection.execute(
                "INSERT INTO vouchers (code, reference) VALUES (%s, %s)", (code, reference)
            )
            issued.append({"code": code, "reference": reference})
    bed.every_worker("/live", header="x-pid")
    forged = [{"code": f"made-up-{name}", "name": name} for name in ("short", "long")]
    return {"vouchers": issued, "forged": forged}
