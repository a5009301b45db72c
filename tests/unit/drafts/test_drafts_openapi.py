"""What a description offers, as the file says it."""

import json
import tomllib
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.drafts.openapi import draft_of_openapi
from stressproof.drafts.schema_examples import NOTHING, Examples, Resolver
from stressproof.drafts.writing import written
from stressproof.errors import UsageError

pytestmark = pytest.mark.gate


def described(paths: dict[str, Any], **more: Any) -> bytes:
    """Return a description of some paths."""
    document = {"openapi": "3.1.0", "servers": [{"url": "http://h"}], "paths": paths} | more
    return json.dumps(document).encode()


def requests(data: bytes, *, everything: bool = True, **options: str) -> list[dict[str, Any]]:
    """Return the requests of the file that is drafted."""
    text = written(draft_of_openapi(data, "api", **options), everything=everything).text
    found: list[dict[str, Any]] = tomllib.loads(text)["profile"]["main"].get("request", [])
    return found


SHOP_YAML = b"""
openapi: 3.0.3
info: {title: Shop, version: 2026-01-01}
servers:
- url: https://{host}/v1
  variables: {host: {default: shop.example}}
security: [{key: []}]
paths:
  /products/{sku}:
    parameters:
    - {name: sku, in: path, required: true, schema: {type: string}, example: red shoe/1}
    get:
      summary: One product
      parameters:
      - {name: fields, in: query, schema: {type: array, items: {type: string}}, example: [a, b]}
      - {name: other, in: query, schema: {type: string}}
      - {name: day, in: query, required: true, schema: {type: string, format: date}}
      - {$ref: '#/components/parameters/Trace'}
      responses:
        200: {content: {application/json: {}}}
        404: {}
  /orders:
    post:
      requestBody: {$ref: '#/components/requestBodies/Order'}
      responses: {201: {content: {application/json: {}}}}
  /orders/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
components:
  parameters:
    Trace: {name: x-trace, in: header, required: true, schema: {type: string, default: on}}
  requestBodies:
    Order: {content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
  securitySchemes:
    key: {type: apiKey, in: header, name: X-API-Key}
  schemas:
    Order:
      type: object
      properties:
        id: {type: integer, readOnly: true}
        sku: {type: string, minLength: 6}
        when: {type: string, format: date}
        reference: {type: string, format: uuid}
        country: {enum: [no, se]}
        parent: {$ref: '#/components/schemas/Order'}
"""


def test_a_description_in_yaml_becomes_a_file() -> None:
    """Paths, parameters, bodies, credentials and the server are those of the description."""
    file = written(draft_of_openapi(SHOP_YAML, "shop.yaml"), everything=True)
    read = tomllib.loads(file.text)
    assert read["target"] == {
        "url": "https://shop.example/v1",
        "headers": {"X-API-Key": "${X_API_KEY}"},
    }
    assert set(file.variables) == {"X_API_KEY"}
    product, order = read["profile"]["main"]["request"]
    assert product == {
        "path": "/products/red%20shoe%2F1?fields=a&fields=b&day=2026-01-01",
        "name": "GET /products/{sku}",
        "check": ["json"],
        "headers": {"x-trace": "on"},
    }
    assert order == {
        "method": "POST",
        "path": "/orders",
        "check": ["json"],
        "json": {
            "sku": "textxx",
            "when": "2026-01-01",
            "reference": "{{uuid}}",
            "country": "no",
        },
    }
    assert "# Not asked: {id} has no example" in file.text
    assert "# One product" in file.text


def test_what_changes_something_waits_as_a_comment() -> None:
    """A POST is not sent by a file that nobody has read; taking the # away brings it back."""
    file = written(draft_of_openapi(SHOP_YAML, "shop.yaml"))
    assert (file.active, file.withheld) == (1, 2)
    assert "# Not asked: POST changes something there." in file.text
    lines = file.text.splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith("# Not asked: POST"))
    end = lines.index("", begin)
    lines[begin + 1 : end] = [line.removeprefix("# ") for line in lines[begin + 1 : end]]
    brought_back = tomllib.loads("\n".join(lines))["profile"]["main"]["request"]
    assert brought_back[1]["method"] == "POST"


