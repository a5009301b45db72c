"""Burn rates, the workbook's table, Prometheus rules and OpenSLO files."""

import json
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from stressproof.errors import StressproofError
from stressproof.evidence.measurements import Latency, Measurements, Row, RunMeasurements
from stressproof.measure.histogram import Histogram
from stressproof.objectives import prometheus, slo
from stressproof.objectives.burn import Events, evaluate_slo, events_of
from stressproof.objectives.expression import Selector
from stressproof.objectives.openslo import read_openslo
from stressproof.objectives.prometheus import condition_of, rules
from stressproof.objectives.selection import Endpoint, Selection
from stressproof.objectives.slo import (
    PAIRS,
    PrometheusSource,
    Slo,
    one_error_trips_below,
    scaled_s,
    zero_errors_prove_from,
)
from stressproof.outcome import Outcome

pytestmark = pytest.mark.gate

ENDPOINTS = (Endpoint("/a", path="/a"), Endpoint("/b", path="/b"))
AVAILABLE = Slo("available", Fraction(99, 100))

# SRE workbook, "Alerting on SLOs", table 5-8: severity, long, short, burn rate, budget consumed.
WORKBOOK = (
    ("page", "1h", "5m", Fraction(144, 10), Fraction(2, 100)),
    ("page", "6h", "30m", Fraction(6), Fraction(5, 100)),
    ("ticket", "3d", "6h", Fraction(1), Fraction(10, 100)),
)


def test_the_pairs_are_the_workbooks() -> None:
    """Severities, windows, burn rates and budget shares are those of table 5-8."""
    ours = tuple(
        (
            pair.severity,
            prometheus.window_text(pair.long_s),
            prometheus.window_text(pair.short_s),
            pair.factor(slo.DEFAULT_PERIOD_S),
            pair.budget,
        )
        for pair in PAIRS
    )
    assert ours == WORKBOOK


@pytest.mark.parametrize(
    ("objective", "trips", "proves"),
    [
        ("0.99", (7, 17, 100), (20, 49, 299)),
        ("0.995", (14, 34, 200), (41, 99, 598)),
        ("0.999", (70, 167, 1000), (207, 498, 2995)),
        ("0.9995", (139, 334, 2000), (415, 998, 5990)),
    ],
)
def test_fewest_events_follow_from_the_objective(
    objective: str, trips: tuple[int, ...], proves: tuple[int, ...]
) -> None:
    """One error is no alert from 1/(burn·budget) events; none prove it from ln 0.05/ln(1-x)."""
    budget = 1 - Fraction(objective)
    burns = [pair.factor(slo.DEFAULT_PERIOD_S) for pair in PAIRS]
    assert tuple(one_error_trips_below(burn, budget) for burn in burns) == trips
    assert tuple(zero_errors_prove_from(burn, budget) for burn in burns) == proves
    for burn, least in zip(burns, trips, strict=True):
        assert Fraction(1, least) <= burn * budget < Fraction(1, least - 1)


@pytest.mark.parametrize(
    ("run_s", "windows"),
    [(30, (1, 1, 3, 1, 30, 3)), (3600, (50, 5, 300, 25, 3600, 300)), (1, (1,) * 6)],
)
def test_windows_scale_with_the_run(run_s: int, windows: tuple[int, ...]) -> None:
    """The run stands for three days; no window is shorter than a row."""
    scaled = [scaled_s(w, run_s) for pair in PAIRS for w in (pair.long_s, pair.short_s)]
    assert tuple(scaled) == windows


def make_row(second: int, ok: int, bad: int = 0, ok_us: int = 1000, bad_us: int = 1000) -> Row:
    """One second of the first endpoint."""
    n = ok + bad
    times = Histogram.of([ok_us] * ok + [bad_us] * bad)
    outcomes = {"ok": ok} | ({"timeout": bad} if bad else {})
    return Row(0, second, n, n, 0, 0, outcomes, Latency.of(times))


