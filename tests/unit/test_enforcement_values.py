"""Money, environments, canonical JSON, requests and policies: one spelling each."""

from decimal import Decimal

import msgspec
import pytest

from enforcement.domain import money
from enforcement.domain.canonical import canonical_text, check_storable
from enforcement.domain.enums import Mode, Source
from enforcement.domain.environment import normalise
from enforcement.domain.errors import ConflictError, InvalidError
from enforcement.domain.policy import (
    DEFAULT_POLICY,
    ApprovalRules,
    Entitlements,
    Execution,
    ModeMatrix,
    PolicyDocument,
    RoutingRule,
    SourceModes,
    document_text,
    materialise,
    read_policy,
)
from enforcement.domain.request import GateRequest, check_expected_fingerprint, gate_request

pytestmark = pytest.mark.gate


@pytest.mark.parametrize("text", ["0", "12", "12.5", "0.0001", "999999999999.9999", "10.0000"])
def test_a_monthly_amount_of_the_pattern_keeps_its_value_and_gets_four_places(text: str) -> None:
    """A well-formed amount is read exactly and always has four decimal places."""
    value = money.parse_monthly(text)
    assert value == Decimal(text)
    assert value.as_tuple().exponent == -4


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "01",
        ".5",
        "1.",
        "1e3",
        "NaN",
        "Infinity",
        "1,000",
        "1.00001",
        "1000000000000",
        "٣",
        "1_0",
        "1\n",
        "0x1",
    ],
)
def test_anything_else_is_refused_as_a_monthly_amount(text: str) -> None:
    """Signs, exponents, spaces, Unicode digits and a fifth place are refused."""
    with pytest.raises(InvalidError) as refusal:
        money.parse_monthly(text)
    assert refusal.value.code == "invalid_amount"


def test_an_hourly_amount_has_six_places() -> None:
    """Hourly amounts carry six places and refuse a seventh."""
    assert money.hourly_text(money.parse_hourly("0.000001")) == "0.000001"
    with pytest.raises(InvalidError):
        money.parse_hourly("0.0000001")


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("prod", "prod"),
        ("Production", "prod"),
        (" LIVE ", "prod"),
        ("", "nonprod"),
        ("non-prod", "nonprod"),
        ("DEV", "nonprod"),
        ("test", "nonprod"),
        ("stage", "nonprod"),
        ("staging", "nonprod"),
        ("nonprod", "nonprod"),
        ("Sandbox", "sandbox"),
        ("prod-eu", "prod-eu"),
    ],
)
def test_environments_have_one_spelling(spelled: str, meant: str) -> None:
    """Known spellings map to prod or nonprod; others are kept in lower case."""
    assert normalise(spelled) == meant


def test_canonical_json_is_sorted_compact_ascii_with_decimals_as_strings() -> None:
    """One value has one text."""
    text = canonical_text({"b": Decimal("1.5000"), "a": ["é", None, True, 1]})
    assert text == '{"a":["\\u00e9",null,true,1],"b":"1.5000"}'


