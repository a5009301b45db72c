"""The quick way of parsing accepts nothing that the thorough one refuses, and reads it alike."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stressproof.evidence import json_text
from stressproof.evidence.json_text import MalformedJson, parse_object

pytestmark = pytest.mark.gate

numbers = st.from_regex(r"\A-?[0-9]{1,6}(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,4})?\Z")
scalars = (
    st.sampled_from(
        [
            "1",
            "0",
            "-0",
            "-0.0",
            "1e5",
            "1E-9",
            "01",
            "1.",
            ".5",
            "NaN",
            "true",
            "null",
            '"a:b"',
            '"{"',
        ]
    )
    | numbers
    | st.text('ab:,{}[]"\\\x01\x7f é', max_size=6).map(lambda text: f'"{text}"')
)
keys = st.sampled_from(['"a"', '"b"', '"a:"', '""', '"a', "a"])
texts = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(keys, inner), max_size=4).map(
            lambda items: "{" + ",".join(f"{key}: {value}" for key, value in items) + "}"
        )
    ),
    max_leaves=8,
)


def thorough(raw: bytes) -> Any:
    """The slow parser's answer, or its refusal."""
    json_text._check_shape(raw)
    return json_text._parse_anything(raw)


@given(texts)
@settings(max_examples=1000, deadline=None)
def test_the_quick_parser_never_disagrees(text: str) -> None:
    """Either it leaves the decision to the thorough one, or both read the same value."""
    raw = text.encode()
    try:
        keys_written = json_text._check_shape(raw)
    except MalformedJson:
        return
    quick = json_text._parse_plain(raw, keys_written)
    if quick is not None:
        expected = thorough(raw)
        assert quick == expected
        assert json.dumps(quick) == json.dumps(expected)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers()), min_size=1, max_size=6))
@settings(deadline=None)
def test_a_key_twice_is_found_the_quick_way_too(pairs: list[tuple[str, int]]) -> None:
    """Fewer keys than were written means that one was written twice."""
    raw = (
        "{" + ",".join(f'"{key}":[{{"x":{value % 1000}}}]' for key, value in pairs) + "}"
    ).encode()
    if len(dict(pairs)) == len(pairs):
        assert len(parse_object(raw)) == len(pairs)
    else:
        with pytest.raises(MalformedJson, match="twice"):
            parse_object(raw)


def test_what_we_write_takes_the_quick_way() -> None:
    """An ordinary artifact never needs the thorough parser, or all our speed is gone."""
    raw = b'{"p95": 0.0123, "at": "2026-02-25T11:00:00+00:00", "rows": [1, 2], "e": 5e-05}'
    assert json_text._parse_plain(raw, json_text._check_shape(raw)) == json.loads(raw)
