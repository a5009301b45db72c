"""The page for operators names every metric, and no other."""

import re
from pathlib import Path

from enforcement.api import metrics

PAGE = Path(__file__).parents[3] / "docs" / "ops" / "enforcement-metrics.md"


def test_every_metric_has_a_line_that_says_what_it_tells() -> None:
    """A new metric without a line, or a line without a metric, is found."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = [name for line in lines for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(named) == sorted(family.name for family in metrics.families([]))
    assert all(len(line.split("|")[2].strip()) > 10 for line in lines)


def test_an_alert_names_labels_that_exist() -> None:
    """What an alert asks for in code type is a value of some label, a metric, route or setting."""
    values = {
        value for family in metrics.families([]) for series in family.series for value in series
    }
    text = PAGE.read_text()
    for label, value in re.findall(r'`(\w+)="(\w+)"`', text):
        assert label in {name for family in metrics.families([]) for name in family.labels}
        assert value in values
