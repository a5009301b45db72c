"""Objectives of production as their usual files have them, and limits that judge nothing."""

import json
from pathlib import Path

import pytest

from stressproof.cli.run import run
from stressproof.cli.slo import command
from stressproof.errors import UsageError
from stressproof.objectives.metrics import METRICS
from stressproof.objectives.parser import parse_threshold
from stressproof.objectives.production import read_production
from stressproof.objectives.prometheus import rules
from stressproof.objectives.slo import DAY_S, Slo

pytestmark = pytest.mark.gate

SLOTH = """\
version: "prometheus/v1"
service: "shop"
labels: {owner: "team"}
slos:
  - name: "availability"
    objective: 99.9
    description: "Answers to {{ everybody }}."
    sli:
      events:
        error_query: sum(rate(http_requests_total{code=~"5.."}[{{.window}}]))
        total_query: sum(rate(http_requests_total[{{.window}}]))
    alerting:
      name: Shop
      page_alert: {labels: {severity: page}}
  - name: "raw"
    objective: 99
    sli:
      raw:
        error_ratio_query: sum(rate(bad[{{ .window }}])) / sum(rate(all[{{ .window }}]))
"""
KUBERNETES = """\
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: shop}
spec:
  service: shop
  slos:
    - name: availability
      objective: 99.5
      sli:
        events:
          errorQuery: sum(increase(bad[{{.window}}]))
          totalQuery: sum(increase(all[{{.window}}]))
"""
OPENSLO = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
spec: {description: x}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: good-answers}
spec:
  ratioMetric:
    counter: true
    good:
      metricSource:
        type: Prometheus
        spec: {query: 'sum(rate(http_requests_total{code!~"5.."}[5m]))'}
    total:
      metricSource: {metricSourceRef: prom, spec: {promql: 'http_requests_total{job="shop"}'}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: shop}
spec:
  service: shop
  indicatorRef: good-answers
  timeWindow: [{duration: 1M, isRolling: false, calendar: {startTime: x, timeZone: UTC}}]
  budgetingMethod: Occurrences
  objectives:
    - {displayName: most, target: 0.99}
    - {displayName: all, targetPercent: 99.9}
  alertPolicies: [x]
"""


def read(text: str) -> list[Slo]:
    """Return the objectives of a file."""
    return read_production(text.encode(), "file.yaml")


def expressions(slo: Slo) -> dict[str, str]:
    """Return each recorded series with its expression."""
    lines = rules([slo]).splitlines()
    return {
        line.split("record: ")[1]: json.loads(lines[at + 1].split("expr: ")[1])
        for at, line in enumerate(lines)
        if "record: " in line
    }


def test_sloths_events_and_raw_ratios_become_rules() -> None:
    """Its window stands for each rule's; events of a rate are counted by the window's length."""
    available, raw = read(SLOTH)
    assert (available.name, available.objective) == ("shop-availability", 1 - available.budget)
    found = expressions(available)
    assert found["slo:sli_error:ratio_rate1h"] == (
        '(sum(rate(http_requests_total{code=~"5.."}[1h]))) / (sum(rate(http_requests_total[1h])))'
    )
    assert found["slo:sli_events:increase1h"] == "(sum(rate(http_requests_total[1h]))) * 3600"
    assert expressions(raw)["slo:sli_error:ratio_rate5m"] == (
        "sum(rate(bad[5m])) / sum(rate(all[5m]))"
    )
    assert "slo:sli_events" not in rules([raw])


def test_kubernetes_resources_of_sloth_are_the_same() -> None:
    """Their names are written together, and an increase counts by itself."""
    (slo,) = read(KUBERNETES)
    assert expressions(slo)["slo:sli_events:increase5m"] == "sum(increase(all[5m]))"


def test_openslos_usual_ratio_becomes_rules() -> None:
    """Indicators may stand apart, sources may name their data source, objectives may be several."""
    most, every = read(OPENSLO)
    assert (most.name, every.name, most.period_s) == ("shop-most", "shop-all", 30 * DAY_S)
    assert expressions(most)["slo:sli_error:ratio_rate6h"] == (
        '1 - (sum(rate(http_requests_total{code!~"5.."}[6h]))) / '
        'sum(rate(http_requests_total{job="shop"}[6h]))'
    )


def test_every_fault_of_a_document_is_told_with_file_and_document() -> None:
    """Who repairs a file wants to do it once."""
    broken = OPENSLO.replace("Prometheus", "Datadog").replace("1M", "1x")
    broken = broken.replace("target: 0.99", "target: 99").replace("Occurrences", "Timeslices")
    with pytest.raises(UsageError) as told:
        read(broken)
    lines = told.value.message.splitlines()
    assert all(line.startswith("file.yaml: document 3: shop: ") for line in lines[:-1])
    assert lines[-1] == "file.yaml: 4 mistakes"
    for words in ("Datadog", "1x", "99 does not lie", "Timeslices"):
        assert any(words in line for line in lines), words


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("indicatorRef: good-answers", "indicatorRef: other"), "is not in this file"),
        (("kind: SLO", "kind: Thing"), "is neither an SLO"),
        (("http_requests_total{job=", "sum(http_requests_total{job="), "has no range"),
        (("apiVersion: openslo/v1\nkind: SLO", "apiVersion: v2\nkind: SLO"), "'v2'"),
    ],
)
def test_what_cannot_be_used_says_why(change: tuple[str, str], reason: str) -> None:
    """No fault is passed over."""
    with pytest.raises(UsageError, match=reason):
        read(OPENSLO.replace(*change))


def test_the_command_reads_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`slo rules` takes the file as its owner has it."""
    file = tmp_path / "sloth.yml"
    file.write_text(SLOTH)
    assert run(command, "slo", ["rules", str(file)]) == 0
    assert "ShopAvailabilityBudgetBurnPage" in capsys.readouterr().out


