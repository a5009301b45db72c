"""What CI systems read: JUnit, GitHub's annotations and summary, GitLab's load performance."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from made_artifacts import Plan, write, write_injection
from stressproof.cli.check import command as check_command
from stressproof.cli.report import command
from stressproof.errors import UsageError
from stressproof.evidence.results import Thresholds

pytestmark = pytest.mark.gate

SLOW = Plan(rate_per_user=5.0, limits=Thresholds(0.05, 1.0, 0.5))


def report(*arguments: object) -> Result:
    """Run ``stressproof report``."""
    done = CliRunner().invoke(command, [*map(str, arguments)], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def suites(path: Path) -> list[ET.Element]:
    """Return the suites of a file, each counted as it says."""
    found = list(ET.fromstring(path.read_text()).iter("testsuite"))  # noqa: S314  # our own
    for suite in found:
        cases = list(suite.iter("testcase"))
        assert int(suite.attrib["tests"]) == len(cases)
        for tag in ("failure", "error"):
            count = sum(case.find(tag) is not None for case in cases)
            assert int(suite.attrib[f"{tag}s"]) == count
    return found


def test_every_objective_is_a_test_and_so_is_the_evidence(tmp_path: Path) -> None:
    """What holds is green, what is missed is red with its figure and limit."""
    good, slow = write(tmp_path / "good.json"), write(tmp_path / "slow.json", SLOW)
    report(good, slow, "--junit", tmp_path / "r.xml")
    passed, missed = suites(tmp_path / "r.xml")
    assert passed.attrib["failures"] == "0"
    assert {case.attrib["name"] for case in passed.iter("testcase")} >= {
        "http_req_duration: p(95) <= 2s",
        "the evidence can be believed",
    }
    (case,) = [one for one in missed.iter("testcase") if "p(95)" in one.attrib["name"]]
    failure = case.find("failure")
    assert failure is not None
    assert "against <= 50 ms" in failure.attrib["message"]


def test_scenarios_are_tests(tmp_path: Path) -> None:
    """An injection has a case for each scenario; what is inconclusive is an error, never green."""
    report(write_injection(tmp_path / "failure.json"), "--junit", tmp_path / "r.xml")
    (suite,) = suites(tmp_path / "r.xml")
    names = [case.attrib["name"] for case in suite.iter("testcase")]
    assert [name.split(":")[0] for name in names[:5]] == [f"FI-00{at}" for at in range(1, 6)]
    assert int(suite.attrib["errors"]) >= 4


def test_rejected_evidence_makes_no_green_suite(tmp_path: Path) -> None:
    """Objectives of figures that cannot be believed are not asked, and the evidence is red."""
    path = write(tmp_path / "forged.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"min_throughput_rps": 9999.0}))
    report(path, "--junit", tmp_path / "r.xml")
    (suite,) = suites(tmp_path / "r.xml")
    assert suite.attrib["tests"] == suite.attrib["failures"] == "1"


def test_github_is_told_in_annotations_and_on_the_page_of_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missed objective is an error with its figure; the page has every objective."""
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    done = report(write(tmp_path / "slow.json", SLOW), "--github")
    lines = done.stderr.splitlines()
    (missed,) = [line for line in lines if line.startswith("::error title=http_req_duration")]
    assert "against <= 50 ms" in missed
    assert lines[-1].startswith("::notice title=Load%3A enforcement on ")
    assert "| `http_req_duration: p(95) <= 0.05s` | ✗ FAIL |" in page.read_text()


def test_gitlab_gets_k6s_metrics_from_the_measurements(tmp_path: Path) -> None:
    """Counts are exact, times are in milliseconds, and quantiles are those of the evidence."""
    path = write(tmp_path / "a.json")
    report(path, "--gitlab", tmp_path / "performance.json")
    metrics = json.loads((tmp_path / "performance.json").read_text())["metrics"]
    evidence = json.loads(path.read_text())
    total = evidence["results"]["total_requests"]
    assert metrics["http_reqs"]["count"] == total
    elapsed = sum(run["elapsed_us"] for run in evidence["measurements"]["runs"]) / 1e6
    assert metrics["http_reqs"]["rate"] == pytest.approx(total / elapsed)
    assert metrics["http_req_failed"] == {"passes": 0, "fails": total, "value": 0.0}
    worst = max(run["results"]["max_response_time"] for run in evidence["runs"])
    assert metrics["http_req_duration"]["max"] == pytest.approx(worst * 1000)
    trend = metrics["http_req_duration"]
    assert trend["min"] <= trend["med"] <= trend["p(90)"] <= trend["p(95)"] <= trend["max"]


def test_without_a_load_gitlab_gets_no_figures(tmp_path: Path) -> None:
    """No data is no metric: a zero would read as very fast."""
    report(write_injection(tmp_path / "f.json"), "--gitlab", tmp_path / "performance.json")
    assert json.loads((tmp_path / "performance.json").read_text()) == {"metrics": {}}


def check(*arguments: object) -> Result:
    """Run ``stressproof check``."""
    done = CliRunner().invoke(check_command, [*map(str, arguments)], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def test_check_tells_ci_what_was_asked_of_the_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The objectives that were named, and none that the capture had: those it has told before."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    evidence = write(tmp_path / "slow.json", SLOW)
    asked = ("--threshold", "http_req_failed: rate < 1%", "--threshold", "http_reqs: count > 1e9")
    done = check(
        *("--evidence", evidence, *asked, "--github"),
        *("--junit", tmp_path / "r.xml", "--gitlab", tmp_path / "performance.json"),
    )
    assert done.return_value == 99
    (suite,) = suites(tmp_path / "r.xml")
    outcomes = {
        case.attrib["name"]: case.find("failure") is None for case in suite.iter("testcase")
    }
    assert outcomes == {
        "http_req_failed: rate < 1%": True,
        "http_reqs: count > 1000000000": False,
        "the evidence can be believed": True,
    }
    errors = [line for line in done.stderr.splitlines() if line.startswith("::error")]
    assert len(errors) == 1
    assert "http_reqs" in errors[0]
    assert "✗ FAIL: `Objectives: enforcement on " in (tmp_path / "summary.md").read_text()
    assert json.loads((tmp_path / "performance.json").read_text())["metrics"]["http_reqs"]


def test_more_annotations_than_are_shown_are_counted(tmp_path: Path) -> None:
    """GitHub drops the eleventh of a kind without a word; the tenth says how many there are."""
    evidence = write(tmp_path / "a.json")
    asked = [f"http_reqs: count > {10**9 + at}" for at in range(14)]
    flags = [word for text in asked for word in ("--threshold", text)]
    done = check("--evidence", evidence, *flags, "--github")
    errors = [line for line in done.stderr.splitlines() if line.startswith("::error")]
    assert len(errors) == 10
    assert errors[-1].startswith("::error title=and 5 more::http_reqs")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--junit", "r.xml"), "tell what came of evidence, or of sending once"),
        (("--github",), "tell what came of evidence, or of sending once"),
        (("--once", "--gitlab", "p.json"), "--gitlab compares loads, and --once sends none"),
    ],
)
def test_check_refuses_forms_of_what_has_no_outcome(
    arguments: tuple[str, ...], message: str
) -> None:
    """A file that is only looked at would be a suite without tests, which reads as green."""
    done = CliRunner().invoke(check_command, [*arguments], standalone_mode=False)
    assert isinstance(done.exception, UsageError)
    assert message in done.exception.message
