"""What one tenant, or one kind of request, may not take from the others."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from enforcement.api.paths import PREFIX
from running_service import (
    Service,
    Tenant,
    World,
    ask_every_worker,
    eventually,
    gate_body,
    hammer,
    start,
)

SLOW_READ = "/reservations/reconciliation-exceptions"


@pytest.fixture(scope="module")
def hasty(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose principals are asked about often, and believed for a second and a half."""
    running = start(
        tmp_path_factory.mktemp("hasty"),
        *("--dsn", world.dsn),
        env={
            "ENFORCEMENT_PRINCIPAL_TTL_SECONDS": "0.2",
            "ENFORCEMENT_PRINCIPAL_MAX_AGE_SECONDS": "1.5",
            "ENFORCEMENT_GATE_TIMEOUT_SECONDS": "10",
        },
    )
    yield running
    assert running.stop() == 0


def test_slow_reads_leave_gates_and_health_alone(hasty: Service, world: World) -> None:
    """While reads of several tenants wait for the database nobody else waits for a connection."""
    readers = [world.tenant() for _ in range(8)]
    other = world.tenant()
    with psycopg.connect(world.admin_dsn) as blocker, ThreadPoolExecutor(64) as pool:
        blocker.execute("LOCK TABLE enforcement.reconciliations IN ACCESS EXCLUSIVE MODE")
        reads = [
            pool.submit(
                httpx.get,
                f"{hasty.url}{PREFIX}{SLOW_READ}",
                headers=readers[number % len(readers)].headers(),
                timeout=60,
            )
            for number in range(64)
        ]
        eventually(lambda: _waiting(world) >= 4, "reads wait for the database")
        time.sleep(0.3)
        answers = hammer(
            hasty, [("/gate/terraform", other.headers("member"), gate_body()) for _ in range(8)]
        )
        health = [hasty.client.get("/health").status_code for _ in range(4)]
        writes = hasty.post("/budgets", other.headers(), {"monthly_limit_usd": "5"}).status_code
        waiting = _waiting(world)
        blocker.rollback()
        statuses = Counter(read.result().status_code for read in reads)
    assert [answer.json()["fail_safe"] for answer in answers] == [False] * 8
    assert health == [200] * 4
    assert writes == 200
    assert waiting >= 4, "the reads were over before the others were asked"
    assert set(statuses) <= {200, 503}


def _waiting(world: World) -> int:
    return int(world.query("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0])


BUDGET = ("POST", "/budgets", {"monthly_limit_usd": "5"})


@pytest.mark.parametrize(
    ("bucket", "request_", "free"),
    [
        ("read", ("GET", "/budgets", None), BUDGET),
        ("write", BUDGET, ("GET", "/budgets", None)),
        (
            "approval",
            (
                "POST",
                "/approvals/requests",
                {"decision_id": "0" * 8 + "-0000-4000-8000-" + "0" * 12},
            ),
            ("GET", "/budgets", None),
        ),
    ],
)
def test_each_kind_of_request_has_a_limit_of_its_own(
    service: Service,
    world: World,
    bucket: str,
    request_: tuple[str, str, object],
    free: tuple[str, str, object],
) -> None:
    """Of 12 requests of a kind of which 5 a minute are allowed 7 are 429; another kind passes."""
    loud = world.tenant(per_minute=5, buckets=(bucket,))

    def ask(wanted: tuple[str, str, object]) -> httpx.Response:
        method, path, body = wanted
        return httpx.request(
            method, f"{service.url}{PREFIX}{path}", headers=loud.headers(), json=body, timeout=20
        )

    answers = [ask(request_) for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) == 7
    assert refused[0].json()["code"] == "rate_limited"
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].headers["ratelimit-limit"] == "5"
    assert ask(free).status_code == 200
    gate = service.post("/gate/terraform", loud.headers("member"), gate_body())
    assert gate.status_code == 200


def test_a_revoked_principal_loses_its_power_though_nobody_can_look_it_up(
    hasty: Service, world: World, tenant: Tenant
) -> None:
    """While look-ups hang, what was known holds for a moment; then writes end, gates fail safe."""
    owner, member = tenant.headers(), tenant.headers("member")
    hasty.post("/policies", owner, {"terraform_mode": "hard"})
    ask_every_worker(hasty, "/limits", owner, member)
    with psycopg.connect(world.admin_dsn) as blocker:
        blocker.execute("LOCK TABLE enforcement.principals IN ACCESS EXCLUSIVE MODE")
        time.sleep(2)
        decided = [
            hasty.post("/gate/terraform", member, gate_body(), timeout=30).json() for _ in range(4)
        ]
        written = hasty.post("/budgets", owner, {"monthly_limit_usd": "5"}, timeout=30)
        blocker.rollback()
    for answer in decided:
        assert (answer["fail_safe"], answer["decision"]) == (True, "DENY"), answer
    assert (written.status_code, written.json()["code"]) == (503, "database_unavailable")
    assert hasty.get("/budgets", owner).json() == []


def test_a_principal_is_believed_for_a_moment(hasty: Service, world: World, tenant: Tenant) -> None:
    """Shortly after its last look-up a principal's gates are decided, though look-ups hang."""
    member = tenant.headers("member")
    ask_every_worker(hasty, "/limits", member)
    with psycopg.connect(world.admin_dsn) as blocker:
        blocker.execute("LOCK TABLE enforcement.principals IN ACCESS EXCLUSIVE MODE")
        answer = hasty.post("/gate/terraform", member, gate_body(), timeout=30)
        blocker.rollback()
    assert answer.json()["fail_safe"] is False


def test_the_world_is_as_it_was(hasty: Service, tenant: Tenant) -> None:
    """After all of this the service decides."""
    answer = hasty.post("/gate/terraform", tenant.headers("member"), gate_body())
    assert (answer.status_code, answer.json()["fail_safe"]) == (200, False)
