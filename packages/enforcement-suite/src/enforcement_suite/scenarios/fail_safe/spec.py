"""FI-001: the database slow, silent, gone or cut off."""

from enforcement_suite.queries import (
    CREDITS_CONSERVED,
    EFFECTS_SQL,
    FAILSAFES_RECORDED,
    LEDGER,
    QUIET,
    RESERVATIONS_SETTLED_ONCE,
)
from enforcement_suite.scenarios.checks import EFFECTS, GATE_ANSWER_US, after
from enforcement_suite.scenarios.faults import (
    CUT,
    ENDED_SESSIONS,
    KILLED_POSTGRES,
    THROUGH_PROXY,
)
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import MS, S
from stressproof.failures.spec import (
    LATER,
    CheckSpec,
    FaultSpec,
    RequestSpec,
    ScenarioSpec,
    WitnessSpec,
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
        *(RequestSpec(f"gate_{mode}", 3, keyed=True) for mode in ("hard", "soft", "shadow")),
        RequestSpec("read", 2),
        RequestSpec("live", 3),
    ),
    faults=(
        FaultSpec(
            "slow_database",
            "network",
            "1.5 s of latency in each direction between service and database",
            "chunks that the proxy delayed",
            4 * S,
            target=THROUGH_PROXY,
            parameters={
                f"latency.{stream}.{name}_us": amount_us
                for stream in ("upstream", "downstream")
                for name, amount_us in (("latency", 1500 * MS), ("jitter", 100 * MS))
            },
            witnesses=(
                WitnessSpec("chunks delayed upstream"),
                WitnessSpec("chunks delayed downstream"),
            ),
        ),
        FaultSpec(
            "black_hole",
            "network",
            "nothing passes in either direction; nothing is lost",
            "bytes that the proxy held, with none let through",
            3 * S,
            target=THROUGH_PROXY,
            parameters={"timeout.upstream": True, "timeout.downstream": True},
            witnesses=(WitnessSpec("bytes held, none let through"),),
        ),
        FaultSpec(
            "postgres_frozen",
            "freeze_postgres",
            "SIGSTOP to the server and every child, which keep what they hold",
            "processes stopped, and a connection that got no answer",
            3 * S,
            target="postgres * and every child, by SIGSTOP",
            witnesses=(
                WitnessSpec("processes in state T", 2),
                WitnessSpec("connections unanswered"),
            ),
        ),
        FaultSpec(
            "backends_terminated",
            "terminate_backends",
            "pg_terminate_backend on every session of the service, ten times a second",
            "backends that the server says it terminated",
            2 * S,
            **ENDED_SESSIONS,
        ),
        FaultSpec(
            "postgres_killed",
            "kill_postgres",
            "SIGKILL to the server and every child; started again after two seconds",
            "processes gone, and the crash recovery in the server's log",
            2 * S,
            LATER,
            **KILLED_POSTGRES,
        ),
        FaultSpec(
            "commit_answer_lost",
            "network",
            "RST after the server committed a gate and before the service can learn of it",
            "pairs that the proxy cut, each at a CommandComplete",
            3 * S,
            target=THROUGH_PROXY,
            parameters={
                "cut_after_commit.autocommit": True,
                "cut_after_commit.count": 15,
                "cut_after_commit.statement_contains": "gate_",
            },
            witnesses=CUT,
            until_done=True,
        ),
    ),
    checks=(
        *EFFECTS,
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
    effects_sql=EFFECTS_SQL,
    queries=(*LEDGER, CREDITS_CONSERVED, RESERVATIONS_SETTLED_ONCE, FAILSAFES_RECORDED),
    quiet=QUIET,
    driver="enforcement_suite.scenarios.fail_safe.driver:FailSafe",
)
