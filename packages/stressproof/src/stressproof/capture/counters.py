"""What a target counted of the load: requests, statuses and times by route, from Prometheus text.

Read before the load and after it; evidence carries what came between.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from stressproof.evidence.target import CountedTimes, CounterPair
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.load.client import Client, RequestError
from stressproof.suite import CounterProbe

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_OK = 200
_US_PER_S = 1_000_000
_ABOVE_ALL = "+Inf"

Route = tuple[str, str]
"""Method and path."""


class RouteCount:
    """What was counted of one route.

    Attributes:
        requests: All of them.
        statuses: Those of each status, by its label.
        at_most: Those that took no longer than a bound, by the bound's label, in seconds.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.statuses: Counter[str] = Counter()
        self.at_most: Counter[str] = Counter()


Counters = Mapping[Route, RouteCount]


def parse_counters(exposition: str, probe: CounterProbe) -> Counters:
    """Return what Prometheus text says of each route, summed over all other labels."""
    routes: dict[Route, RouteCount] = {}
    for labels, value in _samples(exposition, probe.metric):
        found = routes.setdefault(_route(labels, probe), RouteCount())
        found.requests += value
        if probe.status_label in labels:
            found.statuses[labels[probe.status_label]] += value
    if probe.duration_metric:
        for labels, value in _samples(exposition, f"{probe.duration_metric}_bucket"):
            found = routes.setdefault(_route(labels, probe), RouteCount())
            found.at_most[labels.get("le", "")] += value
    return routes


def _route(labels: Mapping[str, str], probe: CounterProbe) -> Route:
    return labels.get(probe.method_label, ""), labels.get(probe.route_label, "")


def _samples(exposition: str, metric: str) -> Iterator[tuple[dict[str, str], int]]:
    pattern = re.compile(
        rf'^{re.escape(metric)}\{{(?P<labels>(?:[^"}}]|"(?:[^"\\]|\\.)*")*)\}}'
        r"\s+(?P<value>[0-9.eE+]+)(?:\s|$)",
        re.MULTILINE,
    )
    for sample in pattern.finditer(exposition):
        yield dict(_LABEL.findall(sample["labels"])), round(float(sample["value"]))


def read_counters(client: Client, probe: CounterProbe | None) -> Counters | None:
    """Return the target's own counters, None where it has none to show."""
    if probe is None:
        return None
    try:
        answer = client.get(probe.path)
    except RequestError:
        return None
    if answer.status != _OK:
        return None
    return parse_counters(answer.text, probe) or None


def counter_pairs(
    endpoints: Sequence[WorkloadEndpoint], before: Counters | None, after: Counters | None
) -> list[CounterPair]:
    """Return what was counted of each request's route; null where the target does not count.

    Args:
        endpoints: Those of the workload, in its order; flows have no route.
        before: The reading before the load.
        after: That after it.
    """
    # A request and a flow's step may be one route, and so may the requests of two scenarios.
    first: dict[str, WorkloadEndpoint] = {}
    for one in endpoints:
        if one.kind != "flow":
            first.setdefault(one.name, one)
    return [_pair(one, before, after) for one in first.values()]


def _pair(
    endpoint: WorkloadEndpoint, before: Counters | None, after: Counters | None
) -> CounterPair:
    route = endpoint.method, urlsplit(endpoint.path).path
    # A route that nobody has asked yet has no sample; a target that counts has counted none.
    first = None if before is None else before.get(route, RouteCount())
    last = None if after is None else after.get(route, RouteCount())
    return CounterPair(
        endpoint=endpoint.name,
        before=None if first is None else first.requests,
        after=None if last is None else last.requests,
        statuses=None if first is None or last is None else _grown(first.statuses, last.statuses),
        times=None if first is None or last is None else _times(first.at_most, last.at_most),
    )


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int] | None:
    """Return by how much each count grew, None where there is none or one shrank."""
    grown = {label: count - before.get(label, 0) for label, count in sorted(after.items())}
    if not grown or min(grown.values()) < 0:
        return None
    return {label: count for label, count in grown.items() if count}


def _times(before: Mapping[str, int], after: Mapping[str, int]) -> CountedTimes | None:
    """Return how many took how long, None where the target does not say."""
    bounds = sorted(
        (round(float(label) * _US_PER_S), label) for label in after if label not in {"", _ABOVE_ALL}
    )
    if not bounds or _ABOVE_ALL not in after:
        return None
    labels = [*(label for _, label in bounds), _ABOVE_ALL]
    up_to = [0, *(after[label] - before.get(label, 0) for label in labels)]
    counts = [most - least for least, most in itertools.pairwise(up_to)]
    if min(counts) < 0:
        return None
    return CountedTimes(bounds_us=[bound for bound, _ in bounds], counts=counts)
