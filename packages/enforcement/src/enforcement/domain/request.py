"""What a gate is asked, in its one normal form, and the fingerprint of it."""

import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from enforcement.domain import environment as env
from enforcement.domain.canonical import Json, canonical_text, check_storable, sha256_hex
from enforcement.domain.enums import Source
from enforcement.domain.errors import ConflictError, InvalidError
from enforcement.domain.money import hourly_text, monthly_text, parse_hourly, parse_monthly

MAX_METADATA_BYTES: Final = 16_384

# One line of printable text: digests join fields with newlines, so none may hold one.
_LINE: Final = re.compile(r"[^\x00-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]+")


class GateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A normalised gate request; build it with :func:`gate_request`.

    Attributes:
        environment: Normalised.
        monthly_delta_usd: 4 places, not negative.
        hourly_delta_usd: 6 places, not negative.
        metadata: JSON object; ``criticality`` is read for the risk score.
        idempotency_key: What the caller gave, else the fingerprint.
        key_given: Whether the caller gave it.
        fingerprint: 64 hexadecimal digits over everything but the key; includes ``dry_run``.
    """

    source: Source
    project_id: str
    environment: str
    action: str
    resource_reference: str
    monthly_delta_usd: Decimal
    hourly_delta_usd: Decimal
    metadata: dict[str, Json]
    dry_run: bool
    idempotency_key: str
    key_given: bool
    fingerprint: str


def gate_request(
    *,
    source: Source,
    action: str,
    resource_reference: str,
    estimated_monthly_delta_usd: str,
    estimated_hourly_delta_usd: str = "0",
    project_id: str = "default",
    environment: str = "nonprod",
    metadata: dict[str, Json] | None = None,
    idempotency_key: str | None = None,
    dry_run: bool = False,
) -> GateRequest:
    """Normalise and validate what a caller sent.

    Raises:
        InvalidError: ``invalid_text``, ``invalid_length``, ``invalid_amount`` or
            ``metadata_too_large``.
    """
    data = metadata or {}
    check_storable(data, field="metadata")
    normal_env = env.normalise(environment)
    line(normal_env, "environment", 1, 32)
    monthly = parse_monthly(estimated_monthly_delta_usd, field="estimated_monthly_delta_usd")
    hourly = parse_hourly(estimated_hourly_delta_usd, field="estimated_hourly_delta_usd")
    # Lower-casing may lengthen a text, so it comes before the length is judged.
    project = line(project_id.lower(), "project_id", 1, 128)
    verb = line(action.lower(), "action", 1, 64)
    resource = line(resource_reference, "resource_reference", 1, 512)
    asked: dict[str, Any] = {
        "source": source,
        "project_id": project,
        "environment": normal_env,
        "action": verb,
        "resource_reference": resource,
        "monthly_delta_usd": monthly,
        "hourly_delta_usd": hourly,
        "metadata": data,
        "dry_run": dry_run,
    }
    digest = fingerprint(**asked)
    key = digest if idempotency_key is None else line(idempotency_key, "idempotency_key", 4, 128)
    return GateRequest(
        **asked,
        idempotency_key=key,
        key_given=idempotency_key is not None,
        fingerprint=digest,
    )


def line(text: str, field: str, shortest: int, longest: int) -> str:
    """Return the text if it is one printable line of that many characters.

    Raises:
        InvalidError: ``invalid_length`` or ``invalid_text``.
    """
    if not shortest <= len(text) <= longest:
        raise InvalidError(
            "invalid_length",
            f"{field} has {len(text)} characters, expected {shortest} to {longest}",
        )
    if _LINE.fullmatch(text) is None:
        raise InvalidError("invalid_text", f"{field} holds a control or line-breaking character")
    return text


def fingerprint(
    *,
    source: Source,
    project_id: str,
    environment: str,
    action: str,
    resource_reference: str,
    monthly_delta_usd: Decimal,
    hourly_delta_usd: Decimal,
    metadata: dict[str, Json],
    dry_run: bool,
) -> str:
    """Hash what is asked, so that the same question can be recognised.

    Raises:
        InvalidError: ``metadata_too_large`` beyond 16 KiB of canonical JSON, or
            ``invalid_metadata`` when it holds NaN or an infinity.
    """
    try:
        text = canonical_text(
            {
                "source": source.value,
                "project_id": project_id,
                "environment": environment,
                "action": action,
                "resource_reference": resource_reference,
                "estimated_monthly_delta_usd": monthly_text(monthly_delta_usd),
                "estimated_hourly_delta_usd": hourly_text(hourly_delta_usd),
                "metadata": metadata,
                "dry_run": dry_run,
            }
        )
    except (TypeError, ValueError) as error:
        raise InvalidError("invalid_metadata", f"metadata is not plain JSON: {error}") from error
    if len(text) > MAX_METADATA_BYTES + 2048:
        raise InvalidError(
            "metadata_too_large",
            f"metadata takes more than {MAX_METADATA_BYTES} bytes of canonical JSON",
        )
    return sha256_hex(text)


def check_expected_fingerprint(request: GateRequest, expected: str | None) -> None:
    """Refuse a request that is not the one its caller had planned.

    Raises:
        ConflictError: ``fingerprint_mismatch``.
    """
    if expected is not None and expected != request.fingerprint:
        raise ConflictError(
            "fingerprint_mismatch",
            f"the request's fingerprint is {request.fingerprint}, expected {expected[:64]}",
            hint="The plan changed between planning and this call; plan again.",
        )
