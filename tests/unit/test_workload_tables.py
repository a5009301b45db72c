"""Data tables: the row that a number has, and what is no table."""

import pytest

from stressproof.errors import UsageError
from stressproof.workload.tables import Rows, Table

pytestmark = pytest.mark.gate

CSV = '\ufeffname,age\r\nann,007\r\n\r\n"b, ""ob""\r\nx",\r\n\r\nüte,1'.encode()
LINES = b'{"id": 1, "more": [1]}\n\n{"id": null}\n'


def rows(path: str, content: bytes, **settings: str) -> Rows:
    """Return the rows of a table."""
    return Rows(Table("t", path, content, **settings), seed=3)  # type: ignore[arg-type]


def test_csv_is_text_and_never_cast() -> None:
    """Quotes, blank lines, a byte order mark and line ends are read as spreadsheets write them."""
    table = rows("a.csv", CSV)
    assert table.columns == ("name", "age")
    assert [dict(table.at(n)) for n in range(len(table))] == [
        {"name": "ann", "age": "007"},
        {"name": 'b, "ob"\r\nx', "age": ""},
        {"name": "üte", "age": "1"},
    ]


def test_json_lines_keep_their_types() -> None:
    """Columns are what every row has."""
    table = rows("a.jsonl", LINES)
    assert table.columns == ("id",)
    assert [table.at(0), table.at(1)] == [{"id": 1, "more": [1]}, {"id": None}]


def test_a_row_is_a_function_of_the_number() -> None:
    """Sequential begins again, unique ends, random repeats itself in any order of asking."""
    content = b"n\n" + b"".join(b"%d\n" % n for n in range(100))
    in_turn = rows("a.csv", content)
    assert [in_turn.at(n)["n"] for n in (0, 99, 100, 250)] == ["0", "99", "0", "50"]
    once = rows("a.csv", content, pick="unique")
    assert once.at(99)["n"] == "99"
    with pytest.raises(UsageError, match="unique and has 100 rows, and 101 iterations"):
        once.at(100)
    drawn, again = (rows("a.csv", content, pick="random") for _ in range(2))
    taken = [drawn.at(n)["n"] for n in range(2000)]
    assert [again.at(n)["n"] for n in reversed(range(2000))] == taken[::-1]
    assert len(set(taken)) == 100
    assert taken[:100] != sorted(taken[:100], key=int)


@pytest.mark.parametrize(
    ("path", "content", "seen"),
    [
        ("a.csv", b"", "has no rows"),
        ("a.csv", b"a,b\n", "has no rows"),
        ("a.csv", b"a,b\n1,2\n1\n", "line 3: 1 fields, expected 2"),
        ("a.csv", b"a,a\n1,2\n", "line 1"),
        ("a.csv", b"a,\n1,2\n", "line 1"),
        ("a.csv", b'a\n"1\n', "line 2"),
        ("a.csv", b"a\n1\n\xff\n", "line 3"),
        ("a.jsonl", b"", "has no rows"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "line 2: a list, expected an object"),
        ("a.jsonl", b'{"a": 1}\n{"a"\n', "line 2"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "line 2"),
        ("a.jsonl", b"[" * 100_000, "line 1"),
        ("a.txt", b"a\n1\n", "neither .csv nor .jsonl"),
        ("a.csv", b"a\n" + b"1\n" * 1_000_001, "more than 1,000,000 rows"),
        ("a.csv", b"a" * (64 * 1024 * 1024 + 1), "expected at most 67,108,864"),
    ],
)
def test_what_is_no_table_is_told_with_its_line(path: str, content: bytes, seen: str) -> None:
    """A table is refused before anything is sent."""
    with pytest.raises(UsageError, match=seen) as caught:
        rows(path, content)
    assert caught.value.hint
