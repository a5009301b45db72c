"""``check``, ``compare`` and ``slo`` as a user runs them, on whole artifacts."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from made_artifacts import Plan, honest, write
from stressproof.cli import check, compare, slo
from stressproof.cli.run import run
from stressproof.evidence.encoding import encode
from stressproof.evidence.results import Thresholds

Outcome = tuple[int, str, str]
Command = Callable[..., Outcome]

ONE = ("/api/v1/enforcement/policies",)
COMMANDS = {"check": check.command, "compare": compare.command, "slo": slo.command}


@pytest.fixture
def stressproof(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a sub-command and return its exit code, stdout and stderr."""

    def call(name: str, *arguments: object) -> Outcome:
        capsys.readouterr()
        code = run(COMMANDS[name], f"stressproof {name}", [str(one) for one in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A capture of three healthy rounds."""
    return write(tmp_path / "artifact.json")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that the healthy capture meets."""
    path = tmp_path / "stressproof.toml"
    path.write_text(
        """\
[limits]
max_p95_seconds = 2.0
max_error_rate_percent = 1.0
min_throughput_rps = 0.5

[thresholds]
"http_req_duration{name:/api/v1/enforcement/policies}" = "p(95) < 500ms"
http_req_failed = "rate < 1% over 10s"

[[slo]]
name = "half"
objective = "50%"
"""
    )
    return path


def test_check_says_what_a_file_asks(stressproof: Command, config: Path) -> None:
    """Without evidence nothing is judged: the file is valid, and each line is put in words."""
    code, out, _ = stressproof("check", config)
    assert code == 0
    assert "must be below 500 ms in every round" in out
    assert out.endswith("valid: 6 objectives\n")


def test_check_judges_evidence(stressproof: Command, config: Path, artifact: Path) -> None:
    """With evidence every objective is judged on its rows, and the exit code is the worst."""
    code, out, _ = stressproof("check", config, "--evidence", artifact)
    assert code == 0, out
    assert out.count("PASS") >= 6
    code, out, _ = stressproof(
        "check", "--evidence", artifact, "--threshold", "http_req_duration: p(95) < 1ms"
    )
    assert code == 99
    assert "FAIL  http_req_duration: p(95) < 1ms" in out
    code, out, _ = stressproof(
        "check", "--evidence", artifact, "--threshold", "http_req_duration: p(99.99) < 1h"
    )
    assert code == 3
    assert "too few samples" in out


def test_check_answers_in_json(stressproof: Command, config: Path, artifact: Path) -> None:
    """A machine gets every figure, the limit, the samples and the exit code."""
    code, out, err = stressproof("check", config, "--evidence", artifact, "--format", "json")
    told = json.loads(out)
    assert (told["outcome"], told["exit_code"], code) == ("pass", 0, 0)
    assert told["thresholds"][0]["limit_value"] == 2e6
    assert all(one["n"] > 0 for one in told["thresholds"])
    assert "PASS" in err


def test_check_without_anything_to_check_is_usage(
    stressproof: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file and no threshold is a question without content; an empty file judges nothing."""
    monkeypatch.chdir(tmp_path)
    assert stressproof("check")[0] == 2
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    assert stressproof("check", empty)[0] == 0
    evidence = write(tmp_path / "a.json")
    assert stressproof("check", empty, "--evidence", evidence)[0] == 3


def test_check_shows_faults_with_carets(stressproof: Command, tmp_path: Path) -> None:
    """All faults of a file are told at once on stderr, each with its line."""
    bad = tmp_path / "bad.toml"
    bad.write_text('[thresholds]\nhttp_reqs = "rat > 1"\nchecks = "rate > 1 msec"\n')
    code, out, err = stressproof("check", bad)
    assert (code, out) == (2, "")
    assert "bad.toml:2:" in err
    assert "bad.toml:3:" in err
    assert err.count("^^^") == 2


def test_evidence_whose_figures_do_not_follow_is_rejected(
    stressproof: Command, artifact: Path, tmp_path: Path
) -> None:
    """A forged artifact is not asked anything: exit 6, with the rule that rejected it."""
    document = json.loads(artifact.read_bytes())
    document["runs"][0]["results"]["p95_response_time"] = 0.001
    forged = tmp_path / "forged.json"
    forged.write_bytes(encode(document))
    code, _, err = stressproof("check", "--evidence", forged, "--threshold", "http_reqs: rate > 1")
    assert code == 6
    assert "p95_response_time" in err


def test_evidence_without_measurements_cannot_be_asked(
    stressproof: Command, tmp_path: Path
) -> None:
    """A plain protocol artifact has nothing to evaluate: inconclusive."""
    plain = tmp_path / "plain.json"
    plain.write_bytes(encode(honest.plain()))
    code, _, err = stressproof("check", "--evidence", plain, "--threshold", "http_reqs: rate > 1")
    assert code == 3
    assert "no measurements" in err
    assert (
        stressproof("check", "--evidence", tmp_path / "x", "--threshold", "checks: rate>1")[0] == 3
    )


def test_a_threshold_is_judged_against_a_baseline(
    stressproof: Command, artifact: Path, tmp_path: Path
) -> None:
    """A limit relative to a baseline needs one, and knows how far its rounds lie apart."""
    text = "http_req_duration: p(95) vs baseline + 200%"
    assert stressproof("check", "--evidence", artifact, "--threshold", text)[0] == 3
    later = write(tmp_path / "later.json", honest.later(Plan(rate_per_user=5.0), 600))
    code, out, _ = stressproof(
        "check", "--evidence", later, "--baseline", artifact, "--threshold", text
    )
    assert code == 0, out


def captures(tmp_path: Path, slowdown: float, rounds: int = 5) -> list[Path]:
    """Single-round captures of A and B, alternating in time; B's answers take longer."""
    paths = []
    for at in range(rounds):
        for side in "AB":
            plan = Plan(
                seed=100 + at,
                rounds=1,
                endpoints=ONE,
                limits=Thresholds(2.0, 1.0, 0.5),
                rate_per_user=4.0 / slowdown if side == "B" else 4.0,
            )
            number = len(paths)
            plan = honest.later(plan, 60 * number)
            path = tmp_path / f"{side}{at}.json"
            paths.append(write(path, plan))
    return paths


def pairs(paths: list[Path]) -> list[object]:
    """The arguments that compare alternating captures."""
    arguments: list[object] = [paths[0], paths[1]]
    for at in range(2, len(paths), 2):
        arguments += ["--pair", paths[at], paths[at + 1]]
    return arguments


def test_compare_finds_a_planted_slowdown(stressproof: Command, tmp_path: Path) -> None:
    """Five alternating rounds a side find that every answer takes half as long again."""
    code, out, _ = stressproof("compare", *pairs(captures(tmp_path, 1.5)))
    assert code == 99, out
    assert "FAIL" in out
    assert "interleaved" in out


def test_compare_does_not_blame_equal_builds(stressproof: Command, tmp_path: Path) -> None:
    """Equal builds do not fail, and the JSON says what was found."""
    paths = captures(tmp_path, 1.0)
    code, out, _ = stressproof("compare", *pairs(paths), "--format", "json", "--margin", "30%")
    told = json.loads(out)
    assert code != 99, out
    assert told["interleaved"] is True
    assert {one["figure"] for one in told["figures"]} == {"p(50)", "p(95)", "p(99)", "errors"}


def test_compare_refuses_what_differs_in_more_than_the_build(
    stressproof: Command, tmp_path: Path
) -> None:
    """Another workload, machine or generator is named, every difference of it."""
    a = write(tmp_path / "a.json", Plan(users=10))
    b = write(tmp_path / "b.json", honest.later(Plan(users=12), 600))
    code, _, err = stressproof("compare", a, b)
    assert code == 3
    assert "workload.scenarios(default).users: 10 and 12" in err
    made = honest.artifact(honest.later(Plan(rate_per_user=5.0), 600))
    generator = msgspec.structs.replace(made.generator, host="elsewhere", version="9.9.9")
    b.write_bytes(encode(msgspec.structs.replace(made, generator=generator)))
    code, _, err = stressproof("compare", a, b)
    assert code == 3
    assert 'machine.host: "runner" and "elsewhere"' in err
    assert "generator.version" in err


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (Plan(limits=Thresholds(0.001, 1.0, 0.5)), "missed its own limits"),
        (Plan(limits=Thresholds(None, None, None)), "without any limit"),
    ],
)
def test_compare_takes_no_baseline_that_did_not_pass(
    stressproof: Command, tmp_path: Path, plan: Any, why: str
) -> None:
    """A run that failed, or was asked nothing, cannot be what later runs are measured by."""
    a = write(tmp_path / "a.json", plan)
    b = write(tmp_path / "b.json", honest.later(Plan(rate_per_user=5.0), 600))
    code, _, err = stressproof("compare", a, b)
    assert code == 3
    assert why in err


def test_compare_takes_no_capture_twice(stressproof: Command, artifact: Path) -> None:
    """A capture compared with itself is a mistake."""
    assert stressproof("compare", artifact, artifact)[0] == 2


def test_compare_of_runs_one_after_the_other_is_inconclusive(
    stressproof: Command, artifact: Path, tmp_path: Path
) -> None:
    """Yesterday's capture and today's differ by the day as well."""
    later = write(tmp_path / "later.json", honest.later(Plan(rate_per_user=5.0), 1800))
    code, out, _ = stressproof("compare", artifact, later)
    assert code == 3, out
    assert "not interleaved" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "a.json"),
        ("compare", "a.json", "b.json", "--margin", "much"),
        ("compare", "a.json", "b.json", "--quantile", "95"),
        ("check", "--threshold", "p(95) < 200"),
        ("check", "--baseline", "a.json", "--threshold", "http_reqs: rate > 1"),
        ("check", "absent.toml"),
        ("slo", "rules", "absent.toml"),
    ],
)
def test_what_cannot_be_meant_is_usage(stressproof: Command, arguments: tuple[str, ...]) -> None:
    """Wrong arguments end with exit 2 and a sentence."""
    code, out, err = stressproof(*arguments)
    assert (code, out) == (2, "")
    assert err.strip()


