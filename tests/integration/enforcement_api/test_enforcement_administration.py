"""Tenants and principals from the command line, against a service that is running."""

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from enforcement.store import ledger
from running_service import CEILING_S, Service, World, command, environment, gate_body


class Operator:
    """Somebody at the command line.

    Args:
        world: Whose database the commands name.
        folder: For secrets and state.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._env = environment(folder)

    def run(self, *arguments: str, dsn: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            command(*arguments, "--dsn", dsn or self._world.dsn),
            env=self._env,
            capture_output=True,
            text=True,
            timeout=CEILING_S,
            check=False,
        )

    def does(self, *arguments: str, dsn: str | None = None) -> str:
        """Run a command that succeeds; return what it says."""
        done = self.run(*arguments, dsn=dsn)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def may_not(self, *arguments: str, dsn: str | None = None) -> str:
        """Run a command that is refused as usage; return what it says."""
        done = self.run(*arguments, dsn=dsn)
        assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def operator(world: World, tmp_path: Path) -> Operator:
    """An operator of the shared service's database."""
    return Operator(world, tmp_path)


def _name() -> str:
    return f"op-{uuid.uuid4().hex[:12]}"


def _headers(operator: Operator, tenant: str, *arguments: str) -> dict[str, str]:
    token = operator.does("token", "--tenant", tenant, *arguments).strip()
    return {"authorization": f"Bearer {token}"}


def test_a_tenant_begins_empty_and_with_its_plan(
    service: Service, world: World, operator: Operator
) -> None:
    """No past, no principal but those that were added; its plan opens and closes the gate."""
    name = _name()
    operator.does("tenant", "create", name, "--plan", "starter")
    operator.does("principal", "add", name, "ann", "--role", "owner")
    headers = _headers(operator, name, "--principal", "ann", "--role", "owner")
    answer = service.post("/gate/terraform", headers, gate_body())
    assert (answer.status_code, answer.json()["code"]) == (403, "feature_unavailable")
    operator.does("tenant", "plan", name, "enterprise")
    listed = [
        json.loads(line)
        for line in operator.does(
            "tenant", "list", "--format", "json", dsn=world.admin_dsn
        ).splitlines()
    ]
    (found,) = [item for item in listed if item["name"] == name]
    assert found["plan"] == "enterprise"
    rows = world.query(
        "SELECT event FROM enforcement.ledger WHERE tenant_id = %s AND event = 'decision'",
        (found["tenant_id"],),
    )
    assert rows == []


def test_what_operators_do_is_in_the_ledger_and_verifies(
    world: World, operator: Operator, service: Service
) -> None:
    """Each change is an event, and the tables are what the events say."""
    del service
    name = _name()
    operator.does("tenant", "create", name)
    operator.does("tenant", "plan", name, "enterprise")
    said = operator.does("tenant", "limits", name, "--per-minute", "77")
    assert "77 gates" in said
    operator.does("principal", "add", name, "bob", "--permission", "remediation.approve.prod")
    operator.does("principal", "permissions", name, "bob", "remediation.approve.nonprod")
    operator.does("principal", "deactivate", name, "bob")
    people: list[Any] = [
        json.loads(line)
        for line in operator.does("principal", "list", name, "--format", "json").splitlines()
    ]
    assert [(p["name"], p["active"], p["permissions"]) for p in people] == [
        ("bob", False, ["remediation.approve.nonprod"])
    ]
    tenant_id = world.query("SELECT tenant_id FROM enforcement.tenants WHERE name = %s", (name,))[
        0
    ][0]
    events = world.query(
        "SELECT event::text FROM enforcement.ledger WHERE tenant_id = %s ORDER BY sequence",
        (tenant_id,),
    )
    assert [event for (event,) in events] == [
        "tenant.created",
        "tenant.plan_set",
        "limits.set",
        "principal.set",
        "principal.set",
        "principal.set",
    ]
    (outcome,) = ledger.verify(world.admin_dsn, tenant_id)
    assert outcome.fault is None


def test_a_deactivated_principal_can_be_added_again(operator: Operator) -> None:
    """Adding who is there is refused; adding who was deactivated lets them in again."""
    name = _name()
    operator.does("tenant", "create", name)
    operator.does("principal", "add", name, "eve")
    assert "eve" in operator.may_not("principal", "add", name, "eve")
    operator.does("principal", "deactivate", name, "eve")
    assert "deactivated" in operator.may_not("principal", "permissions", name, "eve")
    assert "admin, active" in operator.does("principal", "add", name, "eve", "--role", "admin")


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenant", "plan", "nobody-here", "pro"),
        ("tenant", "limits", "nobody-here"),
        ("tenant", "create", "two\nlines"),
        ("tenant", "create", ""),
        ("tenant", "create", "x" * 65),
        ("principal", "add", "nobody-here", "ann"),
        ("principal", "list", "nobody-here"),
        ("principal", "deactivate", "nobody-here", "ann"),
        ("tenant", "plan", "nobody-here", "gold"),
        ("tenant", "limits", "nobody-here", "--per-minute", "0"),
    ],
)
def test_what_cannot_be_done_is_one_line(operator: Operator, arguments: tuple[str, ...]) -> None:
    """An unknown tenant, a name that is none, an unknown plan: usage, and no traceback."""
    operator.may_not(*arguments)


def test_a_tenant_keeps_the_plan_it_has(operator: Operator) -> None:
    """Creating it again is fine with the same plan, and refused with another, which it names."""
    name = _name()
    operator.does("tenant", "create", name, "--plan", "pro")
    operator.does("tenant", "create", name, "--plan", "pro")
    assert "pro" in operator.may_not("tenant", "create", name, "--plan", "free")


def test_listing_all_tenants_needs_a_role_that_sees_them(operator: Operator) -> None:
    """The application's role is refused, instead of being shown an empty list."""
    done = operator.run("tenant", "list")
    assert (done.returncode, done.stdout) == (4, "")
    assert "row-level security" in done.stderr