SWAGGER = {
    "swagger": "2.0",
    "host": "pets.example",
    "basePath": "/v2",
    "schemes": ["http"],
    "consumes": ["application/json"],
    "produces": ["application/json"],
    "securityDefinitions": {"basic": {"type": "basic"}},
    "security": [{"basic": []}],
    "paths": {
        "/pets": {
            "get": {
                "parameters": [
                    {"name": "status", "in": "query", "type": "string", "required": True,
                     "enum": ["sold"]},
                    {"name": "tags", "in": "query", "type": "array", "items": {"type": "string"},
                     "required": True, "collectionFormat": "csv", "default": ["a", "b"]},
                ],
                "responses": {"200": {"schema": {"type": "array"}}},
            },
            "post": {
                "parameters": [{"name": "pet", "in": "body",
                                "schema": {"$ref": "#/definitions/Pet"}}],
                "responses": {"302": {}},
            },
            "put": {
                "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [{"name": "name", "in": "formData", "type": "string"},
                               {"name": "age", "in": "formData", "type": "integer", "minimum": 3}],
            },
        },
    },
    "definitions": {"Pet": {"type": "object", "example": {"name": "Rex"}}},
}  # fmt: skip


def test_swagger_2_is_read_as_well() -> None:
    """Host, base path, body, form and basic credentials of the older form."""
    data = json.dumps(SWAGGER).encode()
    made = draft_of_openapi(data, "pets.json")
    assert made.url == "http://pets.example/v2"
    assert made.target == {"auth": {"basic": ["${API_USER}", "${API_PASSWORD}"]}}
    listed, posted, put = requests(data)
    assert listed == {"path": "/pets?status=sold&tags=a,b", "check": ["json"]}
    assert posted == {
        "method": "POST",
        "path": "/pets",
        "expect": [302],
        "json": {"name": "Rex"},
    }
    assert put == {"method": "PUT", "path": "/pets", "form": {"name": "text", "age": "3"}}


@pytest.mark.parametrize(
    ("scheme", "target"),
    [
        ({"type": "http", "scheme": "bearer"}, {"auth": {"bearer": "${API_TOKEN}"}}),
        ({"type": "openIdConnect"}, {"auth": {"bearer": "${API_TOKEN}"}}),
        (
            {"type": "apiKey", "in": "cookie", "name": "sid"},
            {"headers": {"Cookie": "sid=${SID}"}},
        ),
        (
            {
                "type": "oauth2",
                "flows": {
                    "clientCredentials": {"tokenUrl": "https://id/token", "scopes": {"read": ""}}
                },
            },
            {
                "auth": {
                    "oauth2": {
                        "token_url": "https://id/token",
                        "client_id": "${CLIENT_ID}",
                        "client_secret": "${CLIENT_SECRET}",
                        "scope": "read",
                    }
                }
            },
        ),
    ],
    ids=["bearer", "OpenID Connect", "cookie", "client credentials"],
)
def test_each_security_scheme_has_its_place(scheme: dict[str, Any], target: dict[str, Any]) -> None:
    """Credentials become variables where the service looks for them."""
    data = described(
        {"/x": {"get": {"security": [{"s": []}]}}}, components={"securitySchemes": {"s": scheme}}
    )
    assert draft_of_openapi(data, "api").target == target


def test_a_key_in_the_query_stays_out_of_the_path() -> None:
    """It is a variable of the query, beside what else stands there."""
    key = {"type": "apiKey", "in": "query", "name": "key"}
    limit = {"name": "limit", "in": "query", "example": 10}
    data = described(
        {"/x": {"get": {"parameters": [limit]}, "head": {"security": []}}},
        security=[{"k": []}],
        components={"securitySchemes": {"k": key}},
    )
    asked, public = requests(data)
    assert asked == {"path": "/x?limit=10", "query": {"key": "${KEY}"}}
    assert public == {"method": "HEAD", "path": "/x"}


