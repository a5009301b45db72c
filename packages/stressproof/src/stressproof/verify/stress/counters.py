"""What the service counted of the load, against what its clients saw.

A client waits at least as long as the service needs for its answer, and sees every answer that the
service gave it, unless the connection broke. So what the service counted bounds what the clients
must have seen from below: an error that is called a success, or an answer that is made quick, shows
unless the service's own count is altered with it.
"""

from collections.abc import Iterator, Mapping

from stressproof.evidence.endpoint_names import names_of
from stressproof.evidence.level import Level
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.target import CountedTimes, CounterPair
from stressproof.verify.case import NO_ARTIFACT
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase
from stressproof.verify.stress.sent import Sent

_STATUS = 3  # digits
_LEFT_OUT = "Answers that the service counted are missing from the measurements; capture again."


@rule(
    "stress.counters",
    clause="evidence.md, Counters (requirement require_counters)",
    title="The service counted as many requests as the generator sent",
    remedy="Nobody else may load the service meanwhile; capture again on a quiet one.",
    level=Level.RECOMPUTED,
)
def counters(case: StressCase, judgement: Judgement) -> None:
    """For each route: answers received ≤ requests counted ≤ requests sent."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    required = case.requirements.require_counters
    routes = case.sent
    _listed(artifact, judgement, required=required)
    for number, pair in enumerate(artifact.target.counters):
        where = f"target.counters[{number}]"
        sent = routes.get(pair.endpoint)
        if sent is None:
            judgement.fail(f"{where}.endpoint", pair.endpoint, prose("an endpoint of the load"))
        elif pair.before is not None and pair.after is not None:
            grown = pair.after - pair.before
            judgement.check(
                sent.answered <= grown <= sent.started,
                where,
                prose(f"{grown} requests counted"),
                prose(f"{sent.answered} answered to {sent.started} sent"),
            )
        elif required:
            judgement.inconclusive(where, prose("not counted"), prose("both readings"))
    if not judgement.compared:
        judgement.skip("the target does not count requests (require_counters)")


def _listed(artifact: StressArtifact, judgement: Judgement, *, required: bool) -> None:
    """No endpoint has two counters, and where they must be there each has one."""
    pairs = artifact.target.counters
    listed = {pair.endpoint for pair in pairs}
    if len(listed) != len(pairs):
        judgement.fail("target.counters", prose("an endpoint twice"), prose("each of them once"))
    for endpoint in artifact.workload.endpoints if required else ():
        names = {endpoint.name, *names_of(endpoint.method, endpoint.path)}
        if endpoint.kind != "flow" and listed.isdisjoint(names):
            judgement.inconclusive("target.counters", prose("no counter"), endpoint.name)


@rule(
    "stress.counted-statuses",
    clause="evidence.md, Counters (requirement counters_in_detail)",
    title="The clients saw every failure that the service counted",
    remedy=_LEFT_OUT,
    level=Level.RECOMPUTED,
)
def counted_statuses(case: StressCase, judgement: Judgement) -> None:
    """Successes seen ≤ counted, and failures counted ≤ seen, but for answers that never came."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    routes = case.sent
    for where, pair in _pairs(case, "statuses", judgement):
        sent, statuses = routes.get(pair.endpoint), pair.statuses
        if sent is None or statuses is None:
            continue  # stress.counters says so
        total = sum(statuses.values())
        grown = (pair.after or 0) - (pair.before or 0)
        judgement.check(total == grown, where, prose(f"{total} in sum"), prose(f"{grown} counted"))
        _compare_statuses(
            sent, statuses, where, judgement, exactly=case.requirements.counters_in_detail
        )
    if not judgement.compared:
        judgement.skip("the target does not count statuses (counters_in_detail)")


