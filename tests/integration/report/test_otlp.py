"""Metrics over OTLP, as a collector's receiver decodes them: while a load runs and afterwards."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from made_artifacts import Plan, write, write_injection
from otlp_receiver import Point, Receiver, running_receiver
from own_folder import Stressproof, passed, stressproof_in
from shop_service import Shop, running_shop
from stressproof.exits import Exit

FILE = """
[target]
url = "{url}"

[profile.shop]
rate = "40/s"
max_vus = 8
duration = "3s"
ramp = "0s"
rounds = 2
pause = "0s"

[[profile.shop.request]]
path = "/catalog"

[[profile.shop.request]]
path = "/absent"

[[profile.shop.flow]]
run = "flows.py:browse"
"""
FLOWS = """
from stressproof.flow import User


async def browse(user: User) -> None:
    await user.get("/catalog")
"""
SILENT = "OTEL_EXPORTER_OTLP_TIMEOUT"


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """A shop that is running."""
    with running_shop() as running:
        yield running


@pytest.fixture
def collector() -> Iterator[Receiver]:
    """A collector that is running."""
    with running_receiver() as running:
        yield running


@pytest.fixture
def stressproof(tmp_path: Path) -> Stressproof:
    """The command in an empty folder."""
    return stressproof_in(tmp_path)


def figures(receiver: Receiver) -> dict[Any, Any]:
    """Return what the last point of each series says."""
    return {key: point.value for key, point in receiver.last().items()}


def quick(shop: Shop, *more: str) -> tuple[str, ...]:
    """Return a capture of a second."""
    return ("capture", f"{shop.url}/catalog", "--duration", "1s", "--ramp", "0", *more)


def test_a_load_is_sent_while_it_runs_and_the_same_afterwards(
    shop: Shop, stressproof: Stressproof, tmp_path: Path, collector: Receiver
) -> None:
    """Every figure is that of the evidence, and no moment of sending changes one."""
    (tmp_path / "stressproof.toml").write_text(FILE.format(url=shop.url))
    (tmp_path / "flows.py").write_text(FLOWS)
    ran = stressproof(
        *("capture", "--profile", "shop", "--no-enforce", "--out", "e.json"),
        *("--allow-preflight-failures", "--otlp", collector.url),
        OTEL_METRIC_EXPORT_INTERVAL="300",
    )
    assert ran.returncode == Exit.PASS, ran.stdout + ran.stderr
    evidence = json.loads((tmp_path / "e.json").read_text())
    kinds = {one.get("kind") for one in evidence["workload"]["endpoints"]}
    assert kinds == {None, "flow", "step"}
    check_evidence(collector, evidence)
    # Live: it came in several parts over the seconds of the load, not all at its end.
    assert collector.arrived_s[-1] - collector.arrived_s[0] > 3
    assert len({(one.at_ns, one.series["stressproof.round"]) for one in collector.points}) > 5

    with running_receiver() as later:
        ran = stressproof("report", "e.json", "--otlp", f"{later.url}/v1/metrics/")
        assert ran.returncode == Exit.PASS, ran.stderr
        assert ran.stderr == f"metrics sent to {later.url}/v1/metrics\n"
        assert figures(later) == figures(collector)


def check_evidence(collector: Receiver, evidence: dict[str, Any]) -> None:
    """Hold what a collector got in the end against every row of some evidence."""
    for run in evidence["measurements"]["runs"]:
        for position, endpoint in enumerate(evidence["workload"]["endpoints"]):
            rows = [row for row in run["rows"] if row["endpoint"] == position]
            check_endpoint(collector, run["run_index"], endpoint, rows)


def check_endpoint(
    collector: Receiver, run_index: int, endpoint: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    """Hold what a collector got of an endpoint against the rows of a round."""
    flow = endpoint.get("kind") == "flow"
    of = {"stressproof_round": str(run_index), "stressproof_scenario": "default"}
    if "flow" in endpoint:
        of["stressproof_flow"] = endpoint["flow"]
    if not flow:
        of |= {"url_template": endpoint["name"], "http_request_method": endpoint["method"]}
    name = "stressproof.iteration.duration" if flow else "http.client.request.duration"
    found = [one for one in collector.named(name, **of) if flow or same_flow(one, endpoint)]
    (point,) = found
    assert (point.kind, point.unit) == ("histogram", "s")
    assert point.data.count == sum(row["corrected"]["n"] for row in rows)
    assert sum(point.data.bucket_counts) == point.data.count
    total_us = sum(row["corrected"]["sum_us"] for row in rows)
    assert point.data.sum == pytest.approx(total_us / 1e6)
    assert point.data.max == max(row["corrected"]["max_us"] or 0 for row in rows) / 1e6
    counted: dict[str, int] = {}
    for row in rows:
        for outcome, count in row["outcomes"].items():
            counted[outcome] = counted.get(outcome, 0) + count
    ended = {
        one.series.get("error.type", "ok"): one.value
        for one in collector.named("stressproof.requests", **of)
        if same_flow(one, endpoint) and ("url.template" in one.series) is not flow
    }
    assert ended == counted


def same_flow(point: Point, endpoint: dict[str, Any]) -> bool:
    """Whether a point is of the same flow as an endpoint, or both of none."""
    return point.series.get("stressproof.flow") == endpoint.get("flow")


def test_what_was_asked_of_the_generator_is_a_metric(tmp_path: Path, collector: Receiver) -> None:
    """Users, the rate asked, and arrivals that found no user, each of its scenario."""
    path = write(tmp_path / "a.json", Plan(rate_per_user=5.0))
    ran = stressproof_in(tmp_path)("report", path, "--otlp", collector.url)
    assert ran.returncode == Exit.PASS, ran.stderr
    evidence = json.loads(path.read_text())
    check_evidence(collector, evidence)
    (scenario,) = evidence["workload"]["scenarios"]
    users = collector.named("stressproof.users", stressproof_round="1")
    assert [(one.kind, one.value) for one in users] == [("gauge", scenario["users"])]
    assert collector.named("stressproof.rate.asked") == []  # nobody is asked at a rate
    dropped = collector.named("stressproof.dropped_iterations", stressproof_round="1")
    assert {one.value for one in dropped} == {0}
    assert len(dropped) == len(evidence["workload"]["endpoints"])
    assert {one["service.name"] for one in collector.resources} == {"stressproof"}
    host, port = evidence["target_url"].removeprefix("http://").split(":")
    assert {(one.series["server.address"], one.series["server.port"]) for one in users} == {
        (host, port)
    }
    # A point for every ten seconds, so that what is sent afterwards can be drawn over time.
    of_first = [one for one in collector.points if one.series["stressproof.round"] == "1"]
    counted = [one for one in of_first if one.metric == "http.client.request.duration"]
    times = {round((one.at_ns - one.since_ns) / 1e9): one.at_ns for one in counted}
    assert list(times) == [10, 20, 30]
    asked = [one.at_ns for one in of_first if one.metric == "stressproof.users"]
    assert asked == list(times.values())


def test_a_rate_is_told_as_it_is_asked(
    shop: Shop, stressproof: Stressproof, collector: Receiver
) -> None:
    """Of stages it is the rate of that moment."""
    ran = stressproof(
        *("capture", f"{shop.url}/catalog", "--stage", "60:3s", "--users", "5"),
        *("--executor", "ramping-arrival-rate", "--rate", "0", "--ramp", "0"),
        *("--no-enforce", "--otlp", collector.url),
        OTEL_METRIC_EXPORT_INTERVAL="100",
    )
    assert ran.returncode == Exit.PASS, ran.stdout + ran.stderr
    asked = {
        one.at_ns: one.value for one in collector.points if one.metric == "stressproof.rate.asked"
    }
    seconds = {
        one.at_ns: round((one.at_ns - one.since_ns) / 1e9)
        for one in collector.points
        if one.metric == "http.client.request.duration"
    }
    assert asked == {at_ns: 20 * second for at_ns, second in seconds.items()}
    assert len(asked) > 1


def test_environment_says_where_to_as_for_every_program(
    shop: Shop, stressproof: Stressproof, collector: Receiver
) -> None:
    """OpenTelemetry's own variables hold: endpoint, headers, names, and what switches it off."""
    said = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{collector.url}/",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a",
        "OTEL_SERVICE_NAME": "nightly",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=ci",
    }
    for off in (
        {"OTEL_METRICS_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ):
        assert passed(stressproof(*quick(shop), **said, **off))
        assert collector.points == []
    assert passed(stressproof(*quick(shop), **said))
    assert collector.named("http.client.request.duration")
    assert collector.headers["x-tenant"] == "a"
    (resource,) = collector.resources
    assert resource["service.name"] == "nightly"
    assert resource["deployment.environment"] == "ci"


@pytest.mark.parametrize("status", [503, 401], ids=["busy", "refusing"])
def test_what_was_not_taken_at_first_arrives_with_the_next_sending(
    shop: Shop, tmp_path: Path, collector: Receiver, status: int
) -> None:
    """Points are cumulative: one that is lost on the way is made up for, and counts are whole."""
    collector.answers = [status]
    flags = ("--duration", "3s", "--otlp", collector.url, "--out", "e.json")
    ran = stressproof_in(tmp_path)(*quick(shop, *flags), OTEL_METRIC_EXPORT_INTERVAL="300")
    assert passed(ran), ran.stdout + ran.stderr
    assert ("did not take the metrics: it answered 401" in ran.stderr) is (status == 401)
    evidence = json.loads((tmp_path / "e.json").read_text())
    (point,) = collector.named("http.client.request.duration")
    assert point.data.count == evidence["results"]["total_requests"]


@pytest.mark.parametrize(
    ("answers", "told"),
    [([], "no connection (Connection refused)"), ([401] * 9, "it answered 401 Unauthorized")],
    ids=["nobody listens", "refused"],
)
def test_metrics_that_are_not_taken_are_told_and_nothing_else_is_lost(
    shop: Shop, tmp_path: Path, collector: Receiver, answers: list[int], told: str
) -> None:
    """7 where a flag asked for them, after summary and verdict; the environment fails no load."""
    stressproof = stressproof_in(tmp_path)
    collector.answers = answers
    url = collector.url if answers else "http://127.0.0.1:1"
    ran = stressproof(*quick(shop, "--out", "e.json", "--otlp", url), **{SILENT: "1"})
    assert ran.returncode == Exit.OUTPUT
    assert "(exit " in ran.stdout.splitlines()[-1]
    assert ran.stderr.endswith(
        f"stressproof: {url}/v1/metrics did not take the metrics: {told}\n"
        "  The evidence holds them: stressproof report FILE --otlp URL\n"
    )
    assert (tmp_path / "e.json").stat().st_size
    collector.answers = list(answers)
    ran = stressproof(*quick(shop), OTEL_EXPORTER_OTLP_ENDPOINT=url, **{SILENT: "1"})
    assert passed(ran), ran.stdout + ran.stderr
    assert told in ran.stderr
    collector.answers = list(answers)
    ran = stressproof("report", "e.json", "--otlp", url, **{SILENT: "1"})
    assert ran.returncode == Exit.OUTPUT
    assert ran.stderr == (
        f"stressproof: {url}/v1/metrics did not take the metrics: {told}\n"
        "  Name an OTLP receiver that speaks HTTP, such as http://127.0.0.1:4318.\n"
    )


def test_a_collector_that_never_answers_holds_nobody_up(shop: Shop, tmp_path: Path) -> None:
    """The exporter's own time-out ends it, and a second Ctrl-C would at once."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ran = stressproof_in(tmp_path)(*quick(shop, "--otlp", url), **{SILENT: "1"})
    assert ran.returncode == Exit.OUTPUT
    assert "did not take the metrics: it did not answer in time\n" in ran.stderr


@pytest.mark.parametrize(
    ("url", "variables", "message"),
    [
        ("collector:4318", {}, "'collector:4318' is no URL of a collector"),
        ("", {}, "'' is no URL of a collector"),
        (
            "http://127.0.0.1:1",
            {"OTEL_METRIC_EXPORT_INTERVAL": "5s"},
            "OTEL_METRIC_EXPORT_INTERVAL is '5s', expected milliseconds",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_load(
    shop: Shop, stressproof: Stressproof, url: str, variables: dict[str, str], message: str
) -> None:
    """A load is not run for metrics that could go nowhere."""
    before = shop.served.total()
    ran = stressproof(*quick(shop, "--otlp", url), **variables)
    assert ran.returncode == Exit.USAGE
    assert ran.stderr.startswith(f"stressproof: {message}")
    assert "Traceback" not in ran.stderr
    assert shop.served.total() == before


def test_a_password_of_the_collector_is_not_shown(tmp_path: Path) -> None:
    """What a URL says of a user stays out of every message."""
    path = write(tmp_path / "a.json")
    ran = stressproof_in(tmp_path)(
        "report", path, "--otlp", "http://me:s3cret@127.0.0.1:1", **{SILENT: "1"}
    )
    assert ran.returncode == Exit.OUTPUT
    assert "s3cret" not in ran.stderr
    assert "http://127.0.0.1:1/v1/metrics did not take" in ran.stderr


def test_failure_evidence_has_no_such_metrics(tmp_path: Path, collector: Receiver) -> None:
    """It is refused whole: half of what was asked for would read as all."""
    load, injection = write(tmp_path / "a.json"), write_injection(tmp_path / "f.json")
    ran = stressproof_in(tmp_path)("report", load, injection, "--otlp", collector.url)
    assert ran.returncode == Exit.USAGE
    assert collector.points == []


WITHOUT = """
import sys
for name in ("opentelemetry", "requests"):
    sys.modules[name] = None
from stressproof.cli.main import command
from stressproof.cli.run import run
sys.exit(run(command, "stressproof", sys.argv[1:]))
"""


def test_without_the_extra_it_is_named(shop: Shop, tmp_path: Path) -> None:
    """A flag is refused before the load; a variable that every program shares is only told."""

    def ran(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WITHOUT, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
            env={"PATH": "", "XDG_STATE_HOME": "/nonexistent", **variables},
        )

    refused = ran(*quick(shop, "--otlp", "http://127.0.0.1:1"))
    assert refused.returncode == Exit.USAGE
    assert refused.stderr == (
        "stressproof: sending metrics by OTLP needs the package requests, which is not installed "
        "here\n  pip install 'stressproof[otlp]'\n"
    )
    # And without being asked nothing of it is imported at all.
    assert passed(ran(*quick(shop, "--out", "e.json")))
    assert ran("report", "e.json", "--html", "r.html").returncode in {0, Exit.INCONCLUSIVE}
    told = ran(*quick(shop), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert passed(told)
    assert "pip install 'stressproof[otlp]'" in told.stderr
