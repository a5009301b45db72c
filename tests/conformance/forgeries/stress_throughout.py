"""Load that was not there all the time, travelled elsewhere, or is counted where nothing is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from forgeries import honest
from forgeries.corpus import BASES, Corpus, Honest, base
from forgeries.honest import Plan, rederived
from forgeries.honest_variants import GATE
from forgeries.stress_full import measured as _measured

from stressproof.evidence.measurements import Latency
from stressproof.exits import Exit
from stressproof.measure.histogram import Histogram

corpus = Corpus()
variants: list[Honest] = []
THROUGHOUT, CONNECTIONS, USERS = "stress.users-throughout", "stress.connections", "stress.users"
CONTINUITY = "stress.continuity"
Data = dict[str, Any]
NOTHING = {"n": 0, "sum_us": 0, "min_us": None, "max_us": None, "buckets": []}


def measured(name: str, of: str, rule: str, edit: Callable[[Data], Any]) -> None:
    """Add a lie about the measurements, with every figure derived from them again."""
    _measured(name, of, rule, edit, into=corpus)


def _moved(row: Data, to: Data) -> None:
    """Everything that a row holds is another's."""
    whole = Histogram()
    for latency in (row["corrected"], to["corrected"]):
        whole.merge(*(latency[name] for name in ("buckets", "sum_us", "min_us", "max_us")))
    latency = Latency.of(whole)
    to["corrected"] = {name: getattr(latency, name) for name in latency.__struct_fields__}
    for outcome, count in row["outcomes"].items():
        to["outcomes"][outcome] = to["outcomes"].get(outcome, 0) + count
    for name in ("intended", "started"):
        if name in to and name in row:
            to[name] += row[name]
    row.update(intended=0, started=0, outcomes={}, corrected=dict(NOTHING))


def _silent(seconds: range, earlier: int) -> Callable[[Data], None]:
    """Nothing was sent in some seconds, and twice as much in those before."""

    def edit(data: Data) -> None:
        for run in data["measurements"]["runs"]:
            by = {(row["second"], row["endpoint"]): row for row in run["rows"]}
            for second in seconds:
                for endpoint in range(len(data["endpoints"])):
                    _moved(by[second, endpoint], by[second - earlier, endpoint])

    return edit


measured("ten seconds without a request", "full", THROUGHOUT, _silent(range(10, 20), 10))
measured("three seconds without a request", "full", THROUGHOUT, _silent(range(12, 15), 6))
measured("a silent end", "full", THROUGHOUT, _silent(range(24, 30), 12))
measured("a silent beginning", "full", THROUGHOUT, _silent(range(6), -12))


def _excused(data: Data) -> None:
    """Seconds without a request, for which a generator that stood still is to blame."""
    _silent(range(12, 15), 6)(data)
    for health in (*(run["generator"] for run in data["runs"]), data["generator"]["worst"]):
        health["loop_delay_max_us"] = 12_000_000


measured("three seconds that a late generator excuses", "full", THROUGHOUT, _excused)


def _in_the_middle(*, silent: bool) -> Callable[[Data], None]:
    """Two seconds whose requests went to both sides, or that hold requests of both sides.

    Neither side alone has more, or less, than an answer of each user.
    """

    def edit(data: Data) -> None:
        for run in data["measurements"]["runs"]:
            by = {(row["second"], row["endpoint"]): row for row in run["rows"]}
            for endpoint in range(len(data["endpoints"])):
                for middle, beside in ((14, 2 * endpoint), (15, 29 - 2 * endpoint)):
                    pair = by[middle, endpoint], by[beside, endpoint]
                    _moved(*(pair if silent else reversed(pair)))

    return edit


measured("two silent seconds amid a round", "full", THROUGHOUT, _in_the_middle(silent=True))
measured("two seconds that hold four", "full", THROUGHOUT, _in_the_middle(silent=False))


def _silent_ramp(data: Data) -> None:
    """Users who came, and did nothing until they were measured."""
    for run in data["measurements"]["runs"]:
        for row in run["ramp"]:
            row.update(started=0, outcomes={}, corrected=dict(NOTHING))


