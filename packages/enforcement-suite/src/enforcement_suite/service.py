"""The enforcement service as scenarios use it: tenants, requests, and what its answers mean."""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jwt
import psycopg
from msgspec import Struct

from enforcement_suite.requests import gate, request, settlement
from enforcement_suite.testbed import EnforcementTestbed
from stressproof.errors import RunError
from stressproof.failures.spec import RequestSpec
from stressproof.faults.answer_rules import RuleReader
from stressproof.faults.client import Answer, served_by
from stressproof.faults.load import Request
from stressproof.load.client import Client, RequestError
from stressproof.workload.target import Target

PREFIX = "/api/v1/enforcement"
_LIFETIME_S = 4 * 3600
_PLENTY = 1_000_000
_OK = 200
_SAYS_NOTHING = "200"
_LEARN_S = 20
_TIMEOUT_S = 20.0


class Tenant(Struct, frozen=True):
    """A tenant made for a scenario.

    Attributes:
        name: Unique.
        tenant_id: Likewise.
        tokens: Bearer tokens by role: owner, admin, member.
    """

    name: str
    tenant_id: uuid.UUID
    tokens: Mapping[str, str]

    def headers(self, role: str = "member") -> dict[str, str]:
        """Return request headers of one of its principals."""
        return {
            "authorization": f"Bearer {self.tokens[role]}",
            "content-type": "application/json",
            "accept": "application/json",
        }


