"""Bearer tokens as they are made: who, in which tenant, of what rank, on which plan."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import jwt

from enforcement.domain.enums import PLAN_FEATURES
from enforcement.domain.identity import Caller
from enforcement.settings import Settings

ALGORITHM: Final = "HS256"


def issue(
    caller: Caller, *, secret: str, issuer: str, audience: str, lifetime_s: int, now: datetime
) -> str:
    """Sign a bearer token for a principal."""
    payload = {
        "iss": issuer,
        "aud": audience,
        "sub": str(caller.principal_id),
        "jti": str(uuid4()),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=lifetime_s)).timestamp()),
        "tenant_id": str(caller.tenant_id),
        "role": caller.role.value,
        "permissions": sorted(item.value for item in caller.permissions),
        "plan": caller.plan.value,
        "features": sorted(item.value for item in PLAN_FEATURES[caller.plan]),
    }
    return jwt.encode(payload, secret, algorithm=ALGORITHM)


def issue_now(caller: Caller, settings: Settings, lifetime_s: int) -> str:
    """Sign a token as a service with these settings takes it, valid from now on."""
    return issue(
        caller,
        secret=settings.jwt_secret,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        lifetime_s=lifetime_s,
        now=datetime.now(UTC),
    )