def _compare_statuses(
    sent: Sent, statuses: Mapping[str, int], where: str, judgement: Judgement, *, exactly: bool
) -> None:
    known = {label: count for label, count in statuses.items() if _is_status(label)}
    good = sum(count for label, count in known.items() if int(label) in sent.expected)
    # What a service lumps together ("other", "2xx") may be of any status, and a redirect that was
    # followed is none that a client reports.
    lumped = sum(statuses.values()) - sum(known.values())
    moved = sum(count for label, count in known.items() if _is_redirect(label))
    judgement.check(
        sent.as_expected <= good + lumped + moved,
        where,
        prose(f"{good + lumped + moved} successes counted"),
        prose(f"at least {sent.as_expected}, as clients saw"),
    )
    if exactly:
        judgement.check(
            lumped <= sent.answered - sent.as_expected,
            where,
            prose(f"{lumped} of no status"),
            prose("every status by itself"),
        )
    unknown = sent.unanswered
    for label, count in known.items():
        if int(label) not in sent.expected and not _is_redirect(label):
            most = sent.seen(label) + unknown
            judgement.check(
                count <= most,
                f"{where}.{label}",
                prose(f"{count} counted"),
                prose(f"at most {most}: {sent.seen(label)} seen, {unknown} without an answer"),
            )


def _is_status(label: str) -> bool:
    return len(label) == _STATUS and label.isascii() and label.isdigit()


def _is_redirect(label: str) -> bool:
    return label.startswith("3")


@rule(
    "stress.counted-times",
    clause="evidence.md, Counters (requirement counters_in_detail)",
    title="The clients waited for every slow answer that the service gave",
    remedy=_LEFT_OUT,
    level=Level.RECOMPUTED,
)
def counted_times(case: StressCase, judgement: Judgement) -> None:
    """For each bound: clients who waited longer ≥ answers that took the service longer."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    routes = case.sent
    for where, pair in _pairs(case, "times", judgement):
        sent, times = routes.get(pair.endpoint), pair.times
        if sent is None or times is None:
            continue  # stress.counters says so
        bounds, counts = times.bounds_us, times.counts
        whole = len(counts) == len(bounds) + 1 and bounds == sorted(set(bounds))
        if not judgement.check(whole, where, prose("uneven"), prose("a count for each bound")):
            continue
        grown = (pair.after or 0) - (pair.before or 0)
        total = sum(counts)
        if case.requirements.counters_in_detail:
            judgement.check(
                total == grown, where, prose(f"{total} in sum"), prose(f"{grown} counted")
            )
            limit_us = round(case.requirements.max_p95_seconds * 1_000_000)
            telling = any(0 < bound_us <= limit_us for bound_us in bounds)
            if case.requirements.require_counters and not telling:
                judgement.inconclusive(where, bounds, prose(f"a bound up to {limit_us} µs"))
        waits = sent.waits(case.endpoint_totals)
        for bound_us, slow in _slower_than(times):
            waited = waits.longer(bound_us)
            judgement.check(
                slow <= waited + sent.unanswered,
                where,
                prose(f"{slow} took the service longer than {bound_us} µs"),
                prose(f"at most {waited + sent.unanswered}, of clients who waited"),
            )
    if not judgement.compared:
        judgement.skip("the target does not tell its times (counters_in_detail)")


def _slower_than(times: CountedTimes) -> Iterator[tuple[int, int]]:
    """Yield (bound, how many took longer) of a histogram."""
    slower = sum(times.counts)
    for bound_us, count in zip(times.bounds_us, times.counts, strict=False):
        slower -= count
        yield bound_us, slower


def _pairs(
    case: StressCase, detail: str, judgement: Judgement
) -> Iterator[tuple[str, CounterPair]]:
    """Yield the counters with a detail; those without one are undecided where it must be there."""
    required = case.requirements.require_counters and case.requirements.counters_in_detail
    counted = case.artifact.target.counters if case.artifact else []
    for number, pair in enumerate(counted):
        where = f"target.counters[{number}].{detail}"
        if pair.before is None or pair.after is None:
            continue  # stress.counters says so
        if getattr(pair, detail) is not None:
            yield where, pair
        elif required:
            judgement.inconclusive(where, None, prose("what the target counted"))


RULES = (counters, counted_statuses, counted_times)