measured("a ramp in which nobody asked", "full", THROUGHOUT, _silent_ramp)


def _quick_ramp(data: Data) -> None:
    for run in data["measurements"]["runs"]:
        for row in run["ramp"]:
            quick = Latency.of(Histogram.of([900] * row["started"]))
            row["corrected"] = {name: getattr(quick, name) for name in quick.__struct_fields__}


measured("a ramp whose answers came at once", "full", THROUGHOUT, _quick_ramp)

# Over what it travelled.
for _name, _connections in {
    "to another address than the URL's": {"opened": {"10.9.9.9": 10}},
    "to another address as well": {"opened": {"127.0.0.1": 10, "10.9.9.9": 1}},
    "to the same host by another protocol's address": {"opened": {"::1": 10}},
    "for ten users, of which there was one": {"opened": {"127.0.0.1": 1}},
    "for ten users, of which there were nine": {"opened": {"127.0.0.1": 9}},
}.items():
    corpus.set_(
        f"connections {_name}",
        "full",
        CONNECTIONS,
        "runs.1.connections",
        {"protocol": "http/1.1", "tls_resumed": 0, **_connections},
    )
corpus.set_("connections that nobody tells", "full", "stress.typed", "runs.1.connections", None)


def _at(host: str, address: str) -> Callable[[], Data]:
    """A target and the address that was connected to."""

    def make() -> Data:
        data = base("full")
        data["target_url"] = data["target"]["url"] = f"http://{host}:8000"
        for run in data["runs"]:
            run["connections"]["opened"] = {address: 10}
        return data

    return make


variants += [
    Honest("a target by IPv6, written at length", _at("[0:0:0:0:0:0:0:1]", "::1")),
    Honest("a target by name", _at("localhost", "127.0.0.1")),
    Honest("a target by a short address", _at("127.1", "127.0.0.1")),
]
corpus.add("another address of IPv6", "full", CONNECTIONS, lambda _: _at("[::1]", "::2")())
corpus.add("IPv4 for IPv6", "full", CONNECTIONS, lambda _: _at("[::1]", "127.0.0.1")())

corpus.set_(
    "a handshake resumed without TLS", "full", CONNECTIONS, "runs.1.connections.tls_resumed", 1
)


def _opened(data: Data, more: int = 0) -> Data:
    """As many connections as requests of the second round can have opened, and some more."""
    run = data["measurements"]["runs"][1]
    sent = sum(row["started"] for row in (*run["ramp"], *run["rows"]))
    most = 4 * sent + data["concurrent_users"]
    data["runs"][1]["connections"]["opened"] = {"127.0.0.1": most + more}
    return data


variants.append(Honest("a connection anew for each request", lambda: _opened(base("full"))))
corpus.add(
    "a connection more than there can be", "full", CONNECTIONS, lambda data: _opened(data, 1)
)


def _waiting(timeouts: int, opened: int) -> Data:
    """Some requests that were given up may have waited for a connection."""
    data = honest.full(Plan(duration_s=60, timeouts=timeouts))
    for run in data["runs"]:
        run["connections"]["opened"] = {"127.0.0.1": opened}
    return data


variants.append(Honest("a connection that one user never got", lambda: _waiting(5, 9)))
corpus.add(
    "a user without a connection, and one answer late",
    "full",
    CONNECTIONS,
    lambda _: _waiting(1, 9),
)

# Users as no suite and no flag asks for them.
_SECOND = {"least_us": 1_000_000, "most_us": 1_000_000}
for _name, _value in {"think": _SECOND, "pace": _SECOND}.items():
    corpus.set_(
        f"users who {_name}, of no file", "full", USERS, f"workload.scenarios.0.{_name}", _value
    )


def _late_start(data: Data) -> None:
    data["workload"]["scenarios"][0].update(start_us=1_000_000, duration_seconds=29.0)


corpus.add("users who came a second later, of no file", "full", USERS, _late_start)


