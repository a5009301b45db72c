"""Request bodies as they come over the wire: strict, bounded, unknown fields refused."""

import json
import re
from collections import Counter
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.params import HeaderParameter
from msgspec import Meta

from enforcement.api.refusals import Fault, RefusalError
from enforcement.domain.approvals import MAX_NOTES_LENGTH
from enforcement.domain.enums import CreditPool, Mode
from enforcement.domain.money import HOURLY_PATTERN, MONTHLY_PATTERN
from enforcement.domain.policy import MAX_ROUTING_RULES, PolicyDocument, RoutingRule
from enforcement.domain.reservations import DEFAULT_OVERDUE_S, MAX_OVERDUE_S, MIN_OVERDUE_S

MonthlyUsd = Annotated[
    str, Meta(pattern=MONTHLY_PATTERN, description="US dollars a month, up to 4 decimal places.")
]
HourlyUsd = Annotated[
    str, Meta(pattern=HOURLY_PATTERN, description="US dollars an hour, up to 6 decimal places.")
]
PositiveUsd = Annotated[
    str,
    Meta(
        pattern=r"^(?!0(\.0{1,4})?$)(0|[1-9][0-9]{0,11})(\.[0-9]{1,4})?$",
        description="US dollars above zero, up to 4 decimal places.",
    ),
]
# One line of printable text, as the domain demands of whatever enters a digest.
LINE_PATTERN = r"^[^\x00-\x1f\x7f\u0085\u2028\u2029]*$"
Notes = Annotated[str, Meta(max_length=MAX_NOTES_LENGTH)]
ScopeKey = Annotated[str, Meta(min_length=1, max_length=128, pattern=LINE_PATTERN)]
IdempotencyKey = Annotated[str, Meta(min_length=4, max_length=128, pattern=LINE_PATTERN)]


_MEDIA_TYPE = re.compile(
    r"\s*application/json\s*(;\s*charset\s*=\s*\"?utf-8\"?\s*)?;?", re.IGNORECASE
)
OptionalKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        schema_extra={"minLength": 4, "maxLength": 128, "pattern": LINE_PATTERN},
    ),
]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all bodies: a misspelt field is refused, not ignored."""


class PolicyBody(Body, frozen=True, kw_only=True):
    """A tenant's policy, flat; or a whole ``policy_document``, which overrides the flat fields."""

    terraform_mode: Mode = Mode.SOFT
    terraform_mode_prod: Mode | None = None
    terraform_mode_nonprod: Mode | None = None
    k8s_admission_mode: Mode = Mode.SOFT
    k8s_admission_mode_prod: Mode | None = None
    k8s_admission_mode_nonprod: Mode | None = None
    require_approval_for_prod: bool = True
    require_approval_for_nonprod: bool = False
    enforce_prod_requester_reviewer_separation: bool = True
    enforce_nonprod_requester_reviewer_separation: bool = False
    auto_approve_below_monthly_usd: MonthlyUsd = "25"
    hard_deny_above_monthly_usd: MonthlyUsd = "5000"
    plan_monthly_ceiling_usd: MonthlyUsd | None = None
    enterprise_monthly_ceiling_usd: MonthlyUsd | None = None
    default_ttl_seconds: Annotated[int, Meta(ge=60, le=86_400)] = 900
    max_cost_age_days: Annotated[int, Meta(ge=1, le=35)] | None = None
    approval_routing_rules: Annotated[
        tuple[RoutingRule, ...], Meta(max_length=MAX_ROUTING_RULES)
    ] = ()
    policy_document: PolicyDocument | None = None


class BudgetBody(Body, frozen=True, kw_only=True):
    """A monthly limit for a scope; replaces the one it had."""

    monthly_limit_usd: MonthlyUsd
    scope_key: ScopeKey = "default"
    active: bool = True


class CreditBody(Body, frozen=True, kw_only=True):
    """A grant of credit."""

    pool_type: CreditPool
    total_amount_usd: PositiveUsd
    scope_key: ScopeKey = "default"
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    reason: Annotated[str, Meta(max_length=500, pattern=LINE_PATTERN)] = ""


class GateBody(Body, frozen=True, kw_only=True):
    """A change that somebody is about to make, and what it will cost."""

    action: Annotated[str, Meta(min_length=1, max_length=64, pattern=LINE_PATTERN)]
    resource_reference: Annotated[str, Meta(min_length=1, max_length=512, pattern=LINE_PATTERN)]
    estimated_monthly_delta_usd: MonthlyUsd
    estimated_hourly_delta_usd: HourlyUsd = "0"
    project_id: ScopeKey = "default"
    environment: Annotated[str, Meta(max_length=32, pattern=LINE_PATTERN)] = "nonprod"
    metadata: dict[str, Any] = {}
    idempotency_key: IdempotencyKey | None = None
    dry_run: bool = False


class ApprovalBody(Body, frozen=True, kw_only=True):
    """A request that a decision be approved."""

    decision_id: UUID
    notes: Notes = ""


