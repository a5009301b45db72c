"""FI-001 to FI-005: what is injected, and what must hold then, as values."""

from collections.abc import Mapping
from typing import Final

from stressproof.evidence.failure import Parameter
from stressproof.evidence.failure_specs import (
    AT_ONCE,
    GATE_ANSWER_US,
    LATER,
    MS,
    CheckSpec,
    FaultSpec,
    S,
    ScenarioSpec,
)

_EFFECTS: Final = (
    CheckSpec("every_key_read", baseline=True),
    CheckSpec("acknowledged_durable", baseline=True),
    CheckSpec("no_double_effect", baseline=True),
)
_LEDGER: Final = (
    "chain_unbroken",
    "decisions_equal_ledger",
    "usage_is_the_sum",
    "nothing_leaked",
)


def _after(fault: str) -> tuple[CheckSpec, ...]:
    """Return what must hold after any fault."""
    return (CheckSpec("recovered", fault), CheckSpec("healthy_after_recovery", fault))


def _failsafes(fault: str) -> tuple[CheckSpec, ...]:
    """Return what gates must answer, whatever the database does: by mode, and in time."""
    modes = (
        ("gate_hard", "DENY", "hard_mode_fail_closed"),
        ("gate_soft", "REQUIRE_APPROVAL", "soft_mode_fail_safe_escalation"),
        ("gate_shadow", "ALLOW", "shadow_mode_fail_open"),
    )
    return (
        CheckSpec("answered_in_time", fault, {"kind": "gate_*", "within_us": GATE_ANSWER_US}),
        *(
            CheckSpec(
                "only_codes",
                fault,
                {"kind": kind, "codes": f"200/ALLOW* 200/failsafe:{decision}:gate_*:{reason}"},
            )
            for kind, decision, reason in modes
        ),
        CheckSpec("undisturbed", fault, {"kind": "live"}),
        CheckSpec("sometimes.disturbed", fault),
        *_after(fault),
    )


def _answered_without_database(fault: str) -> CheckSpec:
    return CheckSpec(
        "sometimes.happened", fault, {"kind": "gate_*", "codes": "200/failsafe:*", "needs": 3}
    )


FI_001 = ScenarioSpec(
    id="FI-001",
    title="Fail-safe while the database is slow, silent, gone or cut off",
    question="Does every gate answer in time and by its mode, and is the ledger right afterwards?",
    steady_us=3 * S,
    rate_per_s=24,
    faults=(
        FaultSpec(
            "slow_database",
            "network",
            "1.5 s of latency in each direction between service and database",
            "chunks that the proxy delayed",
            4 * S,
        ),
        FaultSpec(
            "black_hole",
            "network",
            "nothing passes in either direction; nothing is lost",
            "bytes that the proxy held, with none let through",
            3 * S,
        ),
        FaultSpec(
            "postgres_frozen",
            "freeze_postgres",
            "SIGSTOP to the server and every child, which keep what they hold",
            "processes stopped, and a connection that got no answer",
            3 * S,
        ),
        FaultSpec(
            "backends_terminated",
            "terminate_backends",
            "pg_terminate_backend on every session of the service, ten times a second",
            "backends that the server says it terminated",
            2 * S,
        ),
        FaultSpec(
            "postgres_killed",
            "kill_postgres",
            "SIGKILL to the server and every child; started again after two seconds",
            "processes gone, and the crash recovery in the server's log",
            2 * S,
            LATER,
        ),
        FaultSpec(
            "commit_answer_lost",
            "network",
            "RST after the server committed a gate and before the service can learn of it",
            "pairs that the proxy cut, each at a CommandComplete",
            3 * S,
        ),
    ),
    checks=(
        *_EFFECTS,
        CheckSpec("failed_absent", baseline=True),
        CheckSpec("sometimes.unknown"),
        CheckSpec("sometimes.retried"),
        *_failsafes("slow_database"),
        _answered_without_database("slow_database"),
        *_failsafes("black_hole"),
        _answered_without_database("black_hole"),
        *_failsafes("postgres_frozen"),
        _answered_without_database("postgres_frozen"),
        *_after("backends_terminated"),
        CheckSpec("undisturbed", "backends_terminated", {"kind": "live"}),
        *_failsafes("postgres_killed"),
        _answered_without_database("postgres_killed"),
        *_after("commit_answer_lost"),
    ),
    queries=(*_LEDGER, "credits_conserved", "reservations_settled_once", "failsafes_recorded"),
)


def _numbered(kind: str, races: int) -> tuple[str, ...]:
    """Return a kind for each race, so that a check can demand each."""
    return tuple(f"{kind}_{number}" for number in range(1, races + 1))


def _won_once(kinds: tuple[str, ...], parameters: Mapping[str, Parameter]) -> tuple[CheckSpec, ...]:
    """Return a check a race: one that is missing is inconclusive, not covered by the others."""
    return tuple(
        CheckSpec("exactly_one_winner", "", {"kind": kind, **parameters}) for kind in kinds
    )


