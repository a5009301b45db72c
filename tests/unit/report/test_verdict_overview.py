"""What an approver reads: who, what was broken, how long recovery took, each endpoint."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from made_artifacts import Plan, honest_injection, write, write_injection
from stressproof.cli.verify import command

pytestmark = pytest.mark.gate


def verify(path: Path, *flags: str) -> str:
    """Return what ``stressproof verify`` prints on stdout."""
    done = CliRunner().invoke(command, [str(path), *flags], standalone_mode=False)
    assert done.exception is None, done.exception
    return done.stdout


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_people_scenarios_faults_and_recovery_are_named(tmp_path: Path, form: str) -> None:
    """Whoever approves needs no other document to know what was done to the build, and by whom."""
    path = write_injection(tmp_path / "failure.json")
    shown = verify(path, "--format", form)
    data = honest_injection.full()
    assert data["executed_by"] in shown
    assert data["approved_by"] in shown
    for scenario in data["scenarios"]:
        assert scenario["spec"]["title"] in shown
        assert scenario["status"].upper() in shown
        for fault in scenario["trial"]["faults"]:
            line = next(
                line for line in shown.splitlines() if f"{scenario['id']}/{fault['id']}" in line
            )
            lasted = (fault["healed_us"] - fault["effective_us"]) / 1e6
            assert f"{lasted:.2f} s" in line
            assert f"{fault['objectives']['rto_service_us'] / 1e6:.2f} s" in line
            assert f"{fault['recovery']['rto_service_us'] / 1e6:.2f} s" in line


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_every_endpoint_has_its_row(tmp_path: Path, form: str) -> None:
    """Slow or failing endpoints are seen by themselves."""
    path = write(tmp_path / "stress.json")
    shown = verify(path, "--format", form)
    data = json.loads(path.read_text())
    for position, endpoint in enumerate(data["endpoints"]):
        results = [run["endpoints"][position]["results"] for run in data["runs"]]
        worst = max(one["p95_response_time"] for one in results)
        line = next(line for line in shown.splitlines() if endpoint in line)
        assert f"{worst * 1000:.0f} ms" in line
        assert f"{sum(one['total_requests'] for one in results):,}" in line


def test_what_was_not_checked_is_told_on_demand(tmp_path: Path) -> None:
    """A reader who does not ask is not led through rules that had nothing to compare."""
    path = write(tmp_path / "stress.json")
    runner = CliRunner()
    plain = runner.invoke(command, [str(path)], standalone_mode=False)
    verbose = runner.invoke(command, [str(path), "--verbose"], standalone_mode=False)
    assert "unchecked" not in plain.output
    assert "unchecked" in verbose.stderr
    assert plain.stdout == verbose.stdout


def test_words_of_the_evidence_are_one_harmless_line(tmp_path: Path) -> None:
    """A name in evidence moves no cursor, and mentions nobody in a pull request."""
    path = write_injection(tmp_path / "failure.json")
    data = json.loads(path.read_text())
    data["executed_by"] = "@everyone \x1b[2J | a"
    path.write_text(json.dumps(data))
    assert "\x1b" not in verify(path)
    row = next(
        line for line in verify(path, "--format", "markdown").splitlines() if "@everyone" in line
    )
    assert row.startswith("| executed by | `@everyone ")
    assert row.count("|") == 3


def test_one_is_told_in_the_singular_and_a_warning_is_no_rule_that_failed(tmp_path: Path) -> None:
    """Whoever reads that a rule does not hold looks for what blocks; a warning blocks nothing."""
    path = write(tmp_path / "stress.json", Plan(rounds=1, rate_per_user=0.5))
    done = CliRunner().invoke(command, [str(path)], standalone_mode=False)
    assert "1 round " in done.stdout
    blocking = sum(line.startswith("FAIL  stress.") for line in done.stdout.splitlines())
    assert "WARN  stress.few-samples" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert f", {blocking} do not, 1 warned, " in last