@pytest.mark.parametrize(
    ("servers", "options", "url"),
    [
        ([{"url": "/v1"}], {"fetched_from": "https://h:1/docs/openapi.json"}, "https://h:1/v1"),
        ([], {"fetched_from": "http://h/a/openapi.json"}, "http://h"),
        ([{"url": "https://a"}, {"url": "https://b"}], {}, "https://a"),
        ([{"url": "https://a"}], {"url": "http://mine:1"}, "http://mine:1"),
        ([], {}, "${API_URL:-http://127.0.0.1:8000}"),
    ],
)
def test_the_server_is_the_one_that_is_meant(
    servers: list[Any], options: dict[str, str], url: str
) -> None:
    """What the user names goes first, then the description's first server, then a guess."""
    made = draft_of_openapi(described({"/x": {"get": {}}}, servers=servers), "api", **options)
    assert made.url == url
    assert ("is a guess" in " ".join(made.notes)) == url.startswith("$")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "api is empty"),
        (b"<html>", "a page for people"),
        (b'{\n "openapi": }', "api:2:13: not JSON"),
        (b"a: [1", "api: the file is not YAML"),
        (b"a: &x {b: 1}\nc: {<<: *x}", "a key is a merge"),
        (b"- 1", "holds no table"),
        (b"{}", "it has no openapi key"),
        (b'{"openapi": "4.0"}', "OpenAPI 4.0, which is not read here"),
        (b'{"swagger": "1.2"}', "OpenAPI 1.2, which is not read here"),
        (b'{"log": {"entries": []}}', "api is a HAR"),
        (b'{"info": {"schema": "https://schema.getpostman.com/x"}}', "a Postman collection"),
        (described({}), "offers no request"),
        (described({"/x": {"get": 3}}), "paths./x.get is no table"),
        (described({"x": {"get": {}}}), "does not begin with /"),
        (described([]), "paths is no table"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_description_is_refused(data: bytes, said: str) -> None:
    """Every refusal says what was seen, with the place where there is one."""
    with pytest.raises(UsageError) as refused:
        draft_of_openapi(data, "api")
    assert said in refused.value.message


def test_a_description_as_large_as_it_can_be_stays_within_the_files_bounds() -> None:
    """A thousand operations fill a file that can still be read; what is left out is counted."""
    paths = {f"/p{n}": {"get": {"summary": "words " * 30}} for n in range(5000)}
    file = written(draft_of_openapi(described(paths), "api"))
    assert file.active == 256
    assert len(file.text.encode()) < 256 * 1024
    assert file.left_out == 5000 - file.active - file.withheld
    assert file.left_out > 0
    tomllib.loads(file.text)


def test_a_schema_that_contains_itself_ends() -> None:
    """Trees and long chains of references have an example; aliases without end are refused."""
    loop = b"openapi: 3.0.0\nx: &s {a: 1, b: *s}\n"
    lines = [b"a0: &a0 [x, x]"]
    lines += [b"a%d: &a%d [%b]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)]
    for endless in (loop, b"openapi: 3.0.0\n" + b"\n".join(lines)):
        with pytest.raises(UsageError, match="its aliases make it too large"):
            draft_of_openapi(endless, "api")
    tree = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/s"}}}
    assert Examples(Resolver({"s": tree})).of({"$ref": "#/s"}) == {"a": 1}
    wide = {"properties": {f"p{n}": {"$ref": "#/x"} for n in range(30)}, "type": "object"}
    document = {"x": {"properties": {f"q{n}": {"$ref": "#/y"} for n in range(30)}}, "y": wide}
    assert isinstance(Examples(Resolver(document)).of(wide), dict)


LEAVES = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("integer")},
        optional={
            "minimum": st.integers(-50, 20),
            "maximum": st.integers(20, 90),
            "multipleOf": st.sampled_from([1, 2, 5]),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={"minLength": st.integers(0, 9), "maxLength": st.integers(9, 20)},
    ),
    st.sampled_from(
        [
            {"type": "boolean"},
            {"enum": ["a", 2]},
            {"const": 7},
            {"type": ["string", "null"]},
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
            {"type": "string", "format": "ipv4"},
        ]
    ),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            }
        ).map(lambda schema: schema | {"required": list(schema["properties"])}),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 3)}
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda some: {"anyOf": some}),
        st.lists(inner, min_size=1, max_size=2).map(lambda some: {"oneOf": [*some[:1]]}),
    ),
    max_leaves=8,
)


@given(SCHEMAS)
def test_an_example_is_valid_under_its_schema(schema: dict[str, Any]) -> None:
    """A validator that is not ours takes what was made."""
    example = Examples(Resolver({})).of(schema)
    assert example is not NOTHING
    jsonschema.validate(example, schema)
