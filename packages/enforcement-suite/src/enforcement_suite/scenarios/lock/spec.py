"""FI-002: a tenant's lock held, its holders killed, and budgets raced for."""

from typing import Final

from enforcement_suite.queries import (
    BUDGETS_NOT_EXCEEDED,
    EFFECTS_SQL,
    FAILSAFES_RECORDED,
    LEDGER,
    QUIET,
)
from enforcement_suite.scenarios.checks import EFFECTS, GATE_ANSWER_US, after, numbered, won_once
from enforcement_suite.scenarios.faults import (
    HELD,
    ONE_WORKER,
    REPLACED,
    race,
)
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import MS, S
from stressproof.failures.spec import (
    AT_ONCE,
    LATER,
    FaultSpec,
    RequestSpec,
    ScenarioSpec,
    WitnessSpec,
)

# Even without a lock the first of fifty may be done before the second begins: once proves little.
BUDGET_RACES: Final = numbered("race", 5)
"""Kinds of the requests that race for one budget each in FI-002."""

BUDGET_RACERS: Final = 50
"""Requests that race for each."""

FI_002 = ScenarioSpec(
    id="FI-002",
    title="Lock contention on one tenant",
    question="Is a held lock bounded, kept from other tenants, and free when its holder dies?",
    steady_us=3 * S,
    rate_per_s=24,
    requests=(
        RequestSpec("gate_hot", 3, keyed=True),
        RequestSpec("gate_other", 5, keyed=True),
        RequestSpec("read", 2),
        RequestSpec("live", 1),
        RequestSpec("single", keyed=True, sent=(1, 0)),
        *(RequestSpec(kind, keyed=True, sent=(0, BUDGET_RACERS)) for kind in BUDGET_RACES),
    ),
    faults=(
        FaultSpec(
            "lock_held",
            "hold_lock",
            "a second session holds one tenant's row lock",
            "sessions that the server sees blocked by the holder",
            4 * S,
            target="the hot tenant's row",
            **HELD,
        ),
        FaultSpec(
            "holder_killed",
            "hold_lock",
            "the same, and the holder's session is ended by force",
            "sessions that the server sees blocked by the holder",
            2 * S,
            target="the hot tenant's row, holder killed",
            **HELD,
        ),
        FaultSpec(
            "worker_killed",
            "kill_worker",
            "SIGKILL to a worker in the middle of a transaction that holds a tenant's lock",
            "its session seen holding the lock and then gone; the worker gone and replaced",
            1 * S,
            LATER,
            target=ONE_WORKER,
            parameters={"workers": "*"},
            witnesses=(
                WitnessSpec("sessions of the worker that held a lock when it died"),
                WitnessSpec("of them ended by the server"),
                *REPLACED,
            ),
            until_done=True,
        ),
        FaultSpec(
            "budget_race",
            "race",
            "fifty gates at once for a budget that pays for one; five budgets",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
            target="budgets that pay once",
            **race(len(BUDGET_RACES), BUDGET_RACERS),
        ),
    ),
    checks=(
        *EFFECTS,
        check_spec("answered_in", "lock_held", {"of": ("gate_hot",), "within_us": GATE_ANSWER_US}),
        check_spec(
            "only",
            "lock_held",
            {
                "of": ("gate_hot",),
                "codes": ("200/ALLOW*", "200/failsafe:DENY:gate_*:hard_mode_fail_closed"),
            },
        ),
        check_spec(
            "happens",
            "lock_held",
            {
                "of": ("gate_hot",),
                # On a busy machine the gate's own bound may come first.
                "codes": (
                    "200/failsafe:DENY:gate_lock_timeout:*",
                    "200/failsafe:DENY:gate_timeout:*",
                ),
                "times": 3,
            },
        ),
        check_spec("undisturbed", "lock_held", {"of": ("gate_other", "read", "live")}),
        check_spec(
            "no_slower",
            "lock_held",
            {
                "of": ("gate_other",),
                "p_ppm": 950_000,
                "factor_ppm": 4 * S,
                "floor_us": 1000 * MS,
            },
        ),
        *after("lock_held"),
        check_spec("undisturbed", "holder_killed", {"of": ("gate_other", "read", "live")}),
        *after("holder_killed"),
        *after("worker_killed"),
        *won_once(
            BUDGET_RACES, {"attempts": BUDGET_RACERS, "together": True, "winner": ("200/ALLOW*",)}
        ),
        *after("budget_race"),
    ),
    effects_sql=EFFECTS_SQL,
    queries=(*LEDGER, BUDGETS_NOT_EXCEEDED, FAILSAFES_RECORDED),
    quiet=QUIET,
    driver="enforcement_suite.scenarios.lock.driver:LockContention",
)
