"""Values as TOML."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.drafts import toml_text

pytestmark = pytest.mark.gate

VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=["Cs"])),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=3))
def test_what_is_written_is_read_back(values: dict[str, Any]) -> None:
    """Python's own reader finds the same values, whatever they hold."""
    text = "\n".join(
        f"{toml_text.key(name)} = {toml_text.value(one)}" for name, one in values.items()
    )
    assert tomllib.loads(text) == values


@given(st.text())
def test_a_remark_is_one_comment(words: str) -> None:
    """Line breaks and control characters of a description cannot leave their comment."""
    assert tomllib.loads(toml_text.comment(words)) == {}


def test_half_a_character_is_replaced() -> None:
    """TOML is UTF-8: what has no encoding cannot be written."""
    assert tomllib.loads(f"a = {toml_text.text(chr(0xD800))}") == {"a": "�"}
