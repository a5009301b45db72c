"""What to do about a preflight that failed, from how its checks failed."""

from collections.abc import Container
from ipaddress import ip_address
from urllib.parse import urlsplit

from stressproof.evidence.stress import StressArtifact
from stressproof.suite import LocalService

_TLS_REMEDIES = (
    (
        ("wrong version number", "record layer"),
        "That port speaks no TLS: write the URL with http://.",
    ),
    (
        ("self-signed", "self signed", "unable to get local issuer", "unable to get issuer"),
        "Nobody trusted signed its certificate: add --ca-file FILE, or --insecure to accept any.",
    ),
    (
        ("mismatch", "not valid for"),
        "Its certificate is for another name: write that in the URL, and add --resolve ADDRESS.",
    ),
    (("expired", "not yet valid"), "Its certificate is out of date: renew it."),
    (
        ("certificate required", "handshake failure", "bad certificate"),
        "It may want a certificate of yours: --cert FILE and --key FILE.",
    ),
    (("http/2", "h2"), "It speaks no HTTP/2: leave --http2 out."),
)
_NO_HTTP = ("before an answer", "reset by peer", "not a status line", "not http/2")
_OTHERWISE = "Compare --profile and --endpoint with what this service offers."
_STATUS_REMEDIES: tuple[tuple[Container[int], str], ...] = (
    ((404,), f"The service has no such page. {_OTHERWISE}"),
    ((405,), "The service takes another method there: name it with -X, or a body with --json."),
    ((429,), "The service limits this caller's rate: wait, or raise its limits."),
    (range(500, 600), "The service fails by itself: look at its log."),
    (
        range(300, 400),
        f"Redirects are not followed: name the URL that it leads to. {_OTHERWISE}",
    ),
    ((400, 415, 422), "The service does not accept the request: compare its headers and body."),
)
_OTHER_STATUS = f"Say what is right with --expect and --check. {_OTHERWISE}"


def preflight_remedy(artifact: StressArtifact, local: LocalService | None) -> str:
    """Return one or two sentences that say what to do.

    Args:
        artifact: Of a capture whose preflight failed.
        local: How such a service is started on this machine, None where it is not known.
    """
    failed = [check for check in artifact.preflight.checks if not check.ok]
    statuses = {check.status_code for check in failed}
    if statuses == {None}:
        return unanswered_remedy(artifact.target_url, failed[-1].error, local)
    if statuses & {401, 403}:
        how = f" (`{local.issue}`), or restart `{local.start}`" if local else ""
        return (
            f"The service refuses the credentials: set STRESSPROOF_TOKEN to a valid token{how}, or "
            "send what it asks for with -H 'NAME: @FILE'."
        )
    known = {status for status in statuses if status is not None}
    return next(
        (remedy for among, remedy in _STATUS_REMEDIES if any(status in among for status in known)),
        _OTHER_STATUS,
    )


def unanswered_remedy(url: str, error: str, local: LocalService | None = None) -> str:
    """Return what to do where there was no answer at all.

    Args:
        url: Base URL of the service.
        error: What its client said (`stressproof.load.client.RequestError`).
        local: How such a service is started on this machine, None where it is not known.
    """
    start = f" Try `{local.start}`." if local and _on_this_machine(url) else ""
    outcome, _, detail = error.lower().partition(": ")
    if outcome == "tls":
        plain = url.replace("https://", "http://", 1)
        return next(
            (remedy for words, remedy in _TLS_REMEDIES if any(word in detail for word in words)),
            f"Client and service agree on no TLS. If that port speaks none, write {plain}.",
        )
    if "cannot be resolved" in detail:
        return "No such name is known here: check its spelling, or add --resolve ADDRESS."
    if outcome == "timeout":
        return (
            "Nothing answered in time: is it the right address, is a firewall between, or does it "
            "need longer (--preflight-timeout)?"
        )
    if outcome in {"reset", "protocol"}:
        secure = url.replace("http://", "https://", 1)
        may = f" If it speaks TLS, write {secure}." if secure != url else ""
        if not any(sign in detail for sign in _NO_HTTP):
            return f"What {url} answers breaks off, or breaks HTTP's rules: look at the service."
        return f"What listens at {url} does not answer in HTTP.{may}"
    return f"Is the service running at {url}?{start}"


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
