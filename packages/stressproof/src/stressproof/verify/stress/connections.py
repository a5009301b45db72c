"""What the requests travelled over: to where the URL says, and as many ways as they need."""

import re

from stressproof.evidence.generator import Connections
from stressproof.evidence.level import Level
from stressproof.evidence.measurements import RunMeasurements, answered
from stressproof.evidence.stress import StressArtifact
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import UNSOUND, StressCase
from stressproof.verify.stress.document import origin
from stressproof.verify.stress.shares import busy

_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
_HTTP1 = "http/1.1"
_PROTOCOLS = (_HTTP1, "h2")
_OPENED_MOST = 4  # connections for one request: an answer that never comes is asked for again


@rule(
    "stress.connections",
    clause="evidence.md, Generator",
    title="The requests travelled over connections to the target, as many as carry them",
    remedy="A figure that does not follow from its measurements is forged; capture again.",
    level=Level.RECOMPUTED,
)
def connections(case: StressCase, judgement: Judgement) -> None:
    """A protocol of ours, the address that the URL says, and neither too many nor too few."""
    artifact = case.computable
    if artifact is None:
        judgement.skip(UNSOUND)
        return
    for place, (run, said) in enumerate(
        zip(artifact.measurements.runs, artifact.runs, strict=False)
    ):
        told, where = said.connections, f"runs[{place}].connections"
        judgement.check(
            told.protocol in _PROTOCOLS,
            f"{where}.protocol",
            told.protocol,
            prose(" or ".join(_PROTOCOLS)),
        )
        _addressed(artifact.target.url, told, where, judgement)
        least, most = _needed(artifact, run, told.protocol), _possible(artifact, run)
        opened = sum(told.opened.values())
        judgement.check(
            least <= opened <= most, f"{where}.opened", opened, prose(f"{least} to {most}")
        )
        most = opened if artifact.target.url.startswith("https:") else 0
        resumed = told.tls_resumed
        judgement.check(resumed <= most, f"{where}.tls_resumed", resumed, prose(f"at most {most}"))


def _addressed(url: str, told: Connections, where: str, judgement: Judgement) -> None:
    """A URL that has an address for its host leads to no other."""
    _, host = origin(url) or ("", "")
    if _IPV4.fullmatch(host):
        for address in told.opened:
            judgement.check(address == host, f"{where}.opened", address, host)
    elif ":" in host:
        for address in told.opened:
            judgement.check(_same(address, host), f"{where}.opened", address, host)


def _same(address: str, host: str) -> bool:
    """Return whether two texts are one address of IPv6, which can be written in several ways."""
    from ipaddress import ip_address  # noqa: PLC0415  # 5 ms that few need

    try:
        return ip_address(address) == ip_address(host)
    except ValueError:
        return False


def _needed(artifact: StressArtifact, run: RunMeasurements, protocol: str) -> int:
    """Return how many connections there were at least.

    One of HTTP/1.1 carries a request at a time: all of them in sum were busy as long as requests
    waited, but for those that may have waited for a connection.
    """
    least = int(any(answered(row.outcomes) for row in run.every_row))
    if protocol != _HTTP1 or not run.elapsed_us:
        return least
    asked = artifact.workload.endpoints
    requests = {at for at, endpoint in enumerate(asked) if endpoint.kind != "flow"}
    sent = [row for row in run.rows if row.endpoint in requests]
    waited_us, _ = busy(sent, closed=False)
    for row in sent:
        if row.started and (ended := answered(row.outcomes)) < row.started:
            waited_us -= (row.started - ended) * (row.corrected.max_us or 0)
    return max(least, -(-waited_us // run.elapsed_us))


def _possible(artifact: StressArtifact, run: RunMeasurements) -> int:
    sent = sum(row.started + row.requests for row in run.every_row)
    return _OPENED_MOST * sent + sum(one.max_users for one in artifact.workload.scenarios)


RULES = (connections,)
