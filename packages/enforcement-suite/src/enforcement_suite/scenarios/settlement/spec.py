"""FI-004: reservations settled, denied and swept at once."""

from typing import Final

from enforcement_suite.queries import CREDITS_CONSERVED, EFFECTS, LEDGER, RESERVATIONS_SETTLED_ONCE
from enforcement_suite.requests import gate, request, settlement
from enforcement_suite.scenarios.checks import EFFECT_CHECKS, after, numbered, won_once
from enforcement_suite.scenarios.faults import SESSIONS, fault
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import S
from stressproof.failures.spec import (
    AT_ONCE,
    ScenarioSpec,
    Send,
)

SAME_KEY_RACES: Final = numbered("race_same", 3)
"""Kinds of the requests that settle one reservation under one key each in FI-004."""

DIFFERENT_KEYS_RACE: Final = "race_different"
"""Kind of those that settle one under a key of their own each."""

CUTS: Final = 3
"""Settlements that are cut at their commit."""

SETTLEMENT_RACERS: Final = 20
"""Requests that settle each."""

FI_004 = ScenarioSpec(
    id="FI-004",
    title="Races and crashes while reservations are settled",
    question="Is every reservation settled once and every credit accounted for?",
    steady_us=3 * S,
    rate_per_s=20,
    requests=(
        gate("gate_soft", 5),
        # Of 60 reservations faults take 7, and 20 are left for a race.
        settlement("settle", 3, keyed=True, then="read", stock=33),
        request("read", 2),
        request("live", 1),
        settlement("settle_cut", keyed=True, sent=(CUTS, CUTS)),
        *(
            settlement(kind, keyed=True, sent=(0, 1))
            for kind in (*SAME_KEY_RACES, DIFFERENT_KEYS_RACE)
        ),
        settlement("sweep_settle", sent=(0, 12)),
        request("sweep_deny", sent=(0, 8)),
        request("sweep", sent=(0, 4)),
    ),
    faults=(
        fault(
            "race",
            "same_key_race",
            "twenty settlements of one reservation at once under one key; three reservations",
            1 * S,
            {"batches": len(SAME_KEY_RACES)},
            send=(Send("race_same", SETTLEMENT_RACERS),),
            objectives=AT_ONCE,
        ),
        fault(
            "race",
            "different_keys_race",
            "twenty settlements of one reservation at once, each under its own key",
            1 * S,
            send=(Send(DIFFERENT_KEYS_RACE, SETTLEMENT_RACERS),),
            objectives=AT_ONCE,
        ),
        fault(
            "race",
            "sweep_race",
            "settlements, overdue sweeps and denials of the same reservations at once",
            1 * S,
            send=(
                Send("sweep_settle", 12, same=False),
                Send("sweep_deny", 8, same=False),
                Send("sweep", 4),
            ),
            objectives=AT_ONCE,
        ),
        fault(
            "cut_after_commit",
            "settlement_answer_lost",
            "RST after the server committed a settlement and before the service can learn of it",
            3 * S,
            {"count": CUTS, "statement": "enforcement.credit_reservations"},
            send=(Send("settle_cut", CUTS, same=False),),
        ),
        fault(
            "terminate_sessions",
            "backends_terminated",
            "pg_terminate_backend on every session of the service while settlements run",
            2 * S,
            {"application": SESSIONS},
        ),
    ),
    checks=(
        *EFFECT_CHECKS,
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
    effects=EFFECTS,
    invariants=(*LEDGER, CREDITS_CONSERVED, RESERVATIONS_SETTLED_ONCE),
    driver="enforcement_suite.scenarios.settlement.driver:Settlement",
)
