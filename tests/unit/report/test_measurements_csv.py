"""Measurements as CSV: what was counted, no more and no less, and nothing that runs."""

import csv
import io
import json
from pathlib import Path

import msgspec
import pytest

from made_artifacts import Plan, honest, write, write_injection
from stressproof.cli.main import command
from stressproof.cli.run import run
from stressproof.evidence.stress import StressArtifact
from stressproof.exits import Exit
from stressproof.report.measurements_csv import COLUMNS, csv_text

pytestmark = pytest.mark.gate


@pytest.fixture(scope="module")
def artifact() -> StressArtifact:
    """A capture as it might have been."""
    made: StressArtifact = honest.artifact(Plan(rate_per_user=5.0))
    return made


def lines(text: str) -> list[dict[str, str]]:
    """Return the lines as a spreadsheet reads them."""
    return list(csv.DictReader(io.StringIO(text)))


def test_a_line_is_an_endpoint_in_a_second(artifact: StressArtifact) -> None:
    """Every row is there, the empty ones too, and the counts add up to the results."""
    found = lines(csv_text([("a.json", artifact)]))
    assert len(found) == sum(len(run.rows) for run in artifact.measurements.runs)
    assert tuple(found[0]) == COLUMNS
    for counted, column in (
        (artifact.results.successful_requests, "ok"),
        (artifact.results.failed_requests, "failed"),
        (artifact.results.total_requests, "started"),
    ):
        assert sum(int(line[column]) for line in found) == counted, column
    assert {line["endpoint"] for line in found} == set(artifact.endpoints)
    worst = max(int(line["max_us"]) for line in found if line["max_us"])
    assert worst == round((artifact.results.max_response_time or 0) * 1_000_000)


def test_times_are_those_of_the_round(artifact: StressArtifact) -> None:
    """A second has the time at which it began, so that it meets what others recorded then."""
    found = lines(csv_text([("a.json", artifact)]))
    starts = {str(run.run_index): run.started_at for run in artifact.runs}
    first = {line["round"]: line["at"] for line in reversed(found)}
    assert {number: at[:19] for number, at in first.items()} == {
        number: at[:19] for number, at in starts.items()
    }


def test_a_strangers_name_is_no_formula(artifact: StressArtifact) -> None:
    """What a spreadsheet would compute is shown as the text that it is."""
    first, *others = artifact.workload.endpoints
    asked = [msgspec.structs.replace(first, name="=HYPERLINK(1)", scenario="@SUM(1)"), *others]
    workload = msgspec.structs.replace(artifact.workload, endpoints=asked)
    strange = msgspec.structs.replace(artifact, workload=workload)
    assert lines(csv_text([("@a.json", strange)]))[0]["file"] == "'@a.json"
    assert lines(csv_text([("a.json", strange)]))[0]["endpoint"] == "'=HYPERLINK(1)"
    assert lines(csv_text([("a.json", strange)]))[0]["scenario"] == "'@SUM(1)"


def test_the_command_writes_a_file_or_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both hold the same, several files one after the other."""
    paths = [str(write(tmp_path / name)) for name in ("a.json", "b.json")]
    assert run(command, "stressproof", ["report", *paths, "--csv", "-"]) == Exit.PASS
    shown = capsys.readouterr().out
    out = tmp_path / "run.csv"
    assert run(command, "stressproof", ["report", *paths, "--csv", str(out)]) == Exit.PASS
    assert out.read_text() == shown
    assert [*dict.fromkeys(line["file"] for line in lines(shown))] == paths


def test_what_cannot_be_exported_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No form, no stress evidence, edited figures: each has its code, and leaves no file."""
    evidence, out = write(tmp_path / "a.json"), tmp_path / "run.csv"
    injected = write_injection(tmp_path / "f.json")
    edited = tmp_path / "e.json"
    document = json.loads(evidence.read_text())
    document["results"]["failed_requests"] += 1
    edited.write_text(json.dumps(document))
    for arguments, code, said in (
        ([str(evidence)], Exit.USAGE, "--csv"),
        ([str(evidence), "--csv", str(out), "--baseline", str(evidence)], Exit.USAGE, "--html"),
        ([str(injected), "--csv", str(out)], Exit.USAGE, "f.json is no stress evidence"),
        ([str(edited), "--csv", str(out)], Exit.EVIDENCE, "e.json"),
        ([str(tmp_path / "none.json"), "--csv", str(out)], Exit.INCONCLUSIVE, "none.json"),
    ):
        assert run(command, "stressproof", ["report", *arguments]) == code, arguments
        assert said in capsys.readouterr().err
    assert not out.exists()


def test_the_same_request_of_two_scenarios_is_two_lines(artifact: StressArtifact) -> None:
    """Endpoints are named once, and counted for each scenario that asks them."""
    first, second, *others = artifact.workload.endpoints
    twice = [first, msgspec.structs.replace(first, scenario="other"), *others]
    made = msgspec.structs.replace(
        artifact,
        workload=msgspec.structs.replace(artifact.workload, endpoints=twice),
        endpoints=[one for one in artifact.endpoints if one != second.name],
    )
    found = [
        (line["scenario"], line["endpoint"])
        for line in lines(csv_text([("a.json", made)]))
        if line["second"] == line["round"] == "1"
    ]
    assert found == [(one.scenario, one.name) for one in twice]
