"""FI-001: the database slow, silent, gone or cut off."""

from enforcement_suite.queries import (
    CREDITS_CONSERVED,
    EFFECTS,
    FAILSAFES_RECORDED,
    LEDGER,
    RESERVATIONS_SETTLED_ONCE,
)
from enforcement_suite.requests import gate, request
from enforcement_suite.scenarios.checks import EFFECT_CHECKS, GATE_ANSWER_US, after
from enforcement_suite.scenarios.faults import SESSIONS, fault
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import MS, S
from stressproof.failures.spec import (
    LATER,
    CheckSpec,
    ScenarioSpec,
)


def _failsafes(fault: str) -> tuple[CheckSpec, ...]:
    """Return what gates must answer, whatever the database does: by mode, and in time."""
    modes = (
        ("gate_hard", "DENY", "hard_mode_fail_closed"),
        ("gate_soft", "REQUIRE_APPROVAL", "soft_mode_fail_safe_escalation"),
        ("gate_shadow", "ALLOW", "shadow_mode_fail_open"),
    )
    return (
        check_spec("answered_in", fault, {"of": ("gate_*",), "within_us": GATE_ANSWER_US}),
        *(
            check_spec(
                "only",
                fault,
                {
                    "of": (kind,),
                    "codes": ("200/ALLOW*", f"200/failsafe:{decision}:gate_*:{reason}"),
                },
            )
            for kind, decision, reason in modes
        ),
        check_spec("undisturbed", fault, {"of": ("live",)}),
        check_spec("happens", fault, {"codes": ("disturbed",)}),
        *after(fault),
    )


def _answered_without_database(fault: str) -> CheckSpec:
    return check_spec(
        "happens", fault, {"of": ("gate_*",), "codes": ("200/failsafe:*",), "times": 3}
    )


FI_001 = ScenarioSpec(
    id="FI-001",
    title="Fail-safe while the database is slow, silent, gone or cut off",
    question="Does every gate answer in time and by its mode, and is the ledger right afterwards?",
    steady_us=3 * S,
    rate_per_s=24,
    requests=(
        *(gate(f"gate_{mode}", 3) for mode in ("hard", "soft", "shadow")),
        request("read", 2),
        request("live", 3),
    ),
    faults=(
        fault(
            "latency",
            "slow_database",
            "1.5 s of latency in each direction between service and database",
            4 * S,
            {"latency_us": 1500 * MS, "jitter_us": 100 * MS},
        ),
        fault(
            "black_hole",
            "black_hole",
            "nothing passes in either direction; nothing is lost",
            3 * S,
        ),
        fault(
            "freeze",
            "postgres_frozen",
            "SIGSTOP to the server and every child, which keep what they hold",
            3 * S,
        ),
        fault(
            "terminate_sessions",
            "backends_terminated",
            "pg_terminate_backend on every session of the service, ten times a second",
            2 * S,
            {"application": SESSIONS},
        ),
        fault(
            "kill",
            "postgres_killed",
            "SIGKILL to the server and every child; started again after two seconds",
            2 * S,
            objectives=LATER,
        ),
        # The service asks again by itself: a caller whose commit was lost once hears nothing of it,
        # and what is tested is that callers who ask again get no second decision.
        fault(
            "cut_after_commit",
            "commit_answer_lost",
            "RST after the server committed a gate and before the service can learn of it",
            3 * S,
            {"count": 15, "statement": "gate_"},
        ),
    ),
    checks=(
        *EFFECT_CHECKS,
        check_spec("failed_absent", baseline=True),
        check_spec("happens", "", {"codes": ("unknown",)}),
        check_spec("happens", "", {"codes": ("retried",)}),
        *_failsafes("slow_database"),
        _answered_without_database("slow_database"),
        *_failsafes("black_hole"),
        _answered_without_database("black_hole"),
        *_failsafes("postgres_frozen"),
        _answered_without_database("postgres_frozen"),
        *after("backends_terminated"),
        check_spec("undisturbed", "backends_terminated", {"of": ("live",)}),
        *_failsafes("postgres_killed"),
        _answered_without_database("postgres_killed"),
        *after("commit_answer_lost"),
    ),
    effects=EFFECTS,
    invariants=(*LEDGER, CREDITS_CONSERVED, RESERVATIONS_SETTLED_ONCE, FAILSAFES_RECORDED),
    driver="enforcement_suite.scenarios.fail_safe.driver:FailSafe",
)
