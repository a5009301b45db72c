"""Load that the database counted otherwise: transactions, log, and the end of the journal."""

from typing import Any

from forgeries.corpus import Corpus, at, put
from forgeries.honest_variants import GATE, committed_until, longer

from stressproof.exits import Exit

corpus = Corpus()
COUNTS, JOURNAL, TRANSACTIONS = (
    "stress.database-counts",
    "stress.journal",
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
