"""The small grammar of response checks."""

import pytest

from stressproof.errors import UsageError
from stressproof.workload.checks import Checks

pytestmark = pytest.mark.gate

HOLDS = [
    ("json", b"[]"),
    ("json", b' {"a": 1} '),
    ("json", b"3"),
    ("json:a", b'{"a": null}'),
    ("json:a.b", b'{"a": {"b": false}}'),
    ("json:parity_ok=true", b'{"parity_ok": true, "more": 1}'),
    ('json:a="x, y",b=2', b'{"a": "x, y", "b": 2}'),
    ("json:a=null", b'{"a": null}'),
    ("json:a=2", b'{"a": 2.0}'),
    ("text:needle, or two", b"hay needle, or two hay"),
    ("json:items.0.price,!error", b'{"items": [{"price": 0}]}'),
    ("json:items.-1=2", b'{"items": [1, 2]}'),
    ("json:!a.b", b'{"a": {"c": 1}}'),
    ("json:!a=1", b'{"a": true}'),
    ("json:1.0=2", b"[0, [2]]"),
    ("regex:n[e]{2}dle$", b"a needle"),
    ("size<=64KiB", b"x" * 65_536),
    ("size>2B", b"xyz"),
    ("size=0", b""),
]
FAILS = [
    ("json", b""),
    ("json", b"{"),
    ("json", b"{} {}"),
    ("json", b'"\xff"'),
    ("json", b"<html>"),
    ("json:a", b"[]"),
    ("json:a", b'{"b": 1}'),
    ("json:a.b", b'{"a": 1}'),
    ("json:parity_ok=true", b'{"parity_ok": false}'),
    ("json:parity_ok=true", b'{"parity_ok": 1}'),
    ("json:parity_ok=true", b'{"parity_ok": "true"}'),
    ("json:a=1", b'{"a": true}'),
    ("json:a=null", b"{}"),
    ("json:a,b", b'{"a": 1}'),
    ("text:needle", b"hay"),
    ("json:items.0", b'{"items": []}'),
    ("json:items.0", b'{"items": {"1": 0}}'),
    ("json:items.-2", b'{"items": [1]}'),
    ("json:!parity_ok", b'{"parity_ok": null}'),
    ("json:!a=1", b'{"a": 1.0}'),
    ("regex:^needle", b"hay needle"),
    ("size<=64KiB", b"x" * 65_537),
    ("size<1kB", b"x" * 1000),
    ("header:etag", b""),
]
WRONG = [
    "",
    "xml",
    "json:",
    "json:=1",
    "json:a=",
    "json:a,",
    "json:a=[1]",
    "json:a=nope",
    "text:",
    "json:!",
    "json:!!a",
    "regex:",
    "regex:(",
    "header:",
    "header:a b",
    "size",
    "size<=",
    "size==3",
    "size<=1TiB",
    "size<=-1",
    "size<=٣",
]


@pytest.mark.parametrize(("spec", "body"), HOLDS)
def test_a_body_that_holds_has_no_fault(spec: str, body: bytes) -> None:
    """A check passes what it describes, the second time too."""
    check = Checks.of((spec,))
    assert check is not None
    assert check(body) is None
    assert check(body) is None


@pytest.mark.parametrize(("spec", "body"), FAILS)
def test_a_body_that_does_not_hold_is_told_why(spec: str, body: bytes) -> None:
    """A check names what is wrong, whatever it passed before."""
    check = Checks.of((spec,))
    assert check is not None
    check(b'{"a": 1, "b": 1, "parity_ok": true}')
    assert check(body)


@pytest.mark.parametrize("spec", WRONG)
def test_a_check_outside_of_the_grammar_is_refused(spec: str) -> None:
    """What cannot be read is a usage error with a remedy, not a check that always holds."""
    with pytest.raises(UsageError) as caught:
        Checks.of((spec,))
    assert caught.value.hint


def test_no_check_is_none() -> None:
    """An endpoint without a check accepts any body."""
    assert Checks.of(()) is None


def test_deep_nesting_is_a_fault_not_a_crash() -> None:
    """A body nested without end fails its check."""
    check = Checks.of(("json:a",))
    assert check is not None
    assert check(b"[" * 100_000)


def test_headers_are_checked_whatever_the_body_was() -> None:
    """A body that held once says nothing of the next answer's headers."""
    check = Checks.of(("header:etag", "header:Content-Type=text/plain", "text:x"))
    assert check is not None
    assert check.reads_headers
    good = {"etag": "", "content-type": "text/plain"}
    assert check(b"x", good) is None
    assert check.good is None
    assert check(b"x", {"etag": ""}) == "the answer has no header content-type"
    assert check(b"x", {**good, "content-type": "a"})
    assert check(b"x") == "the answer has no header etag"
    assert check(b"y", good)


def test_a_body_too_large_to_be_kept_is_measured_and_not_read() -> None:
    """Its size can be checked; what it holds cannot, and is no pass."""
    of_size, of_both = Checks.of(("size>=3MiB",)), Checks.of(("size>=3MiB", "text:x"))
    assert of_size is not None
    assert of_both is not None
    assert of_size(b"x", body_bytes=3 * 2**20) is None
    assert of_size(b"x", body_bytes=3 * 2**20 - 1)
    assert of_size.good is None
    assert of_both(b"x", body_bytes=3 * 2**20) == "3145728 bytes are too many to be checked"


def test_all_of_several_checks_must_hold() -> None:
    """The first that does not is told."""
    check = Checks.of(("json:a", "json:b=2", "size<100"))
    assert check is not None
    assert check(b'{"a": 1, "b": 2}') is None
    assert check(b'{"a": 1, "b": 3}') == "b is not 2"
    assert check(b'{"b": 2}') == "the body has no member a"
