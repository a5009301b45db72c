"""What the document is: evidence of the right kind, from the right runner, well formed."""

import re

from stressproof.verify.document import document_rules
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase

RECAPTURE = (
    "Capture again with `stressproof capture`, or with the script that the suite's requirements "
    "name as the runner, by its --profile, and with --out FILE."
)
# The base URL of Starlette's in-process client: with it no request ever left the process.
_IN_PROCESS_HOSTS = frozenset({"testserver"})
_ELSEWHERE = "a service on another machine"
_URL = (
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[!-\"$->@-~]*)?"
)
_LAST_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str] | None:
    """Return (scheme://host:port, host) of an http URL, None where it is none or has a user."""
    match = re.fullmatch(_URL, url)
    if match is None:
        return None
    scheme, host = match["scheme"], match["host"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    return (f"{scheme}://{host}:{port}", host.strip("[]")) if port <= _LAST_PORT else None


@rule(
    "stress.target",
    clause="evidence.md, Target and runtime (requirements targets, allow_loopback)",
    title="The target is a service reached over HTTP, and one that may be judged",
    remedy="Capture against the environment that the release is judged on.",
)
def target(case: StressCase, judgement: Judgement) -> None:
    """``target_url`` is an http URL without credentials, and allowed."""
    url, asked = case.declared.target_url, case.requirements
    if url is None:
        if asked.targets or not asked.allow_loopback:
            wanted = " or ".join(asked.targets) or _ELSEWHERE
            judgement.inconclusive("target_url", prose("absent"), prose(wanted))
        judgement.skip("the artifact states no target")
        return
    found = origin(url)
    if not judgement.check(
        found is not None, "target_url", url, prose("http(s)://host[:port] without credentials")
    ):
        return
    base, host = found or ("", "")
    judgement.check(
        host not in _IN_PROCESS_HOSTS,
        "target_url",
        url,
        prose("a service in a process of its own: this name is an in-process client's"),
    )
    if asked.targets:
        allowed = {(origin(each) or ("", ""))[0] for each in asked.targets} - {""}
        judgement.check(base in allowed, "target_url", url, prose(" or ".join(asked.targets)))
    if not asked.allow_loopback:
        _elsewhere(case, url, host, judgement)


def _elsewhere(case: StressCase, url: str, host: str, judgement: Judgement) -> None:
    """Neither the host nor an address that was connected to is the generator's own machine."""
    from stressproof.verify.loopback import is_loopback  # noqa: PLC0415  # few ask, 5 ms

    artifact = case.artifact
    here = artifact is not None and host == artifact.generator.host.lower()
    judgement.check(not here and not is_loopback(host), "target_url", url, prose(_ELSEWHERE))
    for place, run in enumerate(artifact.runs if artifact is not None else ()):
        for address in run.connections.opened:
            judgement.check(
                not is_loopback(address),
                f"runs[{place}].connections.opened",
                address,
                prose(_ELSEWHERE),
            )


RULES = (
    *document_rules(
        "stress",
        verb="capture",
        run="capture",
        again=RECAPTURE,
        contract="protocol, Evidence contract",
        runner_remedy="Capture with the script that is named: release evidence says what ran.",
        clauses={
            "typed": "evidence.md, The stress artifact",
            "profile": "protocol 1",
            "runner": "protocol 3",
            "future": "protocol 4; gate.md, Age",
            "age": "protocol, The enterprise gate; gate.md, Age",
        },
    ),
    target,
)
