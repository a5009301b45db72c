"""Placeholders: what they are, and how values stand where they are put."""

import msgspec
import pytest

from stressproof.errors import UsageError
from stressproof.workload.bodies import (
    FileContent,
    FilePart,
    FormBody,
    JsonBody,
    MultipartBody,
    compile_body,
)
from stressproof.workload.requests import Request, request_name
from stressproof.workload.templates import Place, Template, demand_known

pytestmark = pytest.mark.gate

AWKWARD = 'a&b="c"\\ /ü\n'
VALUES = {"t.text": AWKWARD, "t.number": 5, "t.deep": {"a": [1, None]}, "uuid": "u-1", "seq": 7}


@pytest.mark.parametrize(
    ("place", "text", "filled"),
    [
        (Place.URL, "/a/{{t.text}}?q={{ seq }}", "/a/a%26b%3D%22c%22%5C%20%2F%C3%BC%0A?q=7"),
        (Place.QUERY, "x y{{t.number}}", "x%20y5"),
        (Place.FORM, "x y&{{t.text}}", "x+y%26a%26b%3D%22c%22%5C+%2F%C3%BC%0A"),
        (Place.TEXT, "{{t.text}} {{#if}} {{ no such }}", AWKWARD + " {{#if}} {{ no such }}"),
        (Place.JSON, '{"n": "{{t.number}}", "m": "{{seq}}"}', '{"n": 5, "m": "7"}'),
        (Place.JSON, '{"n": {{seq}}, "m": {{t.text}}}', '{"n": 7, "m": "a&b=\\"c\\"\\\\ /ü\\n"}'),
        (
            Place.JSON,
            '["{{t.deep}}", "\\"{{t.number}}"]',
            '[{"a":[1,null]}, "\\"5"]',
        ),
    ],
)
def test_a_value_is_written_as_its_place_demands(place: Place, text: str, filled: str) -> None:
    """Whatever a value holds, it stays one value where it stands."""
    assert Template.of(text, place).fill(VALUES).decode() == filled


def test_json_stays_json_whatever_the_values_hold() -> None:
    """A string within a string is escaped, and a column alone keeps its type."""
    template = Template.of('{"a": "x {{t.text}} y", "b": "{{t.deep}}"}', Place.JSON)
    document = msgspec.json.decode(template.fill(VALUES))
    assert document == {"a": f"x {AWKWARD} y", "b": {"a": [1, None]}}


def test_a_template_needs_what_occurs_in_it_alone() -> None:
    """Nothing is made that no request sends."""
    request = Request(
        "", "PUT", "/{{seq}}", headers={"X": "{{t.a}}"}, query=(("q", "{{t.b}}"),),
        body=JsonBody('{"{{t.c}}": 1}'), rotate=({"Y": "{{uuid}}"},),
    )  # fmt: skip
    assert request.placeholders == {"seq", "t.a", "t.b", "t.c", "uuid"}
    assert Template.of("/x", Place.URL).needs == frozenset()
    assert Template.of("/{{uuid}}/{{uuid}}", Place.URL).needs == {"uuid"}


def test_a_request_is_named_by_method_and_path_template() -> None:
    """Neither values nor the query make another name."""
    assert request_name("GET", "/products/{{skus.sku}}?q={{seq}}") == "GET /products/{sku}"
    assert Request("", "GET", "/a?b=1").name == "GET /a"
    assert Request("mine", "GET", "/a?b=1").name == "mine"


@pytest.mark.parametrize(("text", "offer"), [("skus.sk", "skus.sku"), ("uid", "uuid"), ("x.y", "")])
def test_an_unknown_placeholder_is_told_with_what_was_meant(text: str, offer: str) -> None:
    """What means nothing is refused before anything is sent."""
    with pytest.raises(UsageError, match="means nothing") as caught:
        demand_known("GET /", {text}, {"skus": ["sku", "price"]})
    assert (f"did you mean {{{{{offer}}}}}?" in str(caught.value)) is bool(offer)


def test_a_form_and_a_multipart_body_are_what_browsers_send() -> None:
    """Fields are separated, names quoted, files sent byte by byte."""
    form = compile_body(FormBody((("a b", "{{t.text}}"), ("c", "d&e"))))
    assert form.content.fill(VALUES) == b"a+b=a%26b%3D%22c%22%5C+%2F%C3%BC%0A&c=d%26e"
    assert form.content_type == "application/x-www-form-urlencoded"
    file = FilePart(FileContent("x.bin", b"\x00{{uuid}}\r\n--"), 'a"b.bin', "image/png")
    body = compile_body(MultipartBody((("kind", "{{seq}}"), ("file", file))))
    kind, _, boundary = body.content_type.partition("; boundary=")
    assert kind == "multipart/form-data"
    line = b"--" + boundary.encode()
    assert body.content.fill(VALUES) == (
        line + b'\r\nContent-Disposition: form-data; name="kind"\r\n\r\n7\r\n'
        + line + b'\r\nContent-Disposition: form-data; name="file"; filename="a%22b.bin"\r\n'
        b"Content-Type: image/png\r\n\r\n\x00{{uuid}}\r\n--\r\n" + line + b"--\r\n"
    )  # fmt: skip