def judge(objective: Slo, *rounds: list[Row]) -> tuple[Outcome, list[Outcome]]:
    """Return the verdict on some rounds, and that of each pair."""
    runs = [
        RunMeasurements(index, len(rows) * 10**6, [], rows) for index, rows in enumerate(rounds, 1)
    ]
    result = evaluate_slo(objective, Measurements(1, runs), ENDPOINTS)
    return result.outcome, [pair.outcome for pair in result.pairs]


def test_a_healthy_run_passes_every_pair() -> None:
    """Enough events without too many errors show that no window burns too fast."""
    outcome, pairs = judge(AVAILABLE, [make_row(second, 200) for second in range(60)])
    assert (outcome, pairs) == (Outcome.PASS, [Outcome.PASS] * 3)


def test_an_outage_pages_and_a_slow_leak_opens_a_ticket() -> None:
    """A bad minute in an hour pages; a steady 1.5 % of errors only exceeds the budget."""
    outage = [
        make_row(s, 100, 0) if not 1800 <= s < 1860 else make_row(s, 0, 100) for s in range(3600)
    ]
    assert judge(AVAILABLE, outage)[1] == [Outcome.FAIL, Outcome.FAIL, Outcome.PASS]
    leak = [make_row(second, 197, 3) for second in range(60)]
    assert judge(AVAILABLE, leak)[1] == [Outcome.PASS, Outcome.PASS, Outcome.FAIL]


def test_an_outage_that_ended_does_not_fire_the_long_window_alone() -> None:
    """Both windows must burn at once: the short one ends an alert soon after its cause."""
    steps = [make_row(s, 0, 100) if s < 3 else make_row(s, 100) for s in range(30)]
    runs = [RunMeasurements(1, 30 * 10**6, [], steps)]
    result = evaluate_slo(Slo("x", Fraction(9, 10)), Measurements(1, runs), ENDPOINTS)
    ticket = result.pairs[2]
    # Over the whole round 10 % of the events are bad, which is the budget: a burn rate of 1.
    assert (ticket.outcome, ticket.burn_long, ticket.burn_short) == (Outcome.PASS, 1.0, 0.0)


def test_spent_budget_fails_even_where_every_alert_has_ended() -> None:
    """The objective itself is judged over the whole run, whatever the windows say at its end."""
    early = [make_row(s, 96, 4) if s < 1800 else make_row(s, 100) for s in range(3600)]
    outcome, pairs = judge(AVAILABLE, early)
    assert pairs == [Outcome.PASS] * 3
    assert outcome is Outcome.FAIL


def test_one_error_in_little_traffic_is_no_alert() -> None:
    """A single error among few events is inconclusive: neither a page nor a pass."""
    quiet = [make_row(second, 3, 1 if second == 10 else 0) for second in range(30)]
    outcome, pairs = judge(Slo("rare", Fraction(999, 1000)), quiet)
    assert outcome is Outcome.INCONCLUSIVE
    assert Outcome.FAIL not in pairs


def test_few_events_without_any_error_prove_nothing() -> None:
    """A thousand good events cannot show 99.9 % at 95 % confidence; three thousand can."""
    strict = Slo("strict", Fraction(999, 1000))
    assert judge(strict, [make_row(s, 40) for s in range(25)])[1][2] is Outcome.INCONCLUSIVE
    assert judge(strict, [make_row(s, 120) for s in range(25)])[1][2] is Outcome.PASS


def test_no_data_is_inconclusive() -> None:
    """A selector that matches nothing does not read as a perfect objective (pyrra#448)."""
    nothing = Slo("none", Fraction(99, 100), Selector("http_reqs", (("name", "/nowhere"),)))
    assert judge(nothing, [make_row(0, 1000)]) == (Outcome.INCONCLUSIVE, [])
    assert judge(AVAILABLE) == (Outcome.INCONCLUSIVE, [])
    assert judge(AVAILABLE, [make_row(0, 0)])[0] is Outcome.INCONCLUSIVE


