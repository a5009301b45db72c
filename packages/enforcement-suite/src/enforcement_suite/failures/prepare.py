"""Rows for the failure scenarios: tenants, approval tokens genuine and forged, reservations.

Everything is asked of the service as its callers do, except for tenants: it has no endpoint for
them, as little as a customer has.
"""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
import psycopg

from stressproof.errors import RunError
from stressproof.faults.project_testbed import ProjectTestbed

Row = dict[str, Any]
Tables = dict[str, list[Row]]

PREFIX = "/api/v1/enforcement"
_LIFETIME_S = 4 * 3600
_PLENTY = 1_000_000
_LIMIT = 120
_BUDGETS, _RACERS = 5, 50
_TOKENS, _CUT, _RACED = 90, 6, 5
_READY, _SETTLED_AT_ONCE, _AGING = 110, 4, 4
_WRONG_KEY = "a key of the right length that signs nothing here at all"


def three_modes(testbed: ProjectTestbed) -> Tables:
    """A tenant for each mode, with credit; every worker knows its policy."""
    tenants = {mode: _tenant(testbed, f"fi001-{mode}") for mode in ("hard", "soft", "shadow")}
    for mode, tenant in tenants.items():
        _policy(testbed, tenant, mode, auto_approve_below_monthly_usd="5000")
        _credit(testbed, tenant, "100000")
    return _known(testbed, tenants)


def hot_and_other(testbed: ProjectTestbed) -> Tables:
    """A tenant with budgets that pay once, each raced for by many, and one beside it."""
    tenants = {name: _tenant(testbed, f"fi002-{name}") for name in ("hot", "other")}
    for tenant in tenants.values():
        _policy(testbed, tenant, "hard", auto_approve_below_monthly_usd="5000")
    projects = [f"race_{number}" for number in range(1, _BUDGETS + 1)]
    for project in projects:
        _call(testbed, tenants["hot"], "/budgets", scope_key=project, monthly_limit_usd="100")
    raced = [{"project": project} for project in projects for _ in range(_RACERS)]
    return {**_known(testbed, tenants), "budgets": raced}


def approved_tokens(testbed: ProjectTestbed) -> Tables:
    """Approval tokens to spend, to race for and to cut, and forgeries of every kind."""
    tenant, stranger = (_tenant(testbed, f"fi003-{name}") for name in ("tokens", "stranger"))
    for one in (tenant, stranger):
        _policy(testbed, one, "soft")
    made = [_approved(testbed, tenant) for _ in range(_TOKENS + _CUT + _RACED + 2)]
    foreign = _approved(testbed, stranger)
    token, other, *usable = made
    forged = _forgeries(token["text"], other["text"], foreign["text"], testbed.secret("approval"))
    return {
        **_known(testbed, {"tenant": tenant, "stranger": stranger}),
        "cut": usable[:_CUT],
        "raced": usable[_CUT : _CUT + _RACED],
        "tokens": usable[_CUT + _RACED :],
        "forged": [{"name": name, "text": text} for name, text in forged.items()],
    }


def reservations(testbed: ProjectTestbed) -> Tables:
    """Reservations to settle, to race for, and to sweep once they are a minute old."""
    sweeper, tenant = (_paying(testbed, f"fi004-{name}") for name in ("sweep", "settle"))
    aging = [
        _reserved(testbed, sweeper, f"fi-sweep:{testbed.run}-{number}", "prod")
        for number in range(_AGING)
    ]
    ready = []
    for _ in range(_SETTLED_AT_ONCE + _READY):
        effect = testbed.effect()
        row = _reserved(testbed, tenant, f"fi:settlement:{effect}", "nonprod")
        ready.append({**row, "effect": effect})
    return {
        **_known(testbed, {"tenant": tenant, "sweeper": sweeper}),
        "aging": aging,
        "raced": ready[:_SETTLED_AT_ONCE],
        "ready": ready[_SETTLED_AT_ONCE:],
    }


def three_tenants(testbed: ProjectTestbed) -> Tables:
    """Three tenants with the same limit."""
    names = ("flood", "quiet_one", "quiet_two")
    tenants = {name: _tenant(testbed, f"fi005-{name}", per_minute=_LIMIT) for name in names}
    for tenant in tenants.values():
        _policy(testbed, tenant, "hard")
    return _known(testbed, tenants)


def _tenant(testbed: ProjectTestbed, name: str, *, per_minute: int = _PLENTY) -> Row:
    """Create a tenant with three principals, and return its id and their bearer tokens."""
    tenant_id = uuid.uuid4()
    roles = {role: uuid.uuid4() for role in ("owner", "admin", "member")}
    try:
        with testbed.connect() as connection, connection.transaction():
            _found(connection, tenant_id, f"{name}-{testbed.run}", roles, per_minute)
    except psycopg.Error as error:
        raise RunError(
            f"a tenant cannot be made: {error}",
            hint="Is the service's schema another than this scenario is for?",
        ) from error
    secret = testbed.secret("jwt")
    bearers = {role: _bearer(secret, tenant_id, one, role) for role, one in roles.items()}
    return {"id": str(tenant_id), **bearers}


