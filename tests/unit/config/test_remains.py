"""What remains of a file once parts of it are taken out, and where it stands in the file."""

import pytest

from stressproof.config.failures.code_patterns import meet, ranged
from stressproof.config.positions import Place
from stressproof.config.remains import Remains
from stressproof.errors import UsageError

pytestmark = pytest.mark.gate


def remains() -> Remains:
    """Return three lists of three tables each, in a list."""
    inner = [[{"n": 10 * at + number} for number in range(3)] for at in range(3)]
    return Remains({"a": [{"b": one, "k": at} for at, one in enumerate(inner)]})


def test_what_is_behind_keeps_its_number() -> None:
    """Of lists within lists, in one go and again."""
    one = remains()
    one.take_out([("a", 0), ("a", 1, "b", 0), ("a", 1, "b", 0, "n"), ("a", 2, "k")])
    assert one.data == {
        "a": [{"b": [{"n": 11}, {"n": 12}], "k": 1}, {"b": [{"n": 20}, {"n": 21}, {"n": 22}]}]
    }
    assert one.in_file(("a", 0, "b", 1, "n")) == ("a", 1, "b", 2, "n")
    assert one.in_file(("a", 1, "b", 1)) == ("a", 2, "b", 1)
    one.take_out([("a", 0, "b", 0), ("a", 1, "b", 1)])
    assert one.data == {"a": [{"b": [{"n": 12}], "k": 1}, {"b": [{"n": 20}, {"n": 22}]}]}
    assert one.in_file(("a", 0, "b", 0)) == ("a", 1, "b", 2)
    assert one.in_file(("a", 1, "b", 1)) == ("a", 2, "b", 2)
    assert one.taken == {
        ("a", 0),
        ("a", 1, "b", 0),
        ("a", 2, "k"),
        ("a", 1, "b", 1),
        ("a", 2, "b", 1),
    }


def test_what_is_taken_out_as_a_whole_takes_its_parts_along() -> None:
    """In whichever order they are named."""
    places: list[Place] = [("a", 1, "b", 0, "n"), ("a", 1, "k", "absent"), ("a", 1, "absent")]
    for order in (places, places[::-1]):
        one = remains()
        one.take_out(order)
        assert [entry["k"] for entry in one.data["a"]] == [0, 2]
        assert one.taken == {("a", 1)}


@pytest.mark.parametrize(
    ("place", "left"),
    [
        (("a", 0, "absent"), {"a": [{"b": 2}], "c": [1]}),
        (("a", 0, "b", "absent"), {"a": [{}, {"b": 2}], "c": [1]}),
        (("c", 0), {"a": [{"b": 1}, {"b": 2}]}),
        (("d",), {}),
    ],
)
def test_the_nearest_part_that_can_be_is_taken_out(place: Place, left: object) -> None:
    """A key, or a table of a list; single values of a list are not."""
    one = Remains({"a": [{"b": 1}, {"b": 2}], "c": [1]})
    one.take_out([place])
    assert one.data == left


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ("a*", "*b", True),
        ("abc", "a?c", True),
        ("a?c", "abc", True),
        ("abc", "abd", False),
        ("*", "", True),
        ("a*b*c", "a*x", False),
        ("a*b*c", "*c", True),
        ("503", "5*", True),
        ("200/x", "200", False),
        ("failsafe:*:*", "failsafe:DENY:gate_*", True),
        ("x*y", "xz", False),
    ],
)
def test_patterns_meet_where_one_text_is_both(one: str, other: str, *, meets: bool) -> None:
    """A star stands for anything, a question mark for one sign, on either side."""
    assert meet(one, other) is meet(other, one) is meets


def test_ranges_are_names() -> None:
    """From low to high, and no longer than anybody means."""
    assert ranged("race_1..3") == ["race_1", "race_2", "race_3"]
    assert ranged("9..10") == ["9", "10"]
    assert ranged("a..b") == ["a..b"]
    for text in ("a3..1", "a1..1001"):
        with pytest.raises(UsageError, match="is no range"):
            ranged(text)