def test_a_fast_failure_spends_the_budget_of_a_latency_objective() -> None:
    """An error is bad however fast it came, and a slow error is not counted twice."""
    selection = Selection.of(Selector("http_reqs"), ENDPOINTS)
    fast = events_of(make_row(0, 90, 10, 1000, 1000), selection, 5000)
    assert fast == Events(100, 10, 10)
    slow_failures = events_of(make_row(0, 90, 10, 1000, 9000), selection, 5000)
    assert slow_failures == Events(100, 10, 20)
    slow_successes = events_of(make_row(0, 90, 10, 9000, 1000), selection, 5000)
    assert slow_successes == Events(100, 90, 100)


def test_an_objective_on_latency_is_judged() -> None:
    """99 % within 5 ms fails where 3 % take longer, and passes where none does."""
    latency = Slo("fast", Fraction(99, 100), latency_us=5000)
    assert judge(latency, [make_row(s, 200, 0, 4000) for s in range(60)])[0] is Outcome.PASS
    mixed = [
        Row(0, s, 200, 200, 0, 0, {"ok": 200}, Latency.of(Histogram.of([4000] * 190 + [9000] * 10)))
        for s in range(60)
    ]
    assert judge(latency, mixed)[0] is Outcome.FAIL


def test_budget_consumed_and_projected_follow_from_the_burn_rate() -> None:
    """2 % bad of an objective of 99 % spends twice the budget: a month's lasts half a month."""
    runs = [RunMeasurements(1, 10**7, [], [make_row(s, 98, 2) for s in range(10)])]
    result = evaluate_slo(AVAILABLE, Measurements(1, runs), ENDPOINTS)
    assert (result.budget_consumed, result.exhausted_after_s) == (2.0, 15 * 86_400)
    assert "200 % of this run's budget" in result.sentence
    assert "15 days" in result.sentence


SLOS = (
    Slo("gate availability", Fraction(999, 1000), description='a "quoted" {{thing}}: yes'),
    Slo(
        "gate-latency",
        Fraction(99, 100),
        Selector("http_reqs", (("name", "/api/v1/x?limit=50"), ("method", "POST"))),
        latency_us=300_000,
    ),
    Slo(
        "own",
        Fraction(995, 1000),
        period_s=28 * 86_400,
        prometheus=PrometheusSource('hits{job="a"}', bad='hits{job="a",code="500"}'),
    ),
)


def test_alert_conditions_are_the_workbooks() -> None:
    """Each pair's condition has the table's windows and burn rate, and a floor of events."""
    seen = [condition_of(pair, SLOS[0]) for pair in PAIRS]
    for text, (_, long, short, burn, _) in zip(seen, WORKBOOK, strict=True):
        limit = re.escape(f"({float(burn):g} * 0.001)")
        label = re.escape('{slo="gate availability"}')
        assert re.fullmatch(
            rf"slo:sli_error:ratio_rate{long}{label} > {limit} "
            rf"and slo:sli_error:ratio_rate{short}{label} > {limit} "
            rf"and slo:sli_events:increase{long}{label} >= \d+",
            text,
        ), text
    assert "(13.44 * 0.005)" in condition_of(PAIRS[0], SLOS[2])


def test_every_window_of_an_alert_is_recorded() -> None:
    """No alert reads a series that no rule records."""
    text = rules(SLOS)
    recorded = set(re.findall(r"record: (\S+)", text))
    read = set(re.findall(r"slo:sli_\w+:[a-z]\w*", text))
    assert read == recorded
    assert text.count("alert: ") == 2 * len(SLOS)


