"""Lines on a terminal: folded at its width, coloured by what came out, plain anywhere else."""

import io

import pytest

from stressproof.outcome import Outcome
from stressproof.quantities import held_against, measured
from stressproof.report.lines import Line, shown, worded

pytestmark = pytest.mark.gate


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "60")


LONG = "  e.g. status_503 at /catalog in second 0: answer 503, and many more words than fit"


def test_a_long_line_is_folded_where_there_is_a_width() -> None:
    """Its further pieces stand below it, and no word is broken."""
    folded = shown([Line(LONG)], Terminal()).split("\n")
    assert len(folded) == 2
    assert all(len(piece) <= 60 for piece in folded)
    assert folded[0].startswith("  e.g. ")
    assert folded[1].startswith(" " * 6)
    assert " ".join(" ".join(folded).split()) == LONG.strip()
    assert shown([Line(LONG)], io.StringIO()) == LONG
    assert shown([Line(LONG, whole=True)], Terminal()) == LONG


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_signs_have_a_plain_form_where_there_are_no_letters_for_them(encoding: str) -> None:
    """A terminal without UTF-8 shows marks and bars, not their codes."""
    lines = [Line("p95", Outcome.PASS), Line("errors", Outcome.FAIL), Line("p95  ▁▂█", quiet=True)]
    with io.TextIOWrapper(io.BytesIO(), encoding=encoding) as stream:
        text = shown(lines, stream)
    assert text == "+ p95\nx errors\np95  _.#"
    assert text.encode(encoding)
    assert shown(lines, io.StringIO()).startswith("✓ p95")


def test_a_next_step_can_be_copied() -> None:
    """It is on a line of its own where the whole does not fit, and there it is whole."""
    step = "Next: stressproof verify stressproof-results/20261128T133451Z.json --some --more"
    pieces = shown([Line(f"FAIL (exit 99): limits missed in round 1. {step}")], Terminal())
    assert pieces == f"FAIL (exit 99): limits missed in round 1.\n    {step}"


def test_a_very_narrow_terminal_folds_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word a line would be less readable than none folded."""
    monkeypatch.setenv("COLUMNS", "20")
    assert shown([Line(LONG)], Terminal()) == LONG


def test_colours_say_nothing_that_marks_and_words_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its colours a line on a terminal is the line in a file."""
    lines = [Line("p95", Outcome.PASS), Line("errors", Outcome.FAIL), Line("note", quiet=True)]
    lines += worded("PASS  stress evidence\nFAIL (exit 99): limits missed\nwhy PASS\n")
    plain = shown(lines, io.StringIO())
    assert plain == (
        "✓ p95\n✗ errors\nnote\nPASS  stress evidence\nFAIL (exit 99): limits missed\nwhy PASS"
    )
    seen = shown(lines, Terminal())
    assert seen.startswith("\x1b[32m✓ p95\x1b[0m\n\x1b[31m✗ errors\x1b[0m\n\x1b[2mnote\x1b[0m\n")
    assert "\x1b[32mPASS  stress evidence\x1b[0m\n\x1b[31mFAIL (exit 99)" in seen
    assert seen.endswith("\nwhy PASS")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shown(lines, io.StringIO()) == seen
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(lines, Terminal()) == plain


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.018831, "s", "18.8 ms"),
        (2, "s", "2,000 ms"),
        (59.99, "1/s", "60/s"),
        (50.5556, "%", "50.5556 %"),
        (1234567, "requests", "1,234,567 requests"),
        (None, "s", "not known"),
    ],
)
def test_every_figure_has_its_unit(value: float | None, unit: str, words: str) -> None:
    """Times are in milliseconds wherever one is read, and no count is rounded."""
    assert measured(value, unit) == words
    if value is not None:
        assert held_against(f"<= {value}", unit) == f"<= {words}"
    assert held_against("", unit) == ""
