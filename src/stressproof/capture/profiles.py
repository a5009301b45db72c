"""The profiles: what to ask of a service, and the limits that go with it.

This is all that the tool knows of the enforcement service.
"""

from msgspec import Struct

from stressproof.evidence.stress import Thresholds

_PREFIX = "/api/v1/enforcement"


class ProfileEndpoint(Struct, frozen=True):
    """One request of a profile.

    Attributes:
        path: With its query string; the name of the endpoint in evidence.
        check: What the answer must hold beyond its status (`stressproof.load.checks`).
    """

    path: str
    check: str = "json"


class Profile(Struct, frozen=True):
    """A named workload of reads, with its default limits.

    Attributes:
        name: As ``--profile`` takes it.
        endpoints: In the order in which they are asked.
        thresholds: Defaults; an explicit flag replaces its own and no other.
        authenticated: Whether the endpoints want a bearer token.
    """

    name: str
    endpoints: tuple[ProfileEndpoint, ...]
    thresholds: Thresholds
    authenticated: bool


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="enforcement",
            endpoints=(
                ProfileEndpoint("/health/live", "json:status"),
                ProfileEndpoint(f"{_PREFIX}/policies"),
                ProfileEndpoint(f"{_PREFIX}/budgets"),
                ProfileEndpoint(f"{_PREFIX}/credits"),
                ProfileEndpoint(f"{_PREFIX}/approvals/queue?limit=50"),
                ProfileEndpoint(f"{_PREFIX}/ledger?limit=50"),
                # A mismatch is answered with 200: only the body tells (ruling 12).
                ProfileEndpoint(f"{_PREFIX}/exports/parity?limit=50", "json:parity_ok=true"),
            ),
            thresholds=Thresholds(
                max_p95_seconds=2.0, max_error_rate_percent=1.0, min_throughput_rps=0.5
            ),
            authenticated=True,
        ),
        Profile(
            name="health",
            endpoints=(ProfileEndpoint("/health/live", "json:status"),),
            thresholds=Thresholds(
                max_p95_seconds=1.0, max_error_rate_percent=1.0, min_throughput_rps=1.0
            ),
            authenticated=False,
        ),
        Profile(
            name="health_deep",
            endpoints=(
                ProfileEndpoint("/health/live", "json:status"),
                ProfileEndpoint("/health", "json:status"),
            ),
            thresholds=Thresholds(
                max_p95_seconds=4.0, max_error_rate_percent=2.0, min_throughput_rps=0.2
            ),
            authenticated=False,
        ),
    )
}
