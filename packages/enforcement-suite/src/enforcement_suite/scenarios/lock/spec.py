"""FI-002: a tenant's lock held, its holders killed, and budgets raced for."""

from typing import Final

from enforcement_suite.queries import BUDGETS_NOT_EXCEEDED, EFFECTS, FAILSAFES_RECORDED, LEDGER
from enforcement_suite.requests import gate, request
from enforcement_suite.scenarios.checks import (
    EFFECT_CHECKS,
    GATE_ANSWER_US,
    after,
    numbered,
    won_once,
)
from enforcement_suite.scenarios.faults import DATABASE, fault
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import MS, S
from stressproof.failures.spec import (
    AT_ONCE,
    LATER,
    ScenarioSpec,
    Send,
)

# Even without a lock the first of fifty may be done before the second begins: once proves little.
BUDGET_RACES: Final = numbered("race", 5)
"""Kinds of the requests that race for one budget each in FI-002."""

BUDGET_RACERS: Final = 50
"""Requests that race for each."""

HELD_ROW: Final = "SELECT 1 FROM enforcement.ledger_heads WHERE tenant_id = '{{hot.id}}' FOR UPDATE"
"""The row that every change of a tenant's money or ledger locks."""

FI_002 = ScenarioSpec(
    id="FI-002",
    title="Lock contention on one tenant",
    question="Is a held lock bounded, kept from other tenants, and free when its holder dies?",
    steady_us=3 * S,
    rate_per_s=24,
    requests=(
        gate("gate_hot", 3),
        gate("gate_other", 5),
        request("read", 2),
        request("live", 1),
        gate("single", sent=(1, 0)),
        *(gate(kind, sent=(0, BUDGET_RACERS)) for kind in BUDGET_RACES),
    ),
    faults=(
        fault(
            "lock",
            "lock_held",
            "a second session holds one tenant's row lock",
            4 * S,
            {"sql": HELD_ROW},
        ),
        fault(
            "lock",
            "holder_killed",
            "the same, and the holder's session is ended by force",
            2 * S,
            {"sql": HELD_ROW, "holder": "terminate"},
        ),
        fault(
            "kill_worker",
            "worker_killed",
            "SIGKILL to a worker in the middle of a transaction that holds a tenant's lock",
            1 * S,
            {"holding": DATABASE},
            objectives=LATER,
        ),
        fault(
            "race",
            "budget_race",
            "fifty gates at once for a budget that pays for one; five budgets",
            1 * S,
            {"batches": len(BUDGET_RACES)},
            send=(Send("race", BUDGET_RACERS, same=False),),
            objectives=AT_ONCE,
        ),
    ),
    checks=(
        *EFFECT_CHECKS,
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
    effects=EFFECTS,
    off={"failed_absent": "a gate that loses the race for a budget answers, and is recorded"},
    invariants=(*LEDGER, BUDGETS_NOT_EXCEEDED, FAILSAFES_RECORDED),
    driver="enforcement_suite.scenarios.lock.driver:LockContention",
)
