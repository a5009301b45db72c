"""Negative controls: with a protection switched off, what it protects from must happen.

They show that the tests of races, keys and limits would notice.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from running_service import Service, Tenant, World, gate_body, hammer, start

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unsafe(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with neither lock nor keys nor limits."""
    running = start(
        tmp_path_factory.mktemp("unsafe"),
        "--dsn",
        world.dsn,
        env={
            "ENFORCEMENT_GATE_TIMEOUT_SECONDS": "20",
            "ENFORCEMENT_UNSAFE_LOCK_OFF": "1",
            "ENFORCEMENT_UNSAFE_IDEMPOTENCY_OFF": "1",
            "ENFORCEMENT_UNSAFE_LIMITS_OFF": "1",
        },
    )
    yield running
    assert running.stop() == 0


def test_health_names_what_is_off(unsafe: Service, tenant: Tenant) -> None:
    """Nobody can take such a service for a real one."""
    off = unsafe.health(tenant)["unsafe"]
    assert sorted(off) == ["idempotency_off", "limits_off", "lock_off"]


def test_without_the_lock_a_budget_is_spent_twice(unsafe: Service, tenant: Tenant) -> None:
    """Of parallel gates for the last unit more than one is allowed, sooner or later."""
    owner = tenant.headers()
    unsafe.post("/policies", owner, {"terraform_mode": "hard"})
    allowed = 0
    for number in range(20):
        project = f"p-{number}"
        unsafe.post("/budgets", owner, {"monthly_limit_usd": "10", "scope_key": project})
        answers = hammer(
            unsafe,
            [
                ("/gate/terraform", tenant.headers("member"), gate_body(project_id=project))
                for _ in range(40)
            ],
        )
        allowed = max(allowed, sum(answer.json().get("decision") == "ALLOW" for answer in answers))
        if allowed > 1:
            break
    assert allowed > 1


def test_without_keys_a_request_is_decided_again(unsafe: Service, tenant: Tenant) -> None:
    """The same key makes a decision each time."""
    body = gate_body(idempotency_key="the-one-key")
    ids = {
        unsafe.post("/gate/terraform", tenant.headers("member"), body).json()["decision_id"]
        for _ in range(3)
    }
    assert len(ids) == 3


def test_without_limits_everything_passes(unsafe: Service, world: World) -> None:
    """A tenant allowed 5 a minute gets all of 20."""
    loud = world.tenant(per_minute=5)
    answers = hammer(
        unsafe, [("/gate/terraform", loud.headers("member"), gate_body()) for _ in range(20)]
    )
    assert Counter(answer.status_code for answer in answers) == {200: 20}
