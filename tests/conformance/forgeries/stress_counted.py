"""Load that the service itself counted otherwise: its statuses and its own times."""

from collections.abc import Callable
from typing import Any

from forgeries.corpus import Corpus, at, put
from forgeries.honest_variants import GATE
from forgeries.stress_full import measured

from stressproof.exits import Exit
from stressproof.measure import buckets

corpus = Corpus()
STATUSES, TIMES = "stress.counted-statuses", "stress.counted-times"
DETAIL = {**GATE, "counters_in_detail": True}
FIRST = "target.counters.1"


def _relabelled(data: dict[str, Any]) -> None:
    """Every failure a success of the same moment: no figure shows it."""
    for run in data["measurements"]["runs"]:
        for row in (*run["rows"], *run["ramp"]):
            if row["started"]:
                row["outcomes"] = {"ok": row["started"]}


measured("failures called successes", "failing", STATUSES, _relabelled, into=corpus)


def _averaged(data: dict[str, Any]) -> None:
    """Every answer of a second as quick as their mean: sums, counts and times agree."""
    for run in data["measurements"]["runs"]:
        for row in run["rows"]:
            held = row["corrected"]
            if held["n"]:
                mean, above = divmod(held["sum_us"], held["n"])
                held |= {"min_us": mean, "max_us": mean + bool(above)}
                counts: dict[int, int] = {buckets.index(mean): held["n"] - above}
                last = buckets.index(mean + 1)
                counts[last] = counts.get(last, 0) + above
                held["buckets"] = [n for pair in sorted(counts.items()) if pair[1] for n in pair]


measured("latencies averaged within a second", "full", TIMES, _averaged, into=corpus)


@corpus.forge("failures that no client saw", "full", STATUSES)
def _(data: dict[str, Any]) -> None:
    statuses = at(data, f"{FIRST}.statuses")
    statuses |= {"200": statuses["200"] - 1, "500": 1}


@corpus.forge("successes that the service did not count", "failing", STATUSES)
def _(data: dict[str, Any]) -> None:
    for pair in data["target"]["counters"]:
        statuses = pair["statuses"]
        moved = statuses.pop("503", 0) + 1
        pair["statuses"] = {"200": statuses["200"] - 1, "503": moved}


@corpus.forge("statuses of fewer requests", "full", STATUSES)
def _(data: dict[str, Any]) -> None:
    at(data, f"{FIRST}.statuses")["200"] -= 1


@corpus.forge("statuses lumped together at a gate", "full", STATUSES, asked=DETAIL)
def _(data: dict[str, Any]) -> None:
    put(data, f"{FIRST}.statuses", {"other": at(data, f"{FIRST}.statuses")["200"]})


@corpus.forge("a slow answer that no client waited for", "full", TIMES)
def _(data: dict[str, Any]) -> None:
    counts = at(data, f"{FIRST}.times.counts")
    filled = next(place for place, count in enumerate(counts) if count)
    counts[filled] -= 1
    counts[-1] += 1


@corpus.forge("times of fewer requests at a gate", "full", TIMES, asked=DETAIL)
def _(data: dict[str, Any]) -> None:
    counts = at(data, f"{FIRST}.times.counts")
    counts[next(place for place, count in enumerate(counts) if count)] -= 1


@corpus.forge("a bound without a count", "full", TIMES)
def _(data: dict[str, Any]) -> None:
    at(data, f"{FIRST}.times.counts").pop()


@corpus.forge("bounds out of order", "full", TIMES)
def _(data: dict[str, Any]) -> None:
    at(data, f"{FIRST}.times.bounds_us").reverse()


for detail, rule in (("statuses", STATUSES), ("times", TIMES)):
    corpus.set_(
        f"{detail} left out at a gate",
        "full",
        rule,
        f"{FIRST}.{detail}",
        None,
        code=Exit.INCONCLUSIVE,
        asked=DETAIL,
    )


def _one_bound(bound_us: int) -> Callable[[Any], None]:
    """The service's times, by one bound that everything lies under."""

    def edit(data: Any) -> None:
        times = at(data, f"{FIRST}.times")
        times.update(bounds_us=[bound_us], counts=[sum(times["counts"]), 0])

    return edit


for _name, _bound_us in {"beyond the limit": 2_500_000, "of nothing": 0}.items():
    corpus.add(
        f"times by one bound {_name}",
        "full",
        TIMES,
        _one_bound(_bound_us),
        code=Exit.INCONCLUSIVE,
        asked=DETAIL,
    )