def _found(
    connection: Any,
    tenant_id: uuid.UUID,
    name: str,
    roles: Mapping[str, uuid.UUID],
    per_minute: int,
) -> None:
    (created_at,) = connection.execute(
        "SELECT enforcement.rfc3339(enforcement.found_tenant(%s, %s, 'enterprise'))",
        (tenant_id, name),
    ).fetchone()

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


def _bearer(secret: str, tenant_id: uuid.UUID, principal_id: uuid.UUID, role: str) -> str:
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
    return jwt.encode(claims, secret, algorithm="HS256")


def _call(testbed: ProjectTestbed, tenant: Row, path: str, role: str = "owner", **body: Any) -> Any:
    """Prepare something through the service, and return its answer's JSON."""
    headers = {"authorization": f"Bearer {tenant[role]}"}
    return testbed.request("POST", PREFIX + path, json=body, headers=headers, expect=(200,)).json()


def _policy(testbed: ProjectTestbed, tenant: Row, mode: str, **more: Any) -> None:
    _call(testbed, tenant, "/policies", terraform_mode=mode, **more)


def _credit(testbed: ProjectTestbed, tenant: Row, usd: str, **more: Any) -> None:
    _call(testbed, tenant, "/credits", pool_type="reserved", total_amount_usd=usd, **more)


def _known(testbed: ProjectTestbed, tenants: Mapping[str, Row]) -> Tables:
    """Return tenants as tables, once every worker has learnt their limits and policies.

    While the database is silent a worker falls back on what it last knew.
    """
    for tenant in tenants.values():
        headers = {"authorization": f"Bearer {tenant['owner']}"}
        for path in ("/limits", "/policies"):
            testbed.every_worker(PREFIX + path, header="x-served-by", headers=headers)
    return {name: [tenant] for name, tenant in tenants.items()}


def _gate(
    testbed: ProjectTestbed, tenant: Row, resource: str, usd: str, project: str, environment: str
) -> Any:
    return _call(
        testbed,
        tenant,
        "/gate/terraform",
        "member",
        action="create",
        resource_reference=resource,
        estimated_monthly_delta_usd=usd,
        project_id=project,
        environment=environment,
        idempotency_key=resource,
    )


def _approved(testbed: ProjectTestbed, tenant: Row) -> Row:
    """Return the token of an approved change, and the effect of spending it."""
    effect = testbed.effect()
    made = _gate(testbed, tenant, f"fi:token:{effect}", "100", "default", "prod")
    approval = _call(testbed, tenant, f"/approvals/{made['approval_request_id']}/approve")
    return {"effect": effect, "text": str(approval["approval_token"])}


def _paying(testbed: ProjectTestbed, name: str) -> Row:
    """Return a tenant with a budget of next to nothing and plenty of credit."""
    tenant = _tenant(testbed, name)
    _policy(
        testbed,
        tenant,
        "soft",
        auto_approve_below_monthly_usd="0",
        enforce_prod_requester_reviewer_separation=False,
    )
    _call(testbed, tenant, "/budgets", scope_key="paid", monthly_limit_usd="1")
    for scope, usd in (("paid", "10000"), ("default", "1000000")):
        _credit(testbed, tenant, usd, scope_key=scope)
    return tenant


def _reserved(testbed: ProjectTestbed, tenant: Row, resource: str, environment: str) -> Row:
    """Return a decision that holds a reservation."""
    made = _gate(testbed, tenant, resource, "10", "paid", environment)
    if not made["reservation_active"]:
        raise RunError(f"a change that should be reserved is not: {made['reason_codes']}")
    return {"decision": made["decision_id"], "approval": made["approval_request_id"]}


def _forgeries(token: str, other: str, foreign: str, secret: str) -> dict[str, str]:
    """Return tokens that must not be spent, by what was done to each.

    Raises:
        RunError: One is what was issued.
    """
    claims = jwt.decode(token, options={"verify_signature": False})
    now = int(time.time())
    changed = {"max_monthly_delta_usd": "999999.0000"}
    stranger = {"decision_id": "00000000-0000-4000-8000-000000000000"}
    forged = {
        "unsigned": jwt.encode(claims, "", algorithm="none"),
        "wrong_key": jwt.encode(claims, _WRONG_KEY, algorithm="HS256"),
        "wrong_algorithm": jwt.encode(claims, secret, algorithm="HS512"),
        "truncated": token[:-7],
        "edited": _spliced(token, token, {**claims, **changed}),
        "swapped": _spliced(token, other, claims),
        "expired": _signed({**claims, "exp": now - 5}, secret),
        "not_yet": _signed({**claims, "nbf": now + 600, "iat": now + 600}, secret),
        "other_decision": _signed({**claims, **stranger}, secret),
        "other_cap": _signed({**claims, **changed}, secret),
        "other_subject": _signed({**claims, "sub": "enforcement_approval:0"}, secret),
        "foreign": foreign,
    }
    genuine = [name for name, text in forged.items() if text in {token, other}]
    if genuine:
        raise RunError(f"the forgeries {', '.join(genuine)} are genuine tokens")
    return forged


def _signed(claims: Mapping[str, Any], secret: str) -> str:
    return jwt.encode(dict(claims), secret, algorithm="HS256")


def _spliced(head: str, signature: str, claims: Mapping[str, Any]) -> str:
    """Return claims between the head of one token and the signature of one."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return ".".join([head.partition(".")[0], payload, signature.rpartition(".")[2]])