def test_slo_rules_and_judgement_come_from_one_file(
    stressproof: Command, config: Path, artifact: Path
) -> None:
    """The file that writes production's alerts also judges the run."""
    code, out, _ = stressproof("slo", "rules", config)
    assert code == 0
    assert "record: slo:sli_error:ratio_rate1h" in out
    code, out, _ = stressproof("slo", "judge", config, artifact)
    assert code == 0, out
    assert out.endswith("PASS (exit 0)\n")


def test_slo_without_objectives_is_usage(stressproof: Command, tmp_path: Path) -> None:
    """An empty rule file would be taken for a covered service."""
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    assert stressproof("slo", "rules", empty)[0] == 2


def test_openslo_files_are_taken_where_the_name_says_so(
    stressproof: Command, artifact: Path, tmp_path: Path
) -> None:
    """An OpenSLO file is read by every command that reads objectives."""
    path = tmp_path / "slo.yaml"
    path.write_text(
        """\
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
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{targetPercent: 50}]
"""
    )
    assert stressproof("slo", "judge", path, artifact)[0] == 0
    assert stressproof("check", path, "--evidence", artifact)[0] == 0
    assert "available" in stressproof("slo", "rules", path)[1]


def test_objectives_are_judged_without_a_loop_a_server_or_a_screen(
    config: Path, artifact: Path
) -> None:
    """The offline spine stays light: no event loop, HTTP client or terminal library is loaded."""
    script = (
        "import sys; from stressproof.cli.main import command, run; "
        "code = run(command, 'stressproof', sys.argv[1:]); "
        "heavy = {'asyncio', 'rich', 'httpx', 'uvloop', 'jinja2', 'yaml'} & set(sys.modules); "
        "print(sorted(heavy), file=sys.stderr); sys.exit(code or bool(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "check", str(config), "--evidence", str(artifact)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == "[]"
