"""FI-005: a tenant far above its limit, and a crash meanwhile."""

from typing import Final

from enforcement_suite.queries import EFFECTS, LEDGER
from enforcement_suite.requests import gate, request
from enforcement_suite.scenarios.checks import EFFECT_CHECKS, after
from enforcement_suite.scenarios.faults import fault
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import S
from stressproof.failures.spec import (
    AT_ONCE,
    LATER,
    ScenarioSpec,
    Send,
)

FLOOD_LIMIT: Final = 120
"""Gates a minute that a tenant may ask for."""

FLOOD_PER_S: Final = 10 * FLOOD_LIMIT // 60 * 2
"""Gates a second that the flooding tenant asks for."""

FI_005 = ScenarioSpec(
    id="FI-005",
    title="A tenant far above its limit",
    question="Does the limit hold over all workers and through a crash, at nobody else's expense?",
    steady_us=3 * S,
    rate_per_s=12,
    requests=(
        gate("gate_flood", 1, stream="flood", stream_per_s=FLOOD_PER_S),
        gate("gate_quiet_one", 1),
        gate("gate_quiet_two", 1),
        request("read", 6),
        request("live", 3),
    ),
    faults=(
        fault(
            "flood",
            "flood",
            "one of three tenants asks at ten times what it may",
            8 * S,
            {"rate_per_s": FLOOD_PER_S, "over": FLOOD_LIMIT},
            send=(Send("gate_flood"),),
            objectives=AT_ONCE,
        ),
        fault(
            "kill",
            "postgres_killed",
            "SIGKILL to the server, which keeps the counters, while the tenant is above its limit",
            1 * S,
            objectives=LATER,
            watched_longer_us=56 * S,
        ),
    ),
    checks=(
        *EFFECT_CHECKS,
        check_spec("failed_absent", baseline=True),
        check_spec(
            "at_most", "", {"of": ("gate_flood",), "limit": FLOOD_LIMIT, "within_us": 60 * S}
        ),
        check_spec("only", "flood", {"of": ("gate_flood",), "codes": ("200/ALLOW*", "429/retry")}),
        check_spec(
            "happens",
            "flood",
            {"of": ("gate_flood",), "codes": ("429/retry",), "times": FLOOD_LIMIT},
        ),
        check_spec("share", "flood", {"of": ("gate_quiet_*",), "least_ppm": S}),
        check_spec("undisturbed", "flood", {"of": ("gate_quiet_*", "read", "live")}),
        check_spec("undisturbed", "postgres_killed", {"of": ("live",)}),
        *after("flood"),
        *after("postgres_killed"),
        check_spec(
            "ok_again_after", "postgres_killed", {"of": ("gate_flood",), "after_us": 60 * S}
        ),
    ),
    effects=EFFECTS,
    invariants=LEDGER,
    driver="enforcement_suite.scenarios.limiter.driver:Limiter",
    parallel=True,
)