# Outside of the window.
def _outside(name: str, *, full: bool) -> Callable[[Data], None]:
    def edit(data: Data) -> None:
        for run in data["measurements"]["runs"]:
            run[name] = [
                {
                    "endpoint": at,
                    "started": 0,
                    "dropped": 0,
                    "outcomes": {},
                    "corrected": dict(NOTHING),
                }
                for at in range(len(data["endpoints"]))
            ]
            row = next(row for row in run["rows"] if row["started"])
            if full:
                _moved(row, run[name][row["endpoint"]])

    return edit


for _name in ("tail", "setup"):
    measured(f"a {_name} of no flow", "full", CONTINUITY, _outside(_name, full=False))
    measured(f"requests in a {_name} of no flow", "full", CONTINUITY, _outside(_name, full=True))


@corpus.forge("a setup that no scenario has", "flow", CONTINUITY)
def _(data: Data) -> None:
    _outside("setup", full=False)(data)


def _late(data: Data) -> None:
    for row in data["measurements"]["runs"][0]["rows"]:
        row["late"] = row["started"]


measured("late although nobody was due", "full", "stress.rows", _late)

# What the service counted.
corpus.add(
    "an endpoint counted twice",
    "full",
    "stress.counters",
    lambda data: data["target"]["counters"].append(dict(data["target"]["counters"][1])),
)
for _bounds in ([], [2**35]):

    @corpus.forge(
        f"times of the service with bounds {_bounds}",
        "full",
        "stress.counted-times",
        code=Exit.INCONCLUSIVE,
        asked={**GATE, "counters_in_detail": True},
    )
    def _(data: Data, bounds: list[int] = _bounds) -> None:
        for pair in data["target"]["counters"]:
            total = sum(pair["times"]["counts"])
            counts = [total, *([0] * len(bounds))]
            pair["times"] = {"bounds_us": bounds, "counts": counts}


# A round that was left out, with all that the service counted of it: what is left is the time.
BASES["four rounds"] = lambda: honest.full(Plan(rounds=4))


def _counted(pair: Data, less: int, earlier: int) -> None:
    """A counter that never saw some requests, or saw them before it was read first."""
    pair["before"] += earlier
    pair["after"] -= less - earlier
    if pair.get("statuses"):
        pair["statuses"]["200"] -= less
    counts = pair["times"]["counts"] if pair.get("times") else []
    for place in reversed(range(len(counts))):
        taken = min(less, counts[place])
        counts[place] -= taken
        less -= taken


def _left_out(place: int) -> Callable[[Data], Data]:
    def edit(data: Data) -> Data:
        run = data["measurements"]["runs"].pop(place)
        del data["runs"][place]
        for pair, name in zip(data["target"]["counters"], data["endpoints"], strict=True):
            at = data["endpoints"].index(name)
            sent = sum(
                row["started"] for row in (*run["ramp"], *run["rows"]) if row["endpoint"] == at
            )
            _counted(pair, sent, 0 if place else sent)
        for runs in (data["runs"], data["measurements"]["runs"]):
            for number, one in enumerate(runs, 1):
                one["run_index"] = number
        data["rounds"] = 3
        return rederived(data)

    return edit


for _name, _place in {"the first": 0, "the second": 1, "the last": 3}.items():
    corpus.add(
        f"{_name} of four rounds left out",
        "four rounds",
        "stress.left-out",
        _left_out(_place),
        code=Exit.INCONCLUSIVE,
    )


def _stood_still(seconds: float) -> Callable[[], Data]:
    """A machine that did nothing for a while before the first round."""

    def make() -> Data:
        data = base("full")
        for value in (data, data["runtime"]["before"]):
            for name in ("started_at", "probed_at"):
                if name in value:
                    value[name] = _earlier(value[name], seconds)
        uptime = data["target"]["before"]["uptime_seconds"]
        data["target"]["before"]["uptime_seconds"] = round(uptime - seconds, 3)
        return data

    return make


def _earlier(text: str, seconds: float) -> str:
    return (datetime.fromisoformat(text) - timedelta(seconds=seconds)).isoformat()


variants.append(Honest("a generator that began late", _stood_still(20)))
corpus.add(
    "half a minute more before the first round",
    "full",
    "stress.left-out",
    lambda _: _stood_still(40)(),
    code=Exit.INCONCLUSIVE,
)
