"""FI-005: a tenant far above its limit, and a crash meanwhile."""

from typing import Final

from enforcement_suite.queries import EFFECTS_SQL, LEDGER, QUIET
from enforcement_suite.scenarios.checks import EFFECTS, after
from enforcement_suite.scenarios.faults import (
    KILLED_POSTGRES,
)
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import S
from stressproof.failures.spec import (
    AT_ONCE,
    LATER,
    FaultSpec,
    RequestSpec,
    ScenarioSpec,
    WitnessSpec,
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
        RequestSpec("gate_flood", 1, keyed=True, stream="flood", stream_per_s=FLOOD_PER_S),
        RequestSpec("gate_quiet_one", 1, keyed=True),
        RequestSpec("gate_quiet_two", 1, keyed=True),
        RequestSpec("read", 6),
        RequestSpec("live", 3),
    ),
    faults=(
        FaultSpec(
            "flood",
            "saturation",
            "one of three tenants asks at ten times what it may",
            "requests offered above the limit",
            8 * S,
            AT_ONCE,
            target="one of three tenants",
            parameters={"limit": FLOOD_LIMIT, "rate_per_s": FLOOD_PER_S},
            witnesses=(WitnessSpec("requests offered by the tenant", FLOOD_LIMIT + 1),),
        ),
        FaultSpec(
            "postgres_killed",
            "kill_postgres",
            "SIGKILL to the server, which keeps the counters, while the tenant is above its limit",
            "processes gone, and the crash recovery in the server's log",
            1 * S,
            LATER,
            watched_longer_us=56 * S,
            **KILLED_POSTGRES,
        ),
    ),
    checks=(
        *EFFECTS,
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
    effects_sql=EFFECTS_SQL,
    queries=LEDGER,
    quiet=QUIET,
    driver="enforcement_suite.scenarios.limiter.driver:Limiter",
    parallel=True,
)
