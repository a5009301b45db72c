"""FI-003: approval tokens replayed, forged, and cut at their commit."""

from typing import Final

from enforcement_suite.queries import EFFECTS_SQL, LEDGER, QUIET, TOKENS_SPENT_ONCE
from enforcement_suite.scenarios.checks import EFFECTS, after, numbered, won_once
from enforcement_suite.scenarios.faults import (
    CUT,
    ONE_WORKER,
    REPLACED,
    THROUGH_PROXY,
    race,
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

TOKEN_RACES: Final = numbered("replay", 5)
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
    requests=(
        RequestSpec("gate_soft", 11, keyed=True),
        # Of 90 tokens faults take 13 and may take 16.
        RequestSpec("consume", 1, keyed=True, then="read", stock=61),
        RequestSpec("read", 4),
        RequestSpec("live", 2),
        RequestSpec("consume_cut", keyed=True, sent=(3, 6)),
        *(RequestSpec(kind, keyed=True, sent=(0, 1)) for kind in TOKEN_RACES),
        *(RequestSpec(f"tamper_{forgery}", sent=(0, 1)) for forgery in FORGERIES),
    ),
    faults=(
        FaultSpec(
            "replay_race",
            "race",
            "fifty consumptions of one token at once, through all workers; five tokens",
            "requests that were under way at the same time",
            1 * S,
            AT_ONCE,
            target="approval tokens",
            **race(len(TOKEN_RACES), TOKEN_RACERS),
        ),
        FaultSpec(
            "tamper",
            "tamper",
            "tokens unsigned, re-signed, truncated, edited, swapped, expired, of another tenant",
            "forged tokens that were sent, each different from what was issued",
            1 * S,
            AT_ONCE,
            target="approval tokens",
            parameters={"forgeries": len(FORGERIES)},
            witnesses=(WitnessSpec("forged tokens sent and answered", len(FORGERIES)),),
            until_done=True,
        ),
        FaultSpec(
            "consumption_not_committed",
            "network",
            "RST between the consuming UPDATE and its COMMIT",
            "pairs that the proxy cut at a COMMIT",
            3 * S,
            target=THROUGH_PROXY,
            parameters={
                "cut_before_commit.count": 3,
                "cut_before_commit.statement_contains": "a.approval_id = ",
            },
            witnesses=CUT,
            until_done=True,
        ),
        FaultSpec(
            "consumption_answer_lost",
            "network",
            "RST after the server committed a consumption and before the service can learn of it",
            "pairs that the proxy cut, each at a CommandComplete",
            3 * S,
            target=THROUGH_PROXY,
            parameters={
                "cut_after_commit.autocommit": True,
                "cut_after_commit.count": 3,
                "cut_after_commit.statement_contains": "a.approval_id = ",
            },
            witnesses=CUT,
            until_done=True,
        ),
        FaultSpec(
            "worker_killed",
            "kill_worker",
            "SIGKILL to a worker while tokens are being spent",
            "the worker gone, and another in its place",
            1 * S,
            LATER,
            target=ONE_WORKER,
            parameters={"workers": "*"},
            witnesses=REPLACED,
            until_done=True,
        ),
    ),
    checks=(
        *EFFECTS,
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
    effects_sql=EFFECTS_SQL,
    queries=(*LEDGER, TOKENS_SPENT_ONCE),
    quiet=QUIET,
    driver="enforcement_suite.scenarios.tokens.driver:Tokens",
    parallel=True,
)