def test_rules_are_yaml_that_prometheus_accepts(tmp_path: Path) -> None:
    """The file parses to groups of rules; promtool, where it is installed, accepts it."""
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415  # only here

    text = rules(SLOS)
    groups = yaml.safe_load(text)["groups"]
    assert [group["name"] for group in groups] == [
        f"slo-{objective.name}-{part}" for objective in SLOS for part in ("recording", "alerts")
    ]
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    assert all(balanced(expression) for expression in expressions)
    promtool = shutil.which("promtool")
    if promtool is not None:
        path = tmp_path / "rules.yml"
        path.write_text(text)
        done = subprocess.run(
            [promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def balanced(expression: str) -> bool:
    """Return whether parentheses, brackets and braces match."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    while True:
        shorter = re.sub(r"\(\)|\[\]|\{\}|[^()\[\]{}]", "", bare)
        if shorter == bare:
            return not bare
        bare = shorter


OPENSLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: gate-latency, displayName: Gate}
spec:
  description: Gate decisions are fast
  service: enforcement
  indicator:
    metadata: {name: latency}
    spec:
      thresholdMetric:
        metricSource:
          type: stressproof
          spec: {selector: "http_req_duration{name:/gate}"}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{op: lte, value: 0.3, target: 0.995}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: available}
spec:
  indicator:
    metadata: {name: errors}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: stressproof, spec: {selector: http_req_failed}}}
        total: {metricSource: {type: stressproof, spec: {selector: http_reqs}}}
  timeWindow: [{duration: 4w, isRolling: true}]
  objectives: [{targetPercent: 99.9}]
"""


def test_openslo_objectives_are_read() -> None:
    """The evaluated subset of OpenSLO v1 means what it says."""
    latency, available = read_openslo(OPENSLO.encode())
    assert (latency.name, latency.objective, latency.latency_us, latency.period_s) == (
        "gate-latency",
        Fraction(995, 1000),
        300_000,
        28 * 86_400,
    )
    assert latency.selector == Selector("http_req_duration", (("name", "/gate"),))
    assert (available.objective, available.latency_us) == (Fraction(999, 1000), None)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("kind: SLO", "kind: Service", "kind"),
        ("openslo/v1", "openslo/v2alpha", "apiVersion"),
        ("Occurrences", "Timeslices", "spec.budgetingMethod"),
        ("isRolling: true", "isRolling: false", "isRolling"),
        ("duration: 28d", "duration: 1M", "duration"),
        ("isRolling: true", "isRolling: true, calendar: {}", "calendar"),
        ("service: enforcement", "service: enforcement\n  alertPolicies: []", "alertPolicies"),
        ("type: stressproof", "type: prometheus", "prometheus"),
        ("op: lte", "op: gt", "op"),
        ("target: 0.995", "target: 1", "target"),
        ("target: 0.995", "target: yes", "target"),
        ("target: 0.995", "target: .nan", "target"),
        ("target: 0.995", "target: 0.9, timeSliceTarget: 0.9", "timeSliceTarget"),
        ("selector: http_reqs", "selector: http_req_failed", "http_req_failed"),
        ("selector: http_reqs}", 'selector: "http_reqs{name:/a}"}', "same tags"),
        ("name: available", "name: gate-latency", "twice"),
        ("thresholdMetric:", "thresholdMetrics:", "thresholdMetrics"),
        ("name: available", "name: &x available, displayName: *x", "aliases"),
        ("name: available", "name: available, name: other", "twice"),
        ("counter: true", "counter: true\n        raw: {}", "raw"),
    ],
)
def test_what_openslo_says_and_is_not_evaluated_is_refused_by_name(
    old: str, new: str, names: str
) -> None:
    """A file that asks for more than is evaluated is refused, not evaluated in part."""
    changed = OPENSLO.replace(old, new)
    assert changed != OPENSLO
    with pytest.raises(StressproofError, match=re.escape(names)):
        read_openslo(changed.encode())


def test_an_empty_or_broken_openslo_file_is_refused() -> None:
    """No objective is made up from nothing."""
    for data in (b"", b"---\n", b"a: [", b"\xff\xfe", b"- 1", b"x" * 300_000):
        with pytest.raises(StressproofError):
            read_openslo(data)


def test_labels_are_quoted_for_prometheus() -> None:
    """A route is a label without its query string, quoted as PromQL quotes."""
    text = rules(SLOS[1:2])
    assert json.dumps('http_route="/api/v1/x"')[1:-1] in text
    assert "limit=50" not in text
