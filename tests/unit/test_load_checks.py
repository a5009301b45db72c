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
]
WRONG = ["", "xml", "json:", "json:=1", "json:a=", "json:a,", "json:a=[1]", "json:a=nope", "text:"]


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
