"""FI-004: reservations settled, denied and swept at once."""

from typing import Final

from enforcement_suite.queries import (
    CREDITS_CONSERVED,
    EFFECTS_SQL,
    LEDGER,
    QUIET,
    RESERVATIONS_SETTLED_ONCE,
)
from enforcement_suite.scenarios.checks import EFFECTS, after, numbered, won_once
from enforcement_suite.scenarios.faults import (
    CUT,
    ENDED_SESSIONS,
    THROUGH_PROXY,
    race,
)
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import S
from stressproof.failures.spec import (
    AT_ONCE,
    FaultSpec,
    RequestSpec,
    ScenarioSpec,
)

SAME_KEY_RACES: Final = numbered("race_same", 3)
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
    requests=(
        RequestSpec("gate_soft", 5, keyed=True),
        # Of 60 reservations faults take 7, and 20 are left for a race.
        RequestSpec("settle", 3, keyed=True, then="read", stock=33),
        RequestSpec("read", 2),
        RequestSpec("live", 1),
        RequestSpec("settle_cut", keyed=True, sent=(3, 3)),
        *(
            RequestSpec(kind, keyed=True, sent=(0, 1))
            for kind in (*SAME_KEY_RACES, DIFFERENT_KEYS_RACE)
        ),
        RequestSpec("sweep_settle", sent=(0, 12)),
        RequestSpec("sweep_deny", sent=(0, 8)),
        RequestSpec("sweep", sent=(0, 4)),
    ),
    faults=(
        FaultSpec(
            "same_key_race",
            "race",
            "twenty settlements of one reservation at once under one key; three reservations",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
            target="reservations, one key each",
            **race(len(SAME_KEY_RACES), SETTLEMENT_RACERS),
        ),
        FaultSpec(
            "different_keys_race",
            "race",
            "twenty settlements of one reservation at once, each under its own key",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
            target="a reservation",
            **race(1, SETTLEMENT_RACERS),
        ),
        FaultSpec(
            "sweep_race",
            "race",
            "settlements, overdue sweeps and denials of the same reservations at once",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
            target="overdue reservations",
            **race(1, SETTLEMENT_RACERS),
        ),
        FaultSpec(
            "settlement_answer_lost",
            "network",
            "RST after the server committed a settlement and before the service can learn of it",
            "pairs that the proxy cut, each at a CommandComplete",
            3 * S,
            target=THROUGH_PROXY,
            parameters={
                "cut_after_commit.autocommit": True,
                "cut_after_commit.count": 3,
                "cut_after_commit.statement_contains": "enforcement.credit_reservations",
            },
            witnesses=CUT,
            until_done=True,
        ),
        FaultSpec(
            "backends_terminated",
            "terminate_backends",
            "pg_terminate_backend on every session of the service while settlements run",
            "backends that the server says it terminated",
            2 * S,
            **ENDED_SESSIONS,
        ),
    ),
    checks=(
        *EFFECTS,
        check_spec("failed_absent", "", {"of": ("gate_*", "settle*")}, baseline=True),
        check_spec("happens", "", {"codes": ("unknown",)}),
        check_spec("happens", "", {"codes": ("retried",)}),
        *won_once(
            (*SAME_KEY_RACES, DIFFERENT_KEYS_RACE),
            {"attempts": SETTLEMENT_RACERS, "winner": ("200/settled",)},
        ),
        check_spec("only", "", {"of": ("race_same_*",), "codes": ("200/settled*",)}),
        check_spec("only", "", {"of": (DIFFERENT_KEYS_RACE,), "codes": ("200/settled*", "409")}),
        check_spec("only", "", {"of": ("sweep_settle",), "codes": ("200/settled*", "409")}),
        check_spec("only", "", {"of": ("sweep_deny",), "codes": ("200", "409")}),
        check_spec("only", "", {"of": ("sweep",), "codes": ("200",)}),
        *(
            check
            for fault in (
                "same_key_race",
                "different_keys_race",
                "sweep_race",
                "settlement_answer_lost",
                "backends_terminated",
            )
            for check in after(fault)
        ),
    ),
    effects_sql=EFFECTS_SQL,
    queries=(*LEDGER, CREDITS_CONSERVED, RESERVATIONS_SETTLED_ONCE),
    quiet=QUIET,
    driver="enforcement_suite.scenarios.settlement.driver:Settlement",
)
