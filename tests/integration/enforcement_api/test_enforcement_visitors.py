"""What anybody may ask: health and metrics, and what they cost others."""

import asyncio
import time
from collections.abc import Iterator

import httpx
import pytest

from enforcement.api.paths import LIMITS
from running_service import (
    GATE,
    JWT_SECRET,
    Service,
    Tenant,
    World,
    gate_body,
    sign,
    start,
)

FORMER_SECRET = "f" * 64


@pytest.fixture(scope="module")
def discreet(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that shows its metrics to bearers of a token alone, after a change of key."""
    running = start(
        tmp_path_factory.mktemp("discreet"),
        *("--dsn", world.dsn),
        env={
            "ENFORCEMENT_PUBLIC_METRICS": "off",
            "ENFORCEMENT_JWT_FALLBACK_SECRETS": FORMER_SECRET,
        },
    )
    yield running
    assert running.stop() == 0


def test_anybody_learns_up_or_down_and_which_instance(service: Service, tenant: Tenant) -> None:
    """Without a token health is a status and an instance; with one it is everything."""
    anybody = httpx.get(f"{service.url}/health", timeout=10)
    assert anybody.status_code == 200
    assert set(anybody.json()) == {"status", "instance_id"}
    full = service.health(tenant)
    assert full["instance_id"] == anybody.json()["instance_id"]
    assert {"build", "started_at", "uptime_seconds", "workers", "database"} <= set(full)
    forged = sign(tenant.callers["owner"], secret="x" * 40)
    refused = httpx.get(f"{service.url}/health", headers={"authorization": f"Bearer {forged}"})
    assert refused.status_code == 401


def _served(text: str) -> int:
    start_of = f'http_server_requests_total{{http_request_method="GET",http_route="{LIMITS}"'
    return sum(int(line.split()[-1]) for line in text.splitlines() if line.startswith(start_of))


def test_metrics_are_exact_for_a_token_and_a_second_old_for_others(
    service: Service, tenant: Tenant
) -> None:
    """Who shows a token finds every answer counted at once; a stranger finds it a second later."""
    headers = tenant.headers()

    def read(token: dict[str, str]) -> int:
        return _served(httpx.get(f"{service.url}/metrics", headers=token, timeout=10).text)

    before = read(headers)
    for number in range(1, 11):
        assert httpx.get(f"{service.url}{LIMITS}", headers=headers, timeout=10).status_code == 200
        assert read(headers) == before + number
        assert read({}) <= before + number
    time.sleep(1.1)
    assert read({}) == before + 10


def test_metrics_asked_at_once_are_each_exact(service: Service, tenant: Tenant) -> None:
    """Of many that ask at the same time each finds what was answered before it asked."""
    headers = tenant.headers()

    async def one(client: httpx.AsyncClient) -> tuple[int, int]:
        for _ in range(3):
            await client.get(LIMITS, headers=headers)
        nonlocal answered
        answered += 3
        known = answered
        text = (await client.get("/metrics", headers=headers)).text
        return known, _served(text)

    answered = 0

    async def crowd() -> list[tuple[int, int]]:
        nonlocal answered
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            answered = _served((await client.get("/metrics", headers=headers)).text)
            return await asyncio.gather(*(one(client) for _ in range(30)))

    for known, seen in asyncio.run(crowd()):
        assert seen >= known


@pytest.mark.parametrize("shown", [False, True], ids=["strangers", "bearers"])
def test_asking_for_metrics_does_not_slow_gates(
    service: Service, tenant: Tenant, *, shown: bool
) -> None:
    """Sixty-four connections that ask for nothing but metrics leave gates their time."""
    token = tenant.headers() if shown else {}

    async def ask(client: httpx.AsyncClient) -> None:
        while not over.is_set():
            assert (await client.get("/metrics", headers=token)).status_code == 200

    async def crowd() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=80)
        async with httpx.AsyncClient(base_url=service.url, timeout=30, limits=limits) as client:
            asking = [asyncio.create_task(ask(client)) for _ in range(64)]
            answers = [
                await client.post(GATE, headers=tenant.headers("member"), json=gate_body())
                for _ in range(20)
            ]
            over.set()
            await asyncio.gather(*asking)
            return answers

    over = asyncio.Event()
    # One that waits longer than a gate may is a fail-safe.
    for answer in asyncio.run(crowd()):
        assert (answer.status_code, answer.json()["fail_safe"]) == (200, False)


def test_metrics_can_be_closed_to_strangers(discreet: Service, tenant: Tenant) -> None:
    """With the setting off a stranger is 401, and a bearer is answered."""
    refused = httpx.get(f"{discreet.url}/metrics", timeout=10)
    assert (refused.status_code, refused.json()["code"]) == (401, "token_missing")
    assert refused.headers["www-authenticate"] == "Bearer"
    shown = httpx.get(f"{discreet.url}/metrics", headers=tenant.headers(), timeout=10)
    assert shown.status_code == 200
    assert "http_server_requests_total" in shown.text


def test_a_bearer_secret_can_be_changed_while_tokens_are_out(
    discreet: Service, tenant: Tenant
) -> None:
    """A token signed with the former key is good, as one of the present key; others are not."""
    caller = tenant.callers["owner"]
    for secret, status in ((JWT_SECRET, 200), (FORMER_SECRET, 200), ("x" * 64, 401)):
        token = sign(caller, secret=secret)
        answer = discreet.get("/limits", {"authorization": f"Bearer {token}"})
        assert (secret[0], answer.status_code) == (secret[0], status)
    expired = sign(caller, secret=FORMER_SECRET, lifetime_s=-5)
    answer = discreet.get("/limits", {"authorization": f"Bearer {expired}"})
    assert answer.json()["code"] == "token_expired"


def test_metrics_show_processes_and_restarts(service: Service, tenant: Tenant) -> None:
    """Processor time, memory and descriptors of the workers, and restarts, are metrics."""
    time.sleep(2.5)  # they are sampled
    text = service.client.get("/metrics", headers=tenant.headers()).text
    samples = {
        line.split()[0]: float(line.split()[1])
        for line in text.splitlines()
        if not line.startswith("#") and "{" not in line
    }
    assert samples["process_cpu_seconds_total"] > 0.1
    assert samples["process_resident_memory_bytes"] > 20e6
    assert 20 < samples["process_open_fds"] < samples["process_max_fds"]
    assert samples["enforcement_worker_restarts_total"] == 0
    assert samples["enforcement_embedded_database_restarts_total"] == 0
    assert samples["http_server_open_connections"] >= 1
