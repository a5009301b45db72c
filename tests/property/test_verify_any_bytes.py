"""For any bytes at all the verifiers end with a verdict and a documented exit code."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enforcement_suite.suite import SUITE
from stressproof.evidence.json_text import MalformedJson, parse_object
from stressproof.evidence.reading import Document, UnreadableEvidenceError, read_document
from stressproof.exits import Exit
from stressproof.outcome import Outcome
from stressproof.verify.failure import verifier as failure_verifier
from stressproof.verify.rule import show
from stressproof.verify.stress import verifier as stress_verifier
from stressproof.verify.verdict import Verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))

from forgeries.corpus import base  # the corpus is no package

pytestmark = pytest.mark.gate

NOW_US = 1_772_020_800_000_000

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**19) + 1, 10**19 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["2026-02-25T11:00:00+00:00", "pass", "enforcement", "#/profile", "\u202e"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def verdicts(data: dict[str, Any]) -> list[Verdict]:
    """Both verifiers on one object."""
    document = Document(data, "0" * 64, 1, "x")
    return [
        stress_verifier.verify(document, SUITE.stress_requirements().for_gate(), NOW_US),
        failure_verifier.verify(document, SUITE.failure_requirements(), NOW_US, files={}),
    ]


def assert_sound(verdict: Verdict) -> None:
    """A verdict that a machine and a person can rely on."""
    assert verdict.exit_code in set(Exit)
    assert (verdict.outcome is Outcome.PASS) == (verdict.exit_code is Exit.PASS)
    for result in verdict.results:
        assert result.compared > 0 or result.outcome is Outcome.NOT_CHECKED
        for finding in result.findings:
            assert finding.where.isprintable()
            assert finding.seen.isprintable()
            assert finding.expected.isprintable()
            assert finding.remedy


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    """Bytes are one JSON object as ``json`` reads it, or refused with a reason."""
    refusal: MalformedJson | None = None
    try:
        data = parse_object(raw)
    except MalformedJson as error:
        refusal = error
    if refusal is None:
        assert data == json.loads(raw)
    else:
        assert refusal.seen
        assert refusal.expected
        assert refusal.hint


@given(values)
@settings(deadline=None)
def test_any_json_is_parsed_or_refused(value: Any) -> None:
    """What is an object comes through unchanged; everything else is refused."""
    raw = json.dumps(value).encode()
    if isinstance(value, dict):
        try:
            assert parse_object(raw) == value
        except MalformedJson:
            # The only reason left: a number that is subnormal to zero or too long.
            assert any(mark in raw for mark in (b"e-", b"e+"))
    else:
        with pytest.raises(MalformedJson):
            parse_object(raw)


@given(raw=st.binary(max_size=200))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None
)
def test_any_file_is_read_or_refused(raw: bytes, tmp_path: Path) -> None:
    """A file of any bytes becomes a document or an error that ends with 6."""
    path = tmp_path / "any.json"
    path.write_bytes(raw)
    try:
        assert read_document(path).size == len(raw)
    except UnreadableEvidenceError as error:
        code = error.exit_code
    else:
        code = Exit.PASS
    assert code in {Exit.PASS, Exit.EVIDENCE}


@given(st.dictionaries(st.text(max_size=8), values, max_size=6))
@settings(deadline=None)
def test_any_object_gets_a_sound_verdict(data: dict[str, Any]) -> None:
    """No object raises, and none passes: nothing random is evidence."""
    for verdict in verdicts(data):
        assert_sound(verdict)
        assert verdict.exit_code is not Exit.PASS


def _paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [prefix] if prefix else []
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = list(enumerate(value))[:4]
    for key, item in items:
        found += _paths(item, (*prefix, key))
    return found


PATHS = {name: _paths(base(name)) for name in ("plain", "sparse", "failure")}


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_value_anywhere_in_a_good_artifact_gets_a_sound_verdict(data: st.DataObject) -> None:
    """A good artifact with any value at any place is judged without a failure of ours."""
    name = data.draw(st.sampled_from(sorted(PATHS)))
    path = data.draw(st.sampled_from(PATHS[name]))
    work: Any = base(name)
    holder = work
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = data.draw(values)
    for verdict in verdicts(work):
        assert_sound(verdict)


@given(values)
@settings(deadline=None)
def test_a_value_is_shown_on_one_bounded_line(value: Any) -> None:
    """Whatever an artifact holds can be printed without moving a cursor or filling a log."""
    text = show(value)
    assert text.isprintable()
    assert len(text) <= 300
