"""Load that the database counted otherwise: transactions, log, and the end of the journal."""

from typing import Any

from forgeries import honest
from forgeries.corpus import Corpus, at, put
from forgeries.honest_variants import GATE, committed_until, longer

from stressproof.exits import Exit

corpus = Corpus()
COUNTS, JOURNAL, PARITY, TRANSACTIONS = (
    "stress.database-counts",
    "stress.journal",
    "stress.parity",
    "stress.transactions",
)
DETAIL = {**GATE, "database_in_detail": True}
BEFORE, AFTER = "runtime.before", "runtime.after"

for name in ("transactions_committed", "wal_bytes", "journal_sequence"):

    @corpus.forge(f"{name} went back", "full", COUNTS)
    def _(data: dict[str, Any], name: str = name) -> None:
        put(data, f"{AFTER}.{name}", at(data, f"{BEFORE}.{name}") - 1)

    for place in (BEFORE, AFTER):
        corpus.set_(
            f"{name} at one time only, not {place}", "full", COUNTS, f"{place}.{name}", None
        )

    @corpus.forge(
        f"{name} left out at a gate", "full", COUNTS, code=Exit.INCONCLUSIVE, asked=DETAIL
    )
    def _(data: dict[str, Any], name: str = name) -> None:
        for place in (BEFORE, AFTER):
            put(data, f"{place}.{name}", None)
            if name == "journal_sequence":
                put(data, f"{place}.journal_hash", None)


corpus.set_("another hash of the same entries", "full", JOURNAL, f"{AFTER}.journal_hash", "0" * 64)
corpus.set_("a sequence without a hash", "full", JOURNAL, f"{BEFORE}.journal_hash", None)
corpus.set_("the same hash of more entries", "full", JOURNAL, f"{AFTER}.journal_sequence", 5_001)


@corpus.forge("entries that took no log", "full", JOURNAL)
def _(data: dict[str, Any]) -> None:
    longer(data)
    put(data, f"{AFTER}.wal_bytes", at(data, f"{BEFORE}.wal_bytes"))


@corpus.forge("no journal at a gate", "full", JOURNAL, code=Exit.INCONCLUSIVE, asked=DETAIL)
def _(data: dict[str, Any]) -> None:
    for place in (BEFORE, AFTER):
        data["runtime"][place.removeprefix("runtime.")] |= {
            "journal_sequence": None,
            "journal_hash": None,
        }


@corpus.forge("load that the database never saw", "full", TRANSACTIONS)
def _(data: dict[str, Any]) -> None:
    put(data, f"{AFTER}.transactions_committed", at(data, f"{BEFORE}.transactions_committed") + 40)


corpus.set_(
    "more transactions asked than there were",
    "full",
    TRANSACTIONS,
    f"{BEFORE}.transactions_committed",
    40_001,
    asked={"min_transactions_per_success": 3.0},
)


@corpus.forge(
    "fewer transactions than early successes",
    "full",
    TRANSACTIONS,
    asked={"min_transactions_per_success": 1.0},
)
def _(data: dict[str, Any]) -> None:
    least = committed_until(data, 14)
    first = at(data, f"{BEFORE}.transactions_committed")
    put(data, f"{AFTER}.transactions_committed", first + least)


@corpus.forge(
    "transactions not told at a gate", "full", TRANSACTIONS, code=Exit.INCONCLUSIVE, asked=GATE
)
def _(data: dict[str, Any]) -> None:
    for place in (BEFORE, AFTER):
        put(data, f"{place}.transactions_committed", None)


# What the service found when it compared its books.
for when in (BEFORE, AFTER):
    corpus.set_(f"books that disagree, {when}", "full", PARITY, f"{when}.parity.agreed", False)  # noqa: FBT003
    for name, value in {
        "records_sha256": "0" * 64,
        "journal_sha256": None,
        "first_sequence": 3_997,
        "last_sequence": None,
        "compared": 1_004,
    }.items():
        corpus.set_(
            f"parity of {name} {value}, {when}", "full", PARITY, f"{when}.parity.{name}", value
        )
    for name, value in {"compared": 0, "agreed": None}.items():
        corpus.set_(
            f"parity of {name} {value}, {when}, at a gate",
            "full",
            PARITY,
            f"{when}.parity.{name}",
            value,
            code=Exit.INCONCLUSIVE,
            asked=GATE,
        )
    corpus.set_(
        f"no parity at one time, {when}",
        "full",
        PARITY,
        f"{when}.parity",
        None,
        code=Exit.INCONCLUSIVE,
    )
corpus.set_(
    "fewer compared than asked",
    "full",
    PARITY,
    f"{AFTER}.parity.compared",
    99,
    code=Exit.INCONCLUSIVE,
    asked={**GATE, "min_parity_compared": 100},
)
corpus.set_(
    "a journal shorter than what was compared",
    "full",
    PARITY,
    f"{BEFORE}.parity.last_sequence",
    5_001,
)


@corpus.forge("other records with the digest of the old ones", "full", PARITY)
def _(data: dict[str, Any]) -> None:
    longer(data)
    data["runtime"]["after"]["parity"]["last_sequence"] = 5_001


@corpus.forge("records compared that went back", "full", PARITY)
def _(data: dict[str, Any]) -> None:
    data["runtime"]["after"]["parity"] |= {"last_sequence": 4_997} | {
        f"{of}_sha256": "b5" * 32 for of in ("records", "journal")
    }


@corpus.forge("no parity at a gate", "full", PARITY, code=Exit.INCONCLUSIVE, asked=GATE)
def _(data: dict[str, Any]) -> None:
    for when in ("before", "after"):
        data["runtime"][when]["parity"] = None


corpus.add(
    "a capture too short for a session to report it, at a gate",
    "full",
    TRANSACTIONS,
    lambda _: honest.full(honest.Plan(rounds=1, duration_s=6, ramp_s=0, rate_per_user=3.0)),
    code=Exit.INCONCLUSIVE,
    asked={
        **GATE,
        "min_rounds": 1,
        "min_duration_seconds": 6,
        "min_transactions_per_success": 0.9,
    },
)
