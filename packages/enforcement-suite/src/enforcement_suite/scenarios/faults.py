"""What several scenarios inject alike: targets, parameters, and what proves each."""

from typing import Any, Final

from stressproof.failures.parameters import MS
from stressproof.failures.spec import WitnessSpec

THROUGH_PROXY: Final = "every connection through the proxy on port *"
ONE_WORKER: Final = "one of * workers, by SIGKILL"

CUT: Final = (WitnessSpec("pairs cut at a commit"),)
REPLACED: Final = (WitnessSpec("workers killed"), WitnessSpec("workers replaced"))

KILLED_POSTGRES: Final[dict[str, Any]] = {
    "target": "postgres * and every child, by SIGKILL",
    "witnesses": (
        WitnessSpec("processes killed", 2),
        WitnessSpec("crash recoveries in the server's log"),
    ),
}
ENDED_SESSIONS: Final[dict[str, Any]] = {
    "target": "sessions of enforcement%",
    "parameters": {"application": "enforcement%", "every_us": 100 * MS},
    "witnesses": (WitnessSpec("backends terminated"),),
}
HELD: Final[dict[str, Any]] = {
    "parameters": {
        "statement": ("SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = %s FOR UPDATE")
    },
    "witnesses": (WitnessSpec("sessions blocked by the holder"),),
}


def race(batches: int, racers: int) -> dict[str, Any]:
    """Return what a race is: so many batches, half of the racers under way at once at least."""
    return {
        "parameters": {"volleys": batches, "needs": racers // 2},
        "witnesses": (WitnessSpec("requests under way at the same time", racers // 2),),
        "until_done": True,
    }
