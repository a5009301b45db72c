"""Where keys and values of a TOML text stand."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.config.positions import Place, positions

pytestmark = pytest.mark.gate

ROOT = Path(__file__).parents[3]
FILES = [*ROOT.glob("examples/**/stressproof.toml"), *Path(__file__).parent.glob("*/*.toml")]
TRICKY = '''\
# [a] = "no table"
top.dotted . key = 1 # c
"quo.ted" = 'x'

[a]
text = """
[[failure]]
b = 2
""" # b = 3
c = [ # first
  { d = 1, e = [ "]", '}' ] }, # {
  { d = 2 },
]
[[list.of.tables]]
x = 1
[list.of.tables.inner]
y = "a\\"] # b"
[[list.of.tables]]
x = """a""b\\""" c"""
inner = { z = [[1], [2, 3]] }
[z.y]
[z]
w = 1979-05-27T07:32:00Z
"q\\"uo" = '\\'
'l\\t' = 1
'''


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield every place of a document."""
    if place:
        yield place
    if isinstance(value, dict):
        yield from (one for key, item in value.items() for one in places(item, (*place, key)))
    elif isinstance(value, list):
        yield from (one for at, item in enumerate(value) for one in places(item, (*place, at)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_every_place_of_our_files_is_found(path: Path) -> None:
    """Each key stands where its span says; each entry of a list begins there."""
    text = path.read_text()
    lines = text.split("\n")
    found = positions(text)
    for place in places(tomllib.loads(text)):
        span = found[place]
        shown = lines[span.line - 1][span.start : span.end]
        assert isinstance(place[-1], int) or shown == place[-1]
        assert shown


@pytest.mark.parametrize(
    ("place", "line", "shown"),
    [
        (("top",), 2, "top"),
        (("top", "dotted", "key"), 2, "key"),
        (("quo.ted",), 3, "quo.ted"),
        (("a",), 5, "a"),
        (("a", "text"), 6, "text"),
        (("a", "c", 0), 11, "{ d = 1, e = [ \"]\", '}' ] }"),
        (("a", "c", 0, "e", 1), 11, "'}'"),
        (("a", "c", 1, "d"), 12, "d"),
        (("list",), 14, "list"),
        (("list", "of", "tables", 0), 14, "tables"),
        (("list", "of", "tables", 0, "inner", "y"), 17, "y"),
        (("list", "of", "tables", 1), 18, "tables"),
        (("list", "of", "tables", 1, "inner", "z", 1, 0), 20, "2"),
        (("z", "y"), 21, "y"),
        (("z",), 22, "z"),
        (("z", "w"), 23, "w"),
    ],
)
def test_what_looks_like_a_key_and_is_none_is_passed_over(
    place: Place, line: int, shown: str
) -> None:
    """Comments, texts of several lines, brackets within quotes, and lists of tables in lists."""
    found = positions(TRICKY)
    span = found[place]
    assert (span.line, TRICKY.split("\n")[span.line - 1][span.start : span.end]) == (line, shown)
    assert set(places(tomllib.loads(TRICKY))) == set(found)


@given(st.text(alphabet="[]{}=,.\"'\\# \n\r\tab1", max_size=60))
def test_any_text_is_gone_through(text: str) -> None:
    """Nothing is refused, and it ends; what a parser takes is found whole."""
    found = positions(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(places(data)) <= set(found)