def test_braces_are_text_to_prometheus() -> None:
    """Labels and annotations of alerts are templates there; a name with braces is no template."""
    text = rules([Slo("99 {{ $labels.x }}", read(SLOTH)[0].objective)])
    in_alerts = text[text.index("-alerts") :]
    assert "alert: Slo99LabelsXBudgetBurnPage" in in_alerts
    assert '{{ \\"{{\\" }} $labels.x }}' in in_alerts


@pytest.mark.parametrize(
    "text",
    [
        "http_req_failed: rate < 5",
        "http_req_failed: rate <= 1",
        "http_req_failed: rate < 101%",
        "http_req_failed: rate >= 0",
        "http_req_duration: p(95) >= 0",
        "http_req_duration: p(95) > -1ms",
        "http_reqs: count >= 0",
        "checks: rate != 7",
    ],
)
def test_a_limit_that_nothing_can_miss_is_told(text: str) -> None:
    """It would judge nothing."""
    with pytest.raises(UsageError, match="nothing can miss"):
        parse_threshold(text)


def test_a_share_written_as_per_cent_is_offered() -> None:
    """Who writes 5 for a share means 5 per cent."""
    with pytest.raises(UsageError) as told:
        parse_threshold("http_req_failed: rate < 5")
    assert told.value.hint == "Did you mean 5%?"


@pytest.mark.parametrize(
    "text",
    [
        "http_req_failed: rate <= 0",
        "checks: rate >= 1",
        "http_req_failed: rate < 100%",
        "dropped_iterations: count == 0",
        "http_req_duration: p(95) < 200",
        "http_reqs: rate > 0",
    ],
)
def test_a_limit_that_can_be_missed_is_taken(text: str) -> None:
    """The ends of what is possible are limits."""
    parse_threshold(text)


@pytest.mark.parametrize(
    "name",
    [
        "browser_web_vital_inp",
        "browser_http_req_failed",
        "browser_data_sent",
        "ws_ping",
        "grpc_streams_msgs_sent",
    ],
)
def test_every_built_in_metric_of_k6_is_understood(name: str) -> None:
    """The measurements do not hold it, so a threshold on it is inconclusive, not refused."""
    assert not METRICS[name].recorded
    measure = "p(75) < 500" if METRICS[name].kind == "trend" else "rate < 0.1"
    parse_threshold(f"{name}: {measure}")
