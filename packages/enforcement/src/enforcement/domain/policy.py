"""A tenant's policy: one document, its canonical bytes, its hash, its version.

The document is what was decided; ``Policy`` is that document at a version. Every decision and
ledger row carries version and hash, so a decision can be traced to the exact rules it followed.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from enforcement.domain import environment as env
from enforcement.domain.canonical import canonical_text, check_storable, sha256_hex
from enforcement.domain.enums import Mode, Permission, RiskClass, Role, Source
from enforcement.domain.errors import InvalidError
from enforcement.domain.money import monthly, monthly_text, parse_monthly

SCHEMA_VERSION: Final = "enforcement.policy.v1"
MAX_ROUTING_RULES: Final = 64
MAX_RULE_NAME_LENGTH: Final = 64
MIN_TTL_S: Final = 60
MAX_TTL_S: Final = 86_400
MAX_COST_AGE_DAYS: Final = 35


class SourceModes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The modes of one source; prod and nonprod fall back to the default when null."""

    default: Mode = Mode.SOFT
    prod: Mode | None = None
    nonprod: Mode | None = None

    def pick(self, environment: str) -> Mode:
        """Return the mode for a normalised environment; unknown ones take the default."""
        if environment == env.PROD:
            return self.prod or self.default
        if environment == env.NONPROD:
            return self.nonprod or self.default
        return self.default


class ModeMatrix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Modes by source. Cloud events follow Kubernetes admission."""

    terraform: SourceModes = SourceModes()
    k8s_admission: SourceModes = SourceModes()

    def pick(self, source: Source, environment: str) -> Mode:
        """Return the mode for a source and a normalised environment."""
        row = self.terraform if source is Source.TERRAFORM else self.k8s_admission
        return row.pick(environment)


class RoutingRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who must approve what. An empty list or a null bound matches everything.

    Attributes:
        name: Shown in the approval's routing.
        environments: Normalised environments.
        action_prefixes: Prefixes of the lower-cased action.
        min_monthly_delta_usd: Inclusive, a money text.
        max_monthly_delta_usd: Inclusive, a money text.
        risk_levels: Risk classes of the computed context.
        required_permission: Which permission the reviewer needs.
        allowed_roles: Which roles may review.
        require_separation: Whether the requester may not review.
    """

    name: str
    enabled: bool = True
    environments: tuple[str, ...] = ()
    action_prefixes: tuple[str, ...] = ()
    min_monthly_delta_usd: str | None = None
    max_monthly_delta_usd: str | None = None
    risk_levels: tuple[RiskClass, ...] = ()
    required_permission: Permission = Permission.APPROVE_PROD
    allowed_roles: tuple[Role, ...] = (Role.OWNER, Role.ADMIN)
    require_separation: bool = True


class ApprovalRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an approval is needed, and by whom."""

    required_prod: bool = True
    required_nonprod: bool = False
    separation_prod: bool = True
    separation_nonprod: bool = False
    routing_rules: tuple[RoutingRule, ...] = ()


class Entitlements(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Amounts of monthly US dollars as money texts; a null ceiling does not bind."""

    auto_approve_below_monthly_usd: str = "25.0000"
    hard_deny_above_monthly_usd: str = "5000.0000"
    plan_monthly_ceiling_usd: str | None = None
    enterprise_monthly_ceiling_usd: str | None = None


