"""The OpenAPI document: what the framework derives from the handlers, made exact.

The framework leaves three things out: that our bodies refuse unknown fields, that refusals are
problem details, and which of them a route can give.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar.openapi.spec import OpenAPI

from enforcement.api import paths
from enforcement.api.problems import MEDIA_TYPE, Problem
from enforcement.domain.money import MONTHLY_PATTERN
from enforcement.domain.policy import (
    MAX_COST_AGE_DAYS,
    MAX_ROUTING_RULES,
    MAX_RULE_NAME_LENGTH,
    MAX_TTL_S,
    MIN_TTL_S,
    SCHEMA_VERSION,
)

_PROBLEM_REF: Final = {"$ref": "#/components/schemas/Problem"}
_DESCRIPTIONS: Final = {
    "400": "The request is malformed.",
    "401": "There is no bearer token, or not one of ours.",
    "403": "The caller may not do this.",
    "404": "There is no such thing in the caller's tenant.",
    "408": "The request came too slowly.",
    "409": "Not in the state things are in.",
    "410": "It is archived, and no longer here.",
    "413": "The body is too large.",
    "415": "The body is not declared as JSON, or is encoded.",
    "422": "The request says something impossible.",
    "429": "Too many requests; Retry-After says when to come back.",
    "503": "The database does not answer; Retry-After says when to come back.",
}
_TENANT: Final = ("400", "401", "403", "422", "429", "503")
# Without a token they say less, or nothing; one that is not good is refused.
_MORE_FOR_BEARERS: Final = ("/health", "/metrics")
_BODY: Final = ("408", "413", "415")
# What the domain checks by hand, said where clients can read it.
_MONEY: Final = {"pattern": MONTHLY_PATTERN}
_BOUNDS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("PolicyDocument", "schema_version"): {"enum": [SCHEMA_VERSION]},
    ("Execution", "ttl_seconds"): {"minimum": MIN_TTL_S, "maximum": MAX_TTL_S},
    ("Execution", "max_cost_age_days"): {"minimum": 1, "maximum": MAX_COST_AGE_DAYS},
    ("ApprovalRules", "routing_rules"): {"maxItems": MAX_ROUTING_RULES},
    ("Entitlements", "auto_approve_below_monthly_usd"): _MONEY,
    ("Entitlements", "hard_deny_above_monthly_usd"): _MONEY,
    ("Entitlements", "plan_monthly_ceiling_usd"): _MONEY,
    ("Entitlements", "enterprise_monthly_ceiling_usd"): _MONEY,
    ("RoutingRule", "name"): {"minLength": 1, "maxLength": MAX_RULE_NAME_LENGTH},
    ("RoutingRule", "allowed_roles"): {"minItems": 1},
    ("RoutingRule", "min_monthly_delta_usd"): _MONEY,
    ("RoutingRule", "max_monthly_delta_usd"): _MONEY,
}


def document(schema: OpenAPI, request_types: frozenset[str]) -> dict[str, Any]:
    """Return the document as plain values.

    Args:
        schema: As the framework made it.
        request_types: Names of the components that refuse unknown fields.
    """
    built: dict[str, Any] = schema.to_schema()
    components = built["components"]["schemas"]
    for name in request_types & components.keys():
        components[name]["additionalProperties"] = False
    for (name, field), facts in _BOUNDS.items():
        _bound(components[name]["properties"][field], facts)
    _, problem = msgspec.json.schema_components(
        [Problem], ref_template="#/components/schemas/{name}"
    )
    components.update(problem)
    for path, operations in built["paths"].items():
        for operation in operations.values():
            _complete(path, operation, prefix_has_token=path.startswith("/api/"))
    built["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    return built


def _bound(schema: dict[str, Any], facts: Mapping[str, Any]) -> None:
    """Put bounds where the values are: beside the null, if there is one."""
    for option in schema.get("oneOf", [schema]):
        if option.get("type") != "null":
            option.update(facts)


def _complete(path: str, operation: dict[str, Any], *, prefix_has_token: bool) -> None:
    responses: dict[str, Any] = operation["responses"]
    responses.pop("400", None)
    if not prefix_has_token:
        if path == "/health":
            responses["503"] = {**responses["200"], "description": "The database is down."}
        if path in _MORE_FOR_BEARERS:
            responses["401"] = _problem("401")
        return
    operation["security"] = [{"bearer": []}]
    codes = list(_TENANT)
    if "requestBody" in operation:
        codes += [*_BODY, "404", "409"]
    if path == paths.LEDGER:
        codes.append("410")
    for code in codes:
        responses[code] = _problem(code)
    _drop_null_parameters(operation)


def _problem(code: str) -> Mapping[str, Any]:
    return {
        "description": _DESCRIPTIONS[code],
        "content": {MEDIA_TYPE: {"schema": _PROBLEM_REF}},
    }


def _drop_null_parameters(operation: dict[str, Any]) -> None:
    """Say that an optional parameter may be absent, not that it may be null: a URL has no null."""
    for parameter in operation.get("parameters", ()):
        options = parameter["schema"].get("oneOf")
        if options:
            kept = [option for option in options if option != {"type": "null"}]
            if len(kept) == 1:
                rest = {k: v for k, v in parameter["schema"].items() if k != "oneOf"}
                parameter["schema"] = {**kept[0], **rest}


def query_names(built: Mapping[str, Any]) -> dict[tuple[str, str], frozenset[str]]:
    """Return the names of the query parameters of each method and path."""
    return {
        (method.upper(), path): frozenset(
            parameter["name"]
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        )
        for path, operations in built["paths"].items()
        for method, operation in operations.items()
    }
