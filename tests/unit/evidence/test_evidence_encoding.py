"""Artifacts as bytes."""

import json

import pytest
from msgspec import Struct

from stressproof.evidence.encoding import encode

pytestmark = pytest.mark.gate


class Part(Struct, rename={"answer_class": "class"}):
    """A member whose name is a word of Python's."""

    answer_class: str


class Whole(Struct):
    """A part in a list, and rows: of numbers, or a text that says where they are."""

    parts: list[Part]
    rows: list[list[int]] | str


def test_members_have_the_names_that_they_are_read_by() -> None:
    """What is renamed for JSON is written so, in depth."""
    written = json.loads(encode(Whole([Part("ok")], [[1, 2]])))
    assert written == {"parts": [{"class": "ok"}], "rows": [[1, 2]]}
    assert json.loads(encode(Whole([], "json:rows"))) == {"parts": [], "rows": "json:rows"}