# Even without a lock the first of fifty may be done before the second begins: once proves little.
BUDGET_RACES: Final = _numbered("race", 5)
"""Kinds of the requests that race for one budget each in FI-002."""

BUDGET_RACERS: Final = 50
"""Requests that race for each."""

FI_002 = ScenarioSpec(
    id="FI-002",
    title="Lock contention on one tenant",
    question="Is a held lock bounded, kept from other tenants, and free when its holder dies?",
    steady_us=3 * S,
    rate_per_s=24,
    faults=(
        FaultSpec(
            "lock_held",
            "hold_lock",
            "a second session holds one tenant's row lock",
            "sessions that the server sees blocked by the holder",
            4 * S,
        ),
        FaultSpec(
            "holder_killed",
            "hold_lock",
            "the same, and the holder's session is ended by force",
            "sessions that the server sees blocked by the holder",
            2 * S,
        ),
        FaultSpec(
            "worker_killed",
            "kill_worker",
            "SIGKILL to a worker in the middle of a transaction that holds a tenant's lock",
            "its session seen holding the lock and then gone; the worker gone and replaced",
            1 * S,
            LATER,
        ),
        FaultSpec(
            "budget_race",
            "race",
            "fifty gates at once for a budget that pays for one; five budgets",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
        ),
    ),
    checks=(
        *_EFFECTS,
        CheckSpec(
            "answered_in_time", "lock_held", {"kind": "gate_hot", "within_us": GATE_ANSWER_US}
        ),
        CheckSpec(
            "only_codes",
            "lock_held",
            {
                "kind": "gate_hot",
                "codes": "200/ALLOW* 200/failsafe:DENY:gate_*:hard_mode_fail_closed",
            },
        ),
        CheckSpec(
            "sometimes.happened",
            "lock_held",
            {
                "kind": "gate_hot",
                # On a busy machine the gate's own bound may come first.
                "codes": "200/failsafe:DENY:gate_lock_timeout:* 200/failsafe:DENY:gate_timeout:*",
                "needs": 3,
            },
        ),
        CheckSpec("undisturbed", "lock_held", {"kind": "gate_other read live"}),
        CheckSpec(
            "quantile_kept",
            "lock_held",
            {
                "kind": "gate_other",
                "quantile_ppm": 950_000,
                "until_us": 3 * S,
                "factor_ppm": 4 * S,
                "floor_us": 1000 * MS,
            },
        ),
        *_after("lock_held"),
        CheckSpec("undisturbed", "holder_killed", {"kind": "gate_other read live"}),
        *_after("holder_killed"),
        *_after("worker_killed"),
        *_won_once(
            BUDGET_RACES, {"attempts": BUDGET_RACERS, "together": True, "winner": "200/ALLOW*"}
        ),
        *_after("budget_race"),
    ),
    queries=(*_LEDGER, "budgets_not_exceeded", "failsafes_recorded"),
)

TOKEN_RACES: Final = _numbered("replay", 5)
"""Kinds of the requests that spend one approval token each in FI-003."""

TOKEN_RACERS: Final = 50
"""Requests that spend each."""

FORGERIES: Final = (
    "unsigned",
    "wrong_key",
    "wrong_algorithm",
    "truncated",
    "edited",
    "swapped",
    "expired",
    "not_yet",
    "other_decision",
    "other_cap",
    "other_subject",
    "foreign",
)
"""How tokens are forged in FI-003; the kind of each request is ``tamper_`` and its forgery."""

FI_003 = ScenarioSpec(
    id="FI-003",
    title="Replayed and tampered approval tokens",
    question="Is a token spent once and only as issued, whoever races and whatever crashes?",
    steady_us=3 * S,
    rate_per_s=20,
    faults=(
        FaultSpec(
            "replay_race",
            "race",
            "fifty consumptions of one token at once, through all workers; five tokens",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
        ),
        FaultSpec(
            "tamper",
            "tamper",
            "tokens unsigned, re-signed, truncated, edited, swapped, expired, of another tenant",
            "forged tokens that were sent, each different from what was issued",
            1 * S,
            AT_ONCE,
        ),
        FaultSpec(
            "consumption_not_committed",
            "network",
            "RST between the consuming UPDATE and its COMMIT",
            "pairs that the proxy cut at a COMMIT",
            3 * S,
        ),
        FaultSpec(
            "consumption_answer_lost",
            "network",
            "RST after the server committed a consumption and before the service can learn of it",
            "pairs that the proxy cut, each at a CommandComplete",
            3 * S,
        ),
        FaultSpec(
            "worker_killed",
            "kill_worker",
            "SIGKILL to a worker while tokens are being spent",
            "the worker gone, and another in its place",
            1 * S,
            LATER,
        ),
    ),
    checks=(
        *_EFFECTS,
        CheckSpec("failed_absent", baseline=True),
        CheckSpec("sometimes.unknown"),
        CheckSpec("sometimes.retried"),
        *_won_once(TOKEN_RACES, {"attempts": TOKEN_RACERS, "winner": "200"}),
        CheckSpec("never_acknowledged", "", {"kind": "tamper_*"}),
        *(
            CheckSpec("only_codes", "", {"kind": f"tamper_{forgery}", "codes": "401 403 409"})
            for forgery in FORGERIES
        ),
        *(
            check
            for fault in (
                "replay_race",
                "tamper",
                "consumption_not_committed",
                "consumption_answer_lost",
                "worker_killed",
            )
            for check in _after(fault)
        ),
    ),
    queries=(*_LEDGER, "tokens_spent_once"),
    beside=True,
)

