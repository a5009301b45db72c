"""A load as OpenMetrics, read by the format's own parser."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from made_artifacts import Plan, write
from stressproof.cli.report import command
from stressproof.evidence.stress import StressArtifact
from stressproof.report.openmetrics import render

pytestmark = pytest.mark.gate


def test_counts_and_histograms_are_those_of_the_evidence(tmp_path: Path) -> None:
    """Every request is in one bucket and one outcome, of its endpoint and its round."""
    path = write(tmp_path / "a.json", Plan(rate_per_user=5.0, failures=0.01))
    runner = CliRunner()
    done = runner.invoke(command, [str(path), "--openmetrics", "-"], standalone_mode=False)
    assert done.exception is None, done.exception
    assert done.stdout.endswith("# EOF\n")
    families = {one.name: one for one in text_string_to_metric_families(done.stdout)}
    durations = families["http_client_request_duration_seconds"].samples
    outcomes = families["stressproof_requests"].samples
    evidence = json.loads(path.read_text())
    for run in evidence["measurements"]["runs"]:
        for position, endpoint in enumerate(evidence["workload"]["endpoints"]):
            of = {"round": str(run["run_index"]), "url_template": endpoint["name"]}
            rows = [row for row in run["rows"] if row["endpoint"] == position]

            def value(name: str, of: dict[str, str] = of, **more: str) -> float:
                (found,) = [
                    sample.value
                    for sample in durations
                    if sample.name.endswith(name) and (of | more).items() <= sample.labels.items()
                ]
                return found

            requests = sum(row["corrected"]["n"] for row in rows)
            assert value("_count") == value("_bucket", le="+Inf") == requests
            total_us = sum(row["corrected"]["sum_us"] for row in rows)
            assert value("_sum") == pytest.approx(total_us / 1e6)
            slow = sum(
                row["corrected"]["n"] for row in rows if row["corrected"]["min_us"] > 250_000
            )
            assert value("_bucket", le="0.25") <= requests - slow
            ended = {
                sample.labels["outcome"]: sample.value
                for sample in outcomes
                if of.items() <= sample.labels.items()
            }
            counted: dict[str, int] = {}
            for row in rows:
                for outcome, count in row["outcomes"].items():
                    counted[outcome] = counted.get(outcome, 0) + count
            assert ended == counted


def test_what_a_name_holds_ends_no_label(tmp_path: Path) -> None:
    """Quotes, backslashes and new lines of evidence stay inside their label."""
    path = write(tmp_path / "a.json")
    hostile = 'a"} 1\nfoo{b="\\'
    path.write_text(json.dumps(json.loads(path.read_text()) | {"profile": hostile}))
    done = CliRunner().invoke(command, [str(path), "--openmetrics", "-"], standalone_mode=False)
    assert done.exception is None, done.exception
    families = list(text_string_to_metric_families(done.stdout))
    assert {one.name for one in families} == {
        "http_client_request_duration_seconds",
        "stressproof_requests",
        "stressproof_dropped_iterations",
    }
    assert {sample.labels["profile"] for one in families for sample in one.samples} == {hostile}


def test_the_same_request_of_two_scenarios_is_two_series(tmp_path: Path) -> None:
    """A series that came twice would end the reading of all others."""
    path = write(tmp_path / "a.json")
    artifact = msgspec.json.decode(path.read_bytes(), type=StressArtifact)
    (scenario,) = artifact.workload.scenarios
    twice = [
        *artifact.workload.endpoints[:1],
        msgspec.structs.replace(artifact.workload.endpoints[0], scenario="other"),
        *artifact.workload.endpoints[2:],
    ]
    both = [scenario, msgspec.structs.replace(scenario, name="other")]
    workload = msgspec.structs.replace(artifact.workload, scenarios=both, endpoints=twice)
    text = render([msgspec.structs.replace(artifact, workload=workload)])
    (durations, *_) = text_string_to_metric_families(text)
    series = [
        (sample.labels["round"], sample.labels["scenario"])
        for sample in durations.samples
        if sample.name.endswith("_count") and sample.labels["url_template"] == twice[0].name
    ]
    rounds = [str(run.run_index) for run in artifact.runs]
    assert sorted(series) == sorted((at, of) for at in rounds for of in ("default", "other"))