class Enforcement:
    """The service on a testbed.

    Args:
        testbed: Entered.
        run: Names this trial's effects; another trial's are not found under it.

    Attributes:
        kept: What the rules for answers kept, by name.
    """

    def __init__(self, testbed: EnforcementTestbed, run: str) -> None:
        self._testbed = testbed
        self._run = run
        self._keys = itertools.count(1)
        self.kept: dict[str, list[Any]] = {}
        self._read_gate = answer_reader(gate("any"), self.kept)
        self._client = Client(Target(testbed.url), timeout_s=_TIMEOUT_S)

    def key(self) -> int:
        """Return the number of a new effect."""
        return next(self._keys)

    def resource(self, what: str, key: int) -> str:
        """Return how the effect is found again: by the resource it is about."""
        return f"fi:{what}:{self._run}:{key}"

    @property
    def effects_prefix(self) -> str:
        """The LIKE pattern of this trial's resources."""
        return f"fi:%:{self._run}:%"

    def tenant(self, name: str, *, per_minute: int = _PLENTY) -> Tenant:
        """Create a tenant with three principals and its limits, straight in the database.

        The service has no endpoint for it, as little as a customer has.
        """
        tenant_id = uuid.uuid4()
        roles = {role: uuid.uuid4() for role in ("owner", "admin", "member")}
        try:
            self._insert(tenant_id, f"{name}-{self._run}", roles, per_minute)
        except psycopg.Error as error:
            raise RunError(
                f"a tenant cannot be made: {error}",
                hint="Is the service's schema another than this scenario is for?",
            ) from error
        tokens = {role: self._bearer(tenant_id, one, role) for role, one in roles.items()}
        return Tenant(name, tenant_id, tokens)

    def _insert(
        self, tenant_id: uuid.UUID, name: str, roles: Mapping[str, uuid.UUID], per_minute: int
    ) -> None:
        with self._testbed.connect() as connection, connection.transaction():
            row = connection.execute(
                "SELECT enforcement.rfc3339(enforcement.found_tenant(%s, %s, 'enterprise'))",
                (tenant_id, name),
            ).fetchone()
            created_at = None if row is None else row[0]

            def record(event: str, **state: object) -> None:
                """Change the tenant as the service does: by an event of its ledger."""
                connection.execute(
                    "SELECT enforcement.record(%s, %s, clock_timestamp(), %s, NULL, %s)",
                    (tenant_id, event, uuid.UUID(int=0), json.dumps(state, sort_keys=True)),
                )

            record("tenant.created", name=name, plan="enterprise", created_at=created_at)
            for role, principal_id in roles.items():
                record(
                    "principal.set",
                    principal_id=str(principal_id),
                    name=role,
                    role=role,
                    permissions=[],
                    active=True,
                    created_at=created_at,
                )
            others = {"read": _PLENTY, "write": _PLENTY, "approval": _PLENTY}
            for bucket, limit in {"gate": per_minute, **others}.items():
                record("limits.set", bucket=bucket, per_minute=limit)
                connection.execute("SELECT enforcement.set_global_limit(%s, %s)", (bucket, _PLENTY))

    def _bearer(self, tenant_id: uuid.UUID, principal_id: uuid.UUID, role: str) -> str:
        now = int(time.time())
        claims = {
            "iss": "enforcement",
            "aud": "authenticated",
            "sub": str(principal_id),
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + _LIFETIME_S,
            "tenant_id": str(tenant_id),
            "role": role,
            "permissions": [],
            "plan": "enterprise",
            "features": ["api_access", "policy_configuration"],
        }
        return jwt.encode(claims, self._testbed.jwt_secret, algorithm="HS256")

    def call(
        self, tenant: Tenant, method: str, path: str, body: object = None, role: str = "owner"
    ) -> Any:
        """Prepare something through the service, and return its answer's JSON.

        Raises:
            RunError: It refuses.
        """
        try:
            answer = self._client.request(
                method,
                PREFIX + path,
                headers=tenant.headers(role),
                body=None if body is None else json.dumps(body).encode(),
            )
        except RequestError as error:
            raise RunError(f"the service does not answer {method} {path}: {error}") from error
        if answer.status != _OK:
            raise RunError(
                f"the service refuses to prepare a scenario: {method} {path} gave "
                f"{answer.status}: {answer.text[:300]}"
            )
        return answer.json()

    def warm_up(self, tenants: Iterable[Tenant]) -> None:
        """Ask for policy and limits until every worker has answered for each tenant.

        While the database is silent a worker falls back on what it last knew. Which worker takes a
        new connection is the kernel's affair: on a busy machine it is the same one many times over.

        Raises:
            RunError: The service refuses, or a worker does not answer in time.
        """
        for tenant in tenants:
            headers = tenant.headers("owner")
            for path in ("/limits", "/policies"):
                self._ask_every_worker(path, headers)

    def _ask_every_worker(self, path: str, headers: dict[str, str]) -> None:
        deadline = time.monotonic() + _LEARN_S
        seen: set[str] = set()
        while len(seen) < self._testbed.workers:
            seen.add(self._read(path, headers))
            if time.monotonic() > deadline:
                raise RunError(
                    f"only {', '.join(sorted(seen))} of {self._testbed.workers} workers answered"
                    f" {path} within {_LEARN_S} s",
                    hint="Let the machine come to rest, then inject again.",
                )

    def _read(self, path: str, headers: dict[str, str]) -> str:
        """Read something on a connection of its own; return which worker answered."""
        try:
            answer = self._client.request("GET", PREFIX + path, headers=headers)
        except RequestError as error:
            raise RunError(f"the service does not answer {path}: {error}") from error
        if answer.status != _OK:
            raise RunError(f"a worker cannot learn from {path}: {answer.text[:300]}")
        return served_by(answer.headers)

    def gate(
        self,
        kind: str,
        tenant: Tenant,
        *,
        project: str = "default",
        environment: str = "nonprod",
        monthly_usd: str = "10",
        key: int | None = None,
        what: str = "gate",
    ) -> Request:
        """Return a gate request, with an effect of its own."""
        number = self.key() if key is None else key
        body = {
            "action": "create",
            "resource_reference": self.resource(what, number),
            "estimated_monthly_delta_usd": monthly_usd,
            "project_id": project,
            "environment": environment,
            "idempotency_key": f"fi-{self._run}-{what}-{number}",
        }
        return Request(
            kind,
            "POST",
            f"{PREFIX}/gate/terraform",
            tenant.headers(),
            json.dumps(body).encode(),
            number,
            self._read_gate,
        )

    def read_policy(self, tenant: Tenant) -> Request:
        """Return a plain read."""
        return Request("read", "GET", f"{PREFIX}/policies", tenant.headers(), b"", 0, read_status)

    def liveness(self) -> Request:
        """Return a question that needs no database."""
        return Request("live", "GET", "/health/live", {}, b"", 0, read_status)

    def consume(self, kind: str, tenant: Tenant, token: str, key: int) -> Request:
        """Return a consumption of an approval token."""
        body = json.dumps({"approval_token": token}).encode()
        return Request(
            kind,
            "POST",
            f"{PREFIX}/approvals/consume",
            tenant.headers(),
            body,
            key,
            read_status,
        )

    def settle(
        self, kind: str, tenant: Tenant, decision_id: str, key: int, *, name: str = "one"
    ) -> Request:
        """Return a settlement of a reservation, under an idempotency key."""
        body = {
            "actual_monthly_delta_usd": "7.5",
            "idempotency_key": f"fi-{self._run}-settle-{key}-{name}",
        }
        return Request(
            kind,
            "POST",
            f"{PREFIX}/reservations/{decision_id}/reconcile",
            tenant.headers("admin"),
            json.dumps(body).encode(),
            key,
            read_settlement,
        )


def answer_reader(
    spec: RequestSpec, kept: dict[str, list[Any]] | None = None
) -> Callable[[Answer], str]:
    """Return what reads the answers to a request whose rules say what each means.

    Args:
        spec: Of the request.
        kept: Takes what its rules keep.
    """
    read = RuleReader(spec, (), {} if kept is None else kept)

    def code(answer: Answer) -> str:
        found = read(answer)
        return "malformed" if found == _SAYS_NOTHING else found

    return code


read_status = RuleReader(request("any"), (), {})
"""Reads an answer of which only the status matters."""

read_settlement = answer_reader(settlement("any"))
"""Reads the answer to a settlement."""