SAME_KEY_RACES: Final = _numbered("race_same", 3)
"""Kinds of the requests that settle one reservation under one key each in FI-004."""

DIFFERENT_KEYS_RACE: Final = "race_different"
"""Kind of those that settle one under a key of their own each."""

SETTLEMENT_RACERS: Final = 20
"""Requests that settle each."""

FI_004 = ScenarioSpec(
    id="FI-004",
    title="Races and crashes while reservations are settled",
    question="Is every reservation settled once and every credit accounted for?",
    steady_us=3 * S,
    rate_per_s=20,
    faults=(
        FaultSpec(
            "same_key_race",
            "race",
            "twenty settlements of one reservation at once under one key; three reservations",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
        ),
        FaultSpec(
            "different_keys_race",
            "race",
            "twenty settlements of one reservation at once, each under its own key",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
        ),
        FaultSpec(
            "sweep_race",
            "race",
            "settlements, overdue sweeps and denials of the same reservations at once",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
        ),
        FaultSpec(
            "settlement_answer_lost",
            "network",
            "RST after the server committed a settlement and before the service can learn of it",
            "pairs that the proxy cut, each at a CommandComplete",
            3 * S,
        ),
        FaultSpec(
            "backends_terminated",
            "terminate_backends",
            "pg_terminate_backend on every session of the service while settlements run",
            "backends that the server says it terminated",
            2 * S,
        ),
    ),
    checks=(
        *_EFFECTS,
        CheckSpec("failed_absent", "", {"kind": "gate_* settle*"}, baseline=True),
        CheckSpec("sometimes.unknown"),
        CheckSpec("sometimes.retried"),
        *_won_once(
            (*SAME_KEY_RACES, DIFFERENT_KEYS_RACE),
            {"attempts": SETTLEMENT_RACERS, "winner": "200/settled"},
        ),
        CheckSpec("only_codes", "", {"kind": "race_same_*", "codes": "200/settled*"}),
        CheckSpec("only_codes", "", {"kind": DIFFERENT_KEYS_RACE, "codes": "200/settled* 409"}),
        CheckSpec("only_codes", "", {"kind": "sweep_settle", "codes": "200/settled* 409"}),
        CheckSpec("only_codes", "", {"kind": "sweep_deny", "codes": "200 409"}),
        CheckSpec("only_codes", "", {"kind": "sweep", "codes": "200"}),
        *(
            check
            for fault in (
                "same_key_race",
                "different_keys_race",
                "sweep_race",
                "settlement_answer_lost",
                "backends_terminated",
            )
            for check in _after(fault)
        ),
    ),
    queries=(*_LEDGER, "credits_conserved", "reservations_settled_once"),
)

FLOOD_LIMIT: Final = 120

FI_005 = ScenarioSpec(
    id="FI-005",
    title="A tenant far above its limit",
    question="Does the limit hold over all workers and through a crash, at nobody else's expense?",
    steady_us=3 * S,
    rate_per_s=12,
    faults=(
        FaultSpec(
            "flood",
            "saturation",
            "one of three tenants asks at ten times what it may",
            "requests offered above the limit",
            8 * S,
            AT_ONCE,
        ),
        FaultSpec(
            "postgres_killed",
            "kill_postgres",
            "SIGKILL to the server, which keeps the counters, while the tenant is above its limit",
            "processes gone, and the crash recovery in the server's log",
            1 * S,
            LATER,
            watched_longer_us=56 * S,
        ),
    ),
    checks=(
        *_EFFECTS,
        CheckSpec("failed_absent", baseline=True),
        CheckSpec(
            "limit_kept", "", {"kind": "gate_flood", "limit": FLOOD_LIMIT, "window_us": 60 * S}
        ),
        CheckSpec("only_codes", "flood", {"kind": "gate_flood", "codes": "200/ALLOW* 429/retry"}),
        CheckSpec(
            "sometimes.happened",
            "flood",
            {"kind": "gate_flood", "codes": "429/retry", "needs": FLOOD_LIMIT},
        ),
        CheckSpec("share_kept", "flood", {"kind": "gate_quiet_*", "least_ppm": S}),
        CheckSpec("undisturbed", "flood", {"kind": "gate_quiet_* read live"}),
        CheckSpec("undisturbed", "postgres_killed", {"kind": "live"}),
        *_after("flood"),
        *_after("postgres_killed"),
        CheckSpec("admitted_again", "postgres_killed", {"kind": "gate_flood", "after_us": 60 * S}),
    ),
    queries=_LEDGER,
    beside=True,
)
