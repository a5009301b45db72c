"""What an approval token claims, and every reason to refuse one.

Signing and checking the signature is the API's; here the claims are built and judged. The
caller must have verified the signature *without* expiry checks: time is judged here, by the
database's clock.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from enforcement.domain.approvals import Approval
from enforcement.domain.decision import Decision
from enforcement.domain.enums import ApprovalState
from enforcement.domain.errors import ConflictError, ForbiddenError, TokenError
from enforcement.domain.money import hourly_text, monthly_text

AUDIENCE: Final = "enforcement_gate"
TOKEN_TYPE: Final = "enforcement_approval"  # noqa: S105  # a type's name, not a secret
ISSUER: Final = "enforcement"


class Claims(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload of an approval token; times are whole seconds since 1970."""

    iss: str
    aud: str
    sub: str
    iat: int
    nbf: int
    exp: int
    jti: str
    tenant_id: UUID
    project_id: str
    decision_id: UUID
    approval_id: UUID
    source: str
    environment: str
    request_fingerprint: str
    max_monthly_delta_usd: str
    max_hourly_delta_usd: str
    resource_reference: str
    token_type: str


class Expectations(msgspec.Struct, frozen=True, kw_only=True):
    """What the consumer believes it was approved for; null fields are not checked."""

    source: str | None = None
    project_id: str | None = None
    environment: str | None = None
    request_fingerprint: str | None = None
    resource_reference: str | None = None


def issue(approval: Approval, decision: Decision, *, token_id: UUID, now: datetime) -> Claims:
    """Write the claims of an approval's one token; it lives as long as the decision's ttl."""
    begin = int(now.timestamp())
    expires = now + timedelta(seconds=decision.ttl_seconds)
    return Claims(
        iss=ISSUER,
        aud=AUDIENCE,
        sub=_subject(approval.approval_id),
        iat=begin,
        nbf=begin,
        exp=int(expires.timestamp()),
        jti=str(token_id),
        tenant_id=approval.tenant_id,
        project_id=decision.project_id,
        decision_id=decision.decision_id,
        approval_id=approval.approval_id,
        source=decision.source.value,
        environment=decision.environment,
        request_fingerprint=decision.fingerprint,
        max_monthly_delta_usd=monthly_text(decision.monthly_delta_usd),
        max_hourly_delta_usd=hourly_text(decision.hourly_delta_usd),
        resource_reference=decision.resource_reference,
        token_type=TOKEN_TYPE,
    )


def _subject(approval_id: UUID) -> str:
    return f"{TOKEN_TYPE}:{approval_id}"


def read_claims(payload: Mapping[str, object]) -> Claims:
    """Type a decoded payload strictly.

    Raises:
        TokenError: ``invalid_token`` when a claim is missing, unknown or of the wrong type, or
            when issuer, audience, subject or type are not an approval token's.
    """
    try:
        claims = msgspec.convert(payload, Claims)
    except msgspec.ValidationError as error:
        raise TokenError("invalid_token", f"not an approval token: {error}") from error
    expected = (ISSUER, AUDIENCE, _subject(claims.approval_id), TOKEN_TYPE)
    if (claims.iss, claims.aud, claims.sub, claims.token_type) != expected:
        raise TokenError("invalid_token", "issuer, audience, subject or type is another's")
    return claims


def token_sha256(token: str) -> str:
    """Return the digest by which a token is known; the token itself is never stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def demand_own_tenant(claims: Claims, tenant_id: UUID) -> None:
    """Refuse another tenant's token before anything is looked up.

    Raises:
        ForbiddenError: ``token_of_another_tenant``.
    """
    if claims.tenant_id != tenant_id:
        raise ForbiddenError("token_of_another_tenant", "the token was issued to another tenant")


def demand_consumable(
    claims: Claims,
    sha256: str,
    approval: Approval,
    decision: Decision,
    expectations: Expectations,
    now: datetime,
) -> None:
    """Refuse a token that does not fit its approval, its decision or the consumer's belief.

    Args:
        claims: From a token whose signature holds.
        sha256: Of that token.
        approval: Read under the tenant's lock.
        decision: The approval's decision.
        expectations: What the consumer states.
        now: The database's clock.

    Raises:
        ConflictError: With the first of ``token_decision_mismatch``, ``approval_not_approved``,
            ``token_replaced``, ``token_not_yet_valid``, ``token_expired``, ``token_mismatch``,
            ``expectation_mismatch`` or ``token_replayed``.
    """
    if claims.decision_id != decision.decision_id or approval.decision_id != claims.decision_id:
        raise ConflictError("token_decision_mismatch", "the token belongs to another decision")
    if approval.state is ApprovalState.EXPIRED and approval.reviewed_by is not None:
        raise ConflictError("token_expired", "the token's time is over")
    if approval.state is not ApprovalState.APPROVED:
        raise ConflictError("approval_not_approved", f"the approval is {approval.state.value}")
    if approval.token_sha256 is None or not hmac.compare_digest(approval.token_sha256, sha256):
        raise ConflictError("token_replaced", "another token was issued for this approval")
    _demand_current(claims, approval, now)
    _demand_same(claims, decision)
    _demand_expected(decision, expectations)
    if approval.token_consumed_at is not None:
        raise ConflictError(
            "token_replayed",
            "the token has been consumed before",
            hint="Ask the gate again for a new approval.",
        )


def _demand_current(claims: Claims, approval: Approval, now: datetime) -> None:
    seconds = now.timestamp()
    if seconds < claims.nbf:
        raise ConflictError("token_not_yet_valid", "the token's time has not come")
    expired = approval.token_expires_at is None or approval.token_expires_at <= now
    if expired or claims.exp <= seconds:
        raise ConflictError("token_expired", "the token's time is over")


def _demand_same(claims: Claims, decision: Decision) -> None:
    pairs = (
        ("source", claims.source, decision.source.value),
        ("project_id", claims.project_id, decision.project_id),
        ("environment", claims.environment, decision.environment),
        ("request_fingerprint", claims.request_fingerprint, decision.fingerprint),
        ("resource_reference", claims.resource_reference, decision.resource_reference),
        (
            "max_monthly_delta_usd",
            claims.max_monthly_delta_usd,
            monthly_text(decision.monthly_delta_usd),
        ),
        (
            "max_hourly_delta_usd",
            claims.max_hourly_delta_usd,
            hourly_text(decision.hourly_delta_usd),
        ),
    )
    for name, claimed, recorded in pairs:
        if claimed != recorded:
            raise ConflictError("token_mismatch", f"{name} differs between token and decision")


def _demand_expected(decision: Decision, expectations: Expectations) -> None:
    pairs = (
        ("source", expectations.source, decision.source.value),
        ("project_id", expectations.project_id, decision.project_id),
        ("environment", expectations.environment, decision.environment),
        ("request_fingerprint", expectations.request_fingerprint, decision.fingerprint),
        ("resource_reference", expectations.resource_reference, decision.resource_reference),
    )
    for name, expected, recorded in pairs:
        if expected is not None and expected != recorded:
            raise ConflictError(
                "expectation_mismatch", f"the approval was for another {name} than expected"
            )