def test_canonical_json_refuses_what_json_has_no_word_for() -> None:
    """NaN never gets into a hash."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_text({"a": float("nan")})


@pytest.mark.parametrize("bad", [{"k": "a\x00b"}, {"\x00": 1}, [["\ud800"]]])
def test_text_that_postgresql_cannot_keep_is_refused(bad: object) -> None:
    """U+0000 and half surrogates are refused before they reach the database."""
    with pytest.raises(InvalidError) as refusal:
        check_storable(bad, field="metadata")  # type: ignore[arg-type]
    assert refusal.value.code == "invalid_text"


def test_nesting_is_bounded() -> None:
    """A document nested deeper than sixteen levels is refused, not recursed into."""
    deep: object = 1
    for _ in range(17):
        deep = [deep]
    with pytest.raises(InvalidError) as refusal:
        check_storable(deep, field="metadata")  # type: ignore[arg-type]
    assert refusal.value.code == "too_deep"


def _request(**changes: object) -> GateRequest:
    given: dict[str, object] = {
        "source": Source.TERRAFORM,
        "action": "create",
        "resource_reference": "module.app",
        "estimated_monthly_delta_usd": "10",
    }
    return gate_request(**(given | changes))  # type: ignore[arg-type]


def test_a_request_is_normalised() -> None:
    """Project and action are lower-cased, the environment has its one spelling."""
    request = _request(project_id="Web", action="Create", environment="Production")
    assert (request.project_id, request.action, request.environment) == ("web", "create", "prod")


def test_without_a_key_the_fingerprint_is_the_key() -> None:
    """The same question without a key is the same question."""
    request = _request()
    assert request.idempotency_key == request.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"source": Source.CLOUD_EVENT},
        {"project_id": "p"},
        {"environment": "prod"},
        {"action": "delete"},
        {"resource_reference": "x"},
        {"estimated_monthly_delta_usd": "11"},
        {"estimated_hourly_delta_usd": "1"},
        {"metadata": {"a": 1}},
        {"dry_run": True},
    ],
)
def test_every_part_of_the_question_is_in_the_fingerprint(change: dict[str, object]) -> None:
    """Changing any part, a dry run included, changes the fingerprint."""
    assert _request(**change).fingerprint != _request().fingerprint


def test_spelling_is_not_in_the_fingerprint() -> None:
    """Amounts and names that mean the same have the same fingerprint; so has any key."""
    same = _request(
        estimated_monthly_delta_usd="10.00",
        action="CREATE",
        environment="staging",
        idempotency_key="some-key",
    )
    assert same.fingerprint == _request(environment="nonprod").fingerprint


@pytest.mark.parametrize(
    "bad",
    [
        {"project_id": ""},
        {"project_id": "p" * 129},
        {"action": "a\nb"},
        {"action": "x" * 65},
        {"resource_reference": ""},
        {"resource_reference": "r" * 513},
        {"idempotency_key": "abc"},
        {"idempotency_key": "k" * 129},
        {"environment": "e" * 33},
        {"project_id": "İ" * 128},
        {"metadata": {"a": "x" * 20_000}},
        {"metadata": {"a": float("inf")}},
        {"resource_reference": "a\u2028b"},
    ],
)
def test_a_request_that_cannot_be_kept_is_refused(bad: dict[str, object]) -> None:
    """Lengths, control characters and oversized metadata are refused."""
    with pytest.raises(InvalidError):
        _request(**bad)


def test_an_unexpected_fingerprint_is_a_conflict() -> None:
    """A plan that changed since it was made is not evaluated."""
    request = _request()
    check_expected_fingerprint(request, None)
    check_expected_fingerprint(request, request.fingerprint)
    with pytest.raises(ConflictError) as refusal:
        check_expected_fingerprint(request, "0" * 64)
    assert refusal.value.code == "fingerprint_mismatch"


def test_the_defaults_are_those_of_the_specification() -> None:
    """Every mode is soft, prod asks for approval, 25 is automatic, above 5000 is denied."""
    assert DEFAULT_POLICY.version == 0
    assert DEFAULT_POLICY.mode(Source.TERRAFORM, "prod") is Mode.SOFT
    assert DEFAULT_POLICY.needs_approval("prod")
    assert not DEFAULT_POLICY.needs_approval("sandbox")
    assert DEFAULT_POLICY.auto_approve_usd == 25
    assert DEFAULT_POLICY.hard_deny_usd == 5000
    assert DEFAULT_POLICY.document.execution.ttl_seconds == 900
    assert DEFAULT_POLICY.plan_ceiling_usd is None


@pytest.mark.parametrize(
    ("source", "environment", "mode"),
    [
        (Source.TERRAFORM, "prod", Mode.HARD),
        (Source.TERRAFORM, "nonprod", Mode.SHADOW),
        (Source.TERRAFORM, "sandbox", Mode.SHADOW),
        (Source.K8S_ADMISSION, "prod", Mode.SOFT),
        (Source.K8S_ADMISSION, "sandbox", Mode.HARD),
        (Source.CLOUD_EVENT, "sandbox", Mode.HARD),
        (Source.CLOUD_EVENT, "prod", Mode.SOFT),
    ],
)
def test_modes_by_source_and_environment(source: Source, environment: str, mode: Mode) -> None:
    """Prod and nonprod fall back to the default; other names take it; events follow k8s."""
    matrix = ModeMatrix(
        terraform=SourceModes(default=Mode.SHADOW, prod=Mode.HARD),
        k8s_admission=SourceModes(default=Mode.HARD, prod=Mode.SOFT),
    )
    assert materialise(PolicyDocument(mode_matrix=matrix), 1).mode(source, environment) is mode


def _rules(count: int) -> ApprovalRules:
    return ApprovalRules(routing_rules=tuple(RoutingRule(name=f"r{i}") for i in range(count)))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (PolicyDocument(schema_version="v2"), "unsupported_policy_schema"),
        (
            PolicyDocument(
                entitlements=Entitlements(
                    auto_approve_below_monthly_usd="6000", hard_deny_above_monthly_usd="5999.9999"
                )
            ),
            "auto_approve_above_hard_deny",
        ),
        (
            PolicyDocument(entitlements=Entitlements(plan_monthly_ceiling_usd="-1")),
            "invalid_amount",
        ),
        (PolicyDocument(approval=_rules(65)), "too_many_routing_rules"),
        (PolicyDocument(execution=Execution(ttl_seconds=59)), "ttl_out_of_range"),
        (PolicyDocument(execution=Execution(ttl_seconds=86_401)), "ttl_out_of_range"),
        (PolicyDocument(execution=Execution(max_cost_age_days=0)), "cost_age_out_of_range"),
        (
            PolicyDocument(
                approval=ApprovalRules(routing_rules=(RoutingRule(name="n", allowed_roles=()),))
            ),
            "invalid_routing_rule",
        ),
        (
            PolicyDocument(
                approval=ApprovalRules(
                    routing_rules=(
                        RoutingRule(name="n", min_monthly_delta_usd="2", max_monthly_delta_usd="1"),
                    )
                )
            ),
            "invalid_routing_rule",
        ),
    ],
)
def test_an_impossible_policy_is_refused(document: PolicyDocument, code: str) -> None:
    """Each contradiction has its own code."""
    with pytest.raises(InvalidError) as refusal:
        materialise(document, 1)
    assert refusal.value.code == code


def test_the_bounds_of_a_policy_are_inclusive() -> None:
    """Sixty-four rules, equal thresholds and both ends of the ttl are allowed."""
    for ttl in (60, 86_400):
        materialise(
            PolicyDocument(
                approval=_rules(64),
                entitlements=Entitlements(
                    auto_approve_below_monthly_usd="5", hard_deny_above_monthly_usd="5"
                ),
                execution=Execution(ttl_seconds=ttl),
            ),
            1,
        )


def test_equal_policies_have_equal_hashes_however_they_were_spelled() -> None:
    """Amounts and environments are normalised before hashing, and reading keeps the hash."""
    left = PolicyDocument(
        entitlements=Entitlements(auto_approve_below_monthly_usd="25"),
        approval=ApprovalRules(
            routing_rules=(RoutingRule(name="n", environments=("Production",)),)
        ),
    )
    right = PolicyDocument(
        entitlements=Entitlements(auto_approve_below_monthly_usd="25.0"),
        approval=ApprovalRules(routing_rules=(RoutingRule(name="n", environments=("prod",)),)),
    )
    one, two = materialise(left, 1), materialise(right, 1)
    assert one.sha256 == two.sha256
    assert read_policy(document_text(one.document), 1) == one
    assert materialise(PolicyDocument(), 1).sha256 != one.sha256


def test_a_corrupt_stored_policy_is_named_as_such() -> None:
    """What cannot be read back is refused, not guessed at."""
    with pytest.raises(InvalidError) as refusal:
        read_policy('{"schema_version": 1}', 7)
    assert refusal.value.code == "corrupt_policy"


def test_unknown_fields_of_a_document_are_refused() -> None:
    """A misspelt setting is an error, not a default."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"aproval": {}}', type=PolicyDocument)