class ReviewBody(Body, frozen=True, kw_only=True):
    """What a reviewer has to say."""

    notes: Notes = ""


class ConsumeBody(Body, frozen=True, kw_only=True):
    """An approval token to spend, and what its holder believes it is for."""

    approval_token: Annotated[str, Meta(min_length=32, max_length=8192)]
    expected_source: Annotated[str, Meta(max_length=32)] | None = None
    expected_project_id: Annotated[str, Meta(max_length=128)] | None = None
    expected_environment: Annotated[str, Meta(max_length=32)] | None = None
    expected_request_fingerprint: Annotated[str, Meta(max_length=64)] | None = None
    expected_resource_reference: Annotated[str, Meta(max_length=512)] | None = None


class ReconcileBody(Body, frozen=True, kw_only=True):
    """The real cost of a decision."""

    actual_monthly_delta_usd: MonthlyUsd
    notes: Notes | None = None
    idempotency_key: IdempotencyKey | None = None


class OverdueBody(Body, frozen=True, kw_only=True):
    """Which reservations have waited too long."""

    older_than_seconds: Annotated[int, Meta(ge=MIN_OVERDUE_S, le=MAX_OVERDUE_S)] = DEFAULT_OVERDUE_S
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


def read_key(header: str | None) -> str | None:
    """Return the idempotency key of a header as the body would carry it.

    Headers are bytes: HTTP reads them as Latin-1, whoever sends other letters means UTF-8, and a
    key must be one key wherever it stands.

    Raises:
        RefusalError: 422 ``invalid_request``.
    """
    if header is None:
        return None
    try:
        return msgspec.convert(header.encode("latin-1").decode(), IdempotencyKey)
    except (UnicodeError, msgspec.ValidationError) as error:
        detail = "not UTF-8" if isinstance(error, UnicodeError) else str(error)
        fault = Fault(location="header", name="Idempotency-Key", detail=detail)
        raise RefusalError(
            422, "invalid_request", "the idempotency key does not fit", faults=(fault,)
        ) from error


def _decode(body: bytes, wanted: Any) -> Any:
    """Decode a body in which no name stands twice.

    Raises:
        msgspec.DecodeError: It is no JSON, or does not fit.
        RefusalError: 400 ``malformed_json``: a name stands twice.
    """
    try:
        decoded = msgspec.json.decode(body, type=wanted)
    except msgspec.ValidationError as error:
        if _NOT_WHOLE.match(str(error)) is None:
            raise
        # To JSON Schema 5.0 is an integer, and our document promises that schema.
        return msgspec.convert(_WHOLE_NUMBERS.decode(body.decode()), wanted)
    _UNIQUE_NAMES.decode(body.decode())
    return decoded


def _whole(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _demand_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name given twice: readers differ in which of the two they believe."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    # Counted in one pass: a body may hold tens of thousands.
    counts = Counter(name for name, _ in pairs)
    twice = next(name for name, count in counts.items() if count > 1)
    raise RefusalError(400, "malformed_json", f"the name {twice[:100]!r} is given twice")


_NOT_WHOLE = re.compile(r"Expected `int( \| null)?`, got `float`")
_UNIQUE_NAMES = json.JSONDecoder(object_pairs_hook=_demand_unique, parse_int=str, parse_float=str)
_WHOLE_NUMBERS = json.JSONDecoder(object_pairs_hook=_demand_unique, parse_float=_whole)


class StrictRequest(Request[Any, Any, State]):
    """A request whose body is decoded strictly.

    Litestar converts leniently, so that ``"5"`` would pass for 5 and ``"true"`` for true.
    """

    async def json(self) -> Any:
        """Decode the body into the type that the handler declares.

        Raises:
            RefusalError: 400 ``malformed_json``, 415 ``unsupported_media_type`` or
                ``unsupported_encoding``, or 422 ``invalid_request``.
        """
        if not _MEDIA_TYPE.fullmatch(self.headers.get("content-type", "")):
            raise RefusalError(
                415, "unsupported_media_type", "the body must be declared as application/json"
            )
        encoding = self.headers.get("content-encoding", "identity")
        if encoding.strip().lower() != "identity":
            raise RefusalError(
                415,
                "unsupported_encoding",
                f"the body is encoded as {encoding[:40]!r}, expected none",
                headers={"accept-encoding": "identity"},
            )
        field = self.route_handler.parsed_data_field
        body = await self.body()
        try:
            return _decode(body, field.annotation if field else Any)
        except msgspec.ValidationError as error:
            detail, _, path = str(error).partition(" - at `$")
            fault = Fault(location="body", name=path.rstrip("`").lstrip("."), detail=detail)
            raise RefusalError(
                422, "invalid_request", "the body does not fit", faults=(fault,)
            ) from error
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise RefusalError(400, "malformed_json", f"the body is not JSON: {error}") from error