class Execution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long things live.

    Attributes:
        ttl_seconds: Life of an approval request and of its token.
        max_cost_age_days: Cost records older than this make the computed context unavailable;
            null never demands cost data.
    """

    ttl_seconds: int = 900
    max_cost_age_days: int | None = None


class PolicyDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All rules of one tenant."""

    schema_version: str = SCHEMA_VERSION
    mode_matrix: ModeMatrix = ModeMatrix()
    approval: ApprovalRules = ApprovalRules()
    entitlements: Entitlements = Entitlements()
    execution: Execution = Execution()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A document at a version, with its parsed amounts at hand.

    Attributes:
        version: 0 for the built-in defaults, then 1, 2, ...
        sha256: Of the canonical document, 64 hexadecimal digits.
    """

    version: int
    sha256: str
    document: PolicyDocument
    auto_approve_usd: Decimal
    hard_deny_usd: Decimal
    plan_ceiling_usd: Decimal | None
    enterprise_ceiling_usd: Decimal | None

    def mode(self, source: Source, environment: str) -> Mode:
        """Return the mode for a source and a normalised environment."""
        return self.document.mode_matrix.pick(source, environment)

    def needs_approval(self, environment: str) -> bool:
        """Say whether the environment asks for approval; only ``prod`` is production."""
        rules = self.document.approval
        return rules.required_prod if env.is_production(environment) else rules.required_nonprod

    def needs_separation(self, environment: str) -> bool:
        """Say whether requester and reviewer must differ where no routing rule matches."""
        rules = self.document.approval
        return rules.separation_prod if env.is_production(environment) else rules.separation_nonprod


def normalise_document(document: PolicyDocument) -> PolicyDocument:
    """Validate a document and give every amount and environment its one spelling.

    Raises:
        InvalidError: With the first fault found: ``unsupported_policy_schema``,
            ``invalid_amount``, ``auto_approve_above_hard_deny``, ``too_many_routing_rules``,
            ``ttl_out_of_range``, ``cost_age_out_of_range`` or ``invalid_routing_rule``.
    """
    if document.schema_version != SCHEMA_VERSION:
        raise InvalidError(
            "unsupported_policy_schema",
            f"schema_version is {document.schema_version[:64]!r}, expected {SCHEMA_VERSION!r}",
        )
    _check_execution(document.execution)
    rules = document.approval.routing_rules
    if len(rules) > MAX_ROUTING_RULES:
        raise InvalidError(
            "too_many_routing_rules", f"{len(rules)} routing rules, at most {MAX_ROUTING_RULES}"
        )
    approval = msgspec.structs.replace(
        document.approval, routing_rules=tuple(_normalise_rule(rule) for rule in rules)
    )
    _check_separation(approval)
    return msgspec.structs.replace(
        document, approval=approval, entitlements=_normalise_entitlements(document.entitlements)
    )


def _check_execution(execution: Execution) -> None:
    if not MIN_TTL_S <= execution.ttl_seconds <= MAX_TTL_S:
        raise InvalidError(
            "ttl_out_of_range",
            f"ttl_seconds is {execution.ttl_seconds}, expected {MIN_TTL_S} to {MAX_TTL_S}",
        )
    age = execution.max_cost_age_days
    if age is not None and not 1 <= age <= MAX_COST_AGE_DAYS:
        raise InvalidError(
            "cost_age_out_of_range",
            f"max_cost_age_days is {age}, expected 1 to {MAX_COST_AGE_DAYS} or null",
        )


def _normalise_entitlements(raw: Entitlements) -> Entitlements:
    auto = parse_monthly(raw.auto_approve_below_monthly_usd, field="auto_approve_below_monthly_usd")
    deny = parse_monthly(raw.hard_deny_above_monthly_usd, field="hard_deny_above_monthly_usd")
    if auto > deny:
        raise InvalidError(
            "auto_approve_above_hard_deny",
            f"auto-approve {monthly_text(auto)} exceeds hard-deny {monthly_text(deny)}",
            hint="Lower the auto-approve threshold, or raise the hard-deny threshold.",
        )
    return Entitlements(
        auto_approve_below_monthly_usd=monthly_text(auto),
        hard_deny_above_monthly_usd=monthly_text(deny),
        plan_monthly_ceiling_usd=_normalise_amount(
            raw.plan_monthly_ceiling_usd, "plan_monthly_ceiling_usd"
        ),
        enterprise_monthly_ceiling_usd=_normalise_amount(
            raw.enterprise_monthly_ceiling_usd, "enterprise_monthly_ceiling_usd"
        ),
    )


def _normalise_amount(text: str | None, field: str) -> str | None:
    return None if text is None else monthly_text(parse_monthly(text, field=field))


def _normalise_rule(rule: RoutingRule) -> RoutingRule:
    if not 1 <= len(rule.name) <= MAX_RULE_NAME_LENGTH:
        raise InvalidError(
            "invalid_routing_rule", f"a rule's name has 1 to {MAX_RULE_NAME_LENGTH} characters"
        )
    if not rule.allowed_roles:
        raise InvalidError("invalid_routing_rule", f"rule {rule.name!r} allows no role")
    check_storable([rule.name, *rule.environments, *rule.action_prefixes], field="routing_rules")
    low = _normalise_amount(rule.min_monthly_delta_usd, "min_monthly_delta_usd")
    high = _normalise_amount(rule.max_monthly_delta_usd, "max_monthly_delta_usd")
    if low is not None and high is not None and Decimal(low) > Decimal(high):
        raise InvalidError(
            "invalid_routing_rule", f"rule {rule.name!r} has a minimum {low} above {high}"
        )
    return msgspec.structs.replace(
        rule,
        environments=tuple(env.normalise(name) for name in rule.environments),
        action_prefixes=tuple(prefix.lower() for prefix in rule.action_prefixes),
        min_monthly_delta_usd=low,
        max_monthly_delta_usd=high,
    )


def _check_separation(approval: ApprovalRules) -> None:
    """Refuse a rule that says it drops what no rule can drop."""
    for rule in approval.routing_rules:
        if (
            approval.separation_prod
            and env.PROD in rule.environments
            and not rule.require_separation
        ):
            raise InvalidError(
                "invalid_routing_rule",
                f"rule {rule.name!r} drops the separation of requester and reviewer for"
                " production, which no rule can",
                hint="Take prod out of the rule, or have an owner turn separation off there.",
            )


def document_text(document: PolicyDocument) -> str:
    """Return the canonical text of a normalised document: what is stored and hashed."""
    return canonical_text(msgspec.to_builtins(document))


def materialise(document: PolicyDocument, version: int) -> Policy:
    """Validate, normalise and hash a document at a version.

    Raises:
        InvalidError: As :func:`normalise_document`.
    """
    normal = normalise_document(document)
    return _policy(normal, version, sha256_hex(document_text(normal)))


@lru_cache(maxsize=4096)
def read_policy(text: str, version: int) -> Policy:
    """Read a stored document again; memorised, since a tenant's policy rarely changes.

    Raises:
        InvalidError: ``corrupt_policy`` when the stored text is not a document.
    """
    try:
        document = msgspec.json.decode(text, type=PolicyDocument)
    except msgspec.DecodeError as error:
        raise InvalidError("corrupt_policy", f"stored policy version {version}: {error}") from error
    return _policy(document, version, sha256_hex(text))


def _policy(document: PolicyDocument, version: int, sha256: str) -> Policy:
    amounts = document.entitlements
    return Policy(
        version=version,
        sha256=sha256,
        document=document,
        auto_approve_usd=monthly(Decimal(amounts.auto_approve_below_monthly_usd)),
        hard_deny_usd=monthly(Decimal(amounts.hard_deny_above_monthly_usd)),
        plan_ceiling_usd=_optional(amounts.plan_monthly_ceiling_usd),
        enterprise_ceiling_usd=_optional(amounts.enterprise_monthly_ceiling_usd),
    )


def _optional(text: str | None) -> Decimal | None:
    return None if text is None else monthly(Decimal(text))


DEFAULT_POLICY: Final = materialise(PolicyDocument(), version=0)
