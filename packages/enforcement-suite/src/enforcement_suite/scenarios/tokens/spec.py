"""FI-003: approval tokens replayed, forged, and cut at their commit."""

from typing import Final

from enforcement_suite.queries import EFFECTS, LEDGER, TOKENS_SPENT_ONCE
from enforcement_suite.requests import gate, request
from enforcement_suite.scenarios.checks import EFFECT_CHECKS, after, numbered, won_once
from enforcement_suite.scenarios.faults import fault
from stressproof.failures.checks import check_spec
from stressproof.failures.parameters import S
from stressproof.failures.spec import (
    AT_ONCE,
    LATER,
    ScenarioSpec,
    Send,
)

TOKEN_RACES: Final = numbered("replay", 5)
"""Kinds of the requests that spend one approval token each in FI-003."""

TOKEN_RACERS: Final = 50
"""Requests that spend each."""

CUTS: Final = 3
"""Consumptions that are cut at their commit, by each of two faults."""

SPENDING: Final = "a.approval_id = "
"""In the statement that spends a token."""

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
    requests=(
        gate("gate_soft", 11),
        # Of 90 tokens faults take 13 and may take 16.
        request("consume", 1, keyed=True, then="read", stock=61),
        request("read", 4),
        request("live", 2),
        request("consume_cut", keyed=True, sent=(CUTS, 2 * CUTS)),
        *(request(kind, keyed=True, sent=(0, 1)) for kind in TOKEN_RACES),
        request("tamper", rows_of="tamper"),
    ),
    faults=(
        fault(
            "race",
            "replay_race",
            "fifty consumptions of one token at once, through all workers; five tokens",
            1 * S,
            {"batches": len(TOKEN_RACES)},
            send=(Send("replay", TOKEN_RACERS),),
            objectives=AT_ONCE,
        ),
        fault(
            "send_each",
            "tamper",
            "tokens unsigned, re-signed, truncated, edited, swapped, expired, of another tenant",
            1 * S,
            {"table": "forged", "kind_from": "name"},
            send=(Send("tamper"),),
            objectives=AT_ONCE,
        ),
        fault(
            "cut_before_commit",
            "consumption_not_committed",
            "RST between the consuming UPDATE and its COMMIT",
            3 * S,
            {"count": CUTS, "statement": SPENDING},
            send=(Send("consume_cut", CUTS, same=False),),
        ),
        fault(
            "cut_after_commit",
            "consumption_answer_lost",
            "RST after the server committed a consumption and before the service can learn of it",
            3 * S,
            {"count": CUTS, "statement": SPENDING},
            send=(Send("consume_cut", CUTS, same=False),),
        ),
        fault(
            "kill_worker",
            "worker_killed",
            "SIGKILL to a worker while tokens are being spent",
            1 * S,
            {"index": 1},
            objectives=LATER,
        ),
    ),
    checks=(
        *EFFECT_CHECKS,
        check_spec("failed_absent", baseline=True),
        check_spec("happens", "", {"codes": ("unknown",)}),
        check_spec("happens", "", {"codes": ("retried",)}),
        *won_once(TOKEN_RACES, {"attempts": TOKEN_RACERS, "winner": ("200",)}),
        check_spec("never", "", {"of": ("tamper_*",), "codes": ("ok",)}),
        *(
            check_spec("only", "", {"of": (f"tamper_{forgery}",), "codes": ("401", "403", "409")})
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
            for check in after(fault)
        ),
    ),
    effects=EFFECTS,
    invariants=(*LEDGER, TOKENS_SPENT_ONCE),
    driver="enforcement_suite.scenarios.tokens.driver:Tokens",
    parallel=True,
)
