"""The capture command as its users run it: a process, a real target, an artifact, an exit code."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fake_target import Answer, FakeTarget, as_json
from stressproof.cli.artifact import integrity
from stressproof.evidence import derive
from stressproof.evidence.measurements import answered
from stressproof.evidence.reading import read_document
from stressproof.evidence.stress import StressArtifact
from stressproof.exits import Exit
from stressproof.verify.instants import now_us
from stressproof.verify.stress.verifier import STRESS

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "load_test_api.py"
TOKEN = "aGVhZA.Ym9keQ.c2ln"
QUICK = ("--duration", "1", "--ramp", "0", "--users", "2")


def capture(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the protocol's capture script to its end."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": "/nonexistent", **(environment or {})},
    )


def artifact_at(path: Path) -> StressArtifact:
    """Read an artifact with its types."""
    import msgspec  # noqa: PLC0415  # kept beside its one use

    return msgspec.json.decode(path.read_bytes(), type=StressArtifact)


def test_a_capture_keeps_an_artifact_whose_figures_follow_from_its_measurements(
    target: FakeTarget, tmp_path: Path
) -> None:
    """Counts, figures, provenance and the target's own counters agree with each other."""
    out = tmp_path / "a.json"
    ran = capture(
        *("--profile", "enforcement", "--url", target.url, "--rounds", "2", *QUICK),
        *("--enforce-thresholds", "--out", str(out)),
        environment={"STRESSPROOF_TOKEN": TOKEN},
    )
    artifact = artifact_at(out)
    worst = artifact.generator.worst
    # On a machine that is busy with something else the instrument may well say so.
    assert ran.returncode == (Exit.INCONCLUSIVE if worst.saturated else Exit.PASS), ran.stderr
    assert all(f"  {reason}" in ran.stdout for reason in worst.saturated_reasons)
    assert (artifact.status, artifact.runner) == ("complete", "scripts/load_test_api.py")
    assert artifact.meets_targets
    assert artifact.runtime.database_engine == "postgresql"
    assert artifact.runtime.database_engine_source == "db-query"
    assert artifact.preflight.passed is True
    assert [run.run_index for run in artifact.runs] == [1, 2]
    measured = artifact.measurements.runs
    for run, counts in zip(artifact.runs, measured, strict=True):
        assert run.results == derive.run_results(
            counts, artifact.workload.endpoints, run.results.errors_sample
        )
        assert run.results.total_requests > 0
    # Two-sided: what we say we sent is what the target says it was asked.
    for position, counter in enumerate(artifact.target.counters):
        rows = [row for run in measured for row in run.rows if row.endpoint == position]
        ramps = [ramp for run in measured for ramp in run.ramp if ramp.endpoint == position]
        whole = sum(answered(row.outcomes) for row in (*rows, *ramps))
        started = sum(row.started for row in rows) + sum(ramp.started for ramp in ramps)
        assert counter.before is not None
        assert counter.after is not None
        seen = counter.after - counter.before
        assert whole <= seen <= started


@pytest.mark.parametrize(
    ("flags", "code"),
    [(("--enforce-thresholds",), Exit.INCONCLUSIVE), ((), Exit.PASS)],
    ids=["enforced", "not enforced"],
)
def test_a_generator_that_was_the_limit_says_why(
    target: FakeTarget, flags: tuple[str, ...], code: Exit
) -> None:
    """Arrivals that found no free user were not sent: whatever the figures say proves nothing."""

    def slowly(_: int) -> Answer:
        time.sleep(0.1)
        return as_json(200, {"status": "healthy"})

    target.answers["/health/live"] = slowly
    ran = capture(
        *("--profile", "health", "--url", target.url, "--duration", "1", "--ramp", "0", *flags),
        *("--executor", "constant-arrival-rate", "--rate", "100", "--max-vus", "1"),
    )
    assert ran.returncode == code, ran.stderr
    assert "? the generator itself was the limit:\n    " in ran.stderr
    assert "arrivals dropped for want of users (over 1 %)" in ran.stderr


def test_no_token_is_ever_written(target: FakeTarget, tmp_path: Path) -> None:
    """The secret is in no artifact, no output and no error, also where requests fail."""
    target.answers["/api/v1/enforcement/policies"] = lambda _: as_json(
        500, {"authorization": f"Bearer {TOKEN}"}
    )
    out = tmp_path / "a.json"
    ran = capture(
        *("--profile", "enforcement", "--url", target.url, *QUICK, "--out", str(out)),
        "--allow-preflight-failures",
        environment={"STRESSPROOF_TOKEN": TOKEN},
    )
    assert ran.returncode == 0, ran.stderr
    assert "status_500" in out.read_text()
    assert TOKEN not in out.read_text() + ran.stdout + ran.stderr


def test_without_out_stdout_is_the_artifact_alone(target: FakeTarget) -> None:
    """The artifact can be piped."""
    ran = capture("--profile", "health", "--url", target.url, *QUICK)
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    assert document["profile"] == "health"


@pytest.mark.parametrize(
    ("flags", "code"),
    [(("--enforce-thresholds",), 99), ((), 0)],
    ids=["enforced", "not enforced"],
)
def test_a_missed_limit_is_99_where_it_is_enforced(
    target: FakeTarget, flags: tuple[str, ...], code: int
) -> None:
    """A maximum error rate of 0 means none, and a miss is said in any case."""
    target.answers["/health/live"] = lambda number: as_json(
        503 if number % 10 == 0 else 200, {"status": "healthy"}
    )
    ran = capture(
        *("--profile", "health", "--url", target.url, *QUICK, "--max-error-rate", "0", *flags)
    )
    assert ran.returncode == code, ran.stderr
    assert "limits missed in round 1" in ran.stdout + ran.stderr


def test_an_explicit_limit_replaces_its_own_default_and_no_other(target: FakeTarget) -> None:
    """Naming one limit leaves the profile's other two in force."""
    ran = capture("--profile", "health", "--url", target.url, *QUICK, "--p95-target", "7")
    assert json.loads(ran.stdout)["thresholds"] == {
        "max_p95_seconds": 7.0,
        "max_error_rate_percent": 1.0,
        "min_throughput_rps": 1.0,
    }


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (as_json(401, {}), "STRESSPROOF_TOKEN"),
        (as_json(403, {}), "STRESSPROOF_TOKEN"),
        (as_json(429, {}), "limits this caller"),
        (as_json(500, {}), "look at its log"),
        ((302, {"location": "/login"}, b""), "Compare --profile"),
        ((200, {"content-type": "text/html"}, b"<html>"), "Compare --profile"),
        (as_json(200, {"wrong": 1}), "Compare --profile"),
    ],
    ids=["401", "403", "429", "500", "redirect", "html", "wrong shape"],
)
def test_a_failed_preflight_sends_no_load_and_says_what_to_do(
    target: FakeTarget, tmp_path: Path, answer: tuple[int, dict[str, str], bytes], kind: str
) -> None:
    """A target that cannot be measured ends with 4, a remedy and an artifact marked as such."""
    target.answers["/health/live"] = lambda _: answer
    out = tmp_path / "a.json"
    ran = capture("--profile", "health", "--url", target.url, *QUICK, "--out", str(out))
    assert ran.returncode == 4, ran.stderr
    assert kind in ran.stdout
    assert target.served["/health/live"] == 2
    kept = artifact_at(out)
    assert (kept.status, kept.meets_targets, kept.runs) == ("preflight_failed", False, [])
    assert kept.results.p95_response_time is None
    assert kept.results.errors_sample
    assert rejecting(out) == NOT_RUN


def rejecting(path: Path) -> set[str]:
    """The rules that reject an artifact which is asked for nothing but to agree with itself."""
    document = read_document(path)
    verdict = STRESS.verify(document, integrity(document), now_us())
    return {one.rule for one in verdict.blocking if one.exit_code is Exit.EVIDENCE}


NOT_RUN = {
    "stress.status",
    "stress.preflight",
    "stress.preflight-checks",
    "stress.rounds",
    "stress.thresholds",
}
"""What a capture without a load is rejected by: as what it is, and never as edited.

Its limits are the profile's, and not those of a judge who asks nothing.
"""


def test_nothing_listening_is_4_with_one_clear_line(tmp_path: Path) -> None:
    """A service that is down is named with its address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        out = tmp_path / "a.json"
        ran = capture("--profile", "health", "--url", url, *QUICK, "--out", str(out))
    assert ran.returncode == 4
    assert f"Is the service running at {url}?" in ran.stdout
    assert "Traceback" not in ran.stderr
    assert artifact_at(out).status == "preflight_failed"
    assert rejecting(out) == NOT_RUN


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "ftp://127.0.0.1"),
        ("--url", "http://user:secret@127.0.0.1"),
        ("--url", "127.0.0.1:8000"),
        ("--duration", "0"),
        ("--max-error-rate", "nan"),
        ("--max-error-rate", "-1"),
        ("--p95-target", "inf"),
        ("--endpoint", "health"),
        ("--profile", "finance"),
        ("--executor", "constant-arrival-rate"),
        ("--rate", "5", "--executor", "constant-vus"),
        ("--workers", "none"),
    ],
    ids=" ".join,
)
def test_impossible_flags_are_usage(arguments: tuple[str, ...]) -> None:
    """What cannot be meant ends with 2 before anything is sent."""
    ran = capture(*arguments)
    assert ran.returncode == 2, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "secret" not in ran.stderr


def test_an_unwritable_out_is_told_before_any_load(target: FakeTarget) -> None:
    """Exit 7 comes at once, not after the rounds."""
    ran = capture("--profile", "health", "--url", target.url, *QUICK, "--out", "/proc/no/a.json")
    assert ran.returncode == 7
    assert target.served["/health/live"] == 0


def test_a_second_capture_sets_the_first_aside(target: FakeTarget, tmp_path: Path) -> None:
    """The same command twice keeps both artifacts; --force keeps one."""
    out = tmp_path / "a.json"
    arguments = ("--profile", "health", "--url", target.url, *QUICK, "--out", str(out))
    assert capture(*arguments).returncode == 0
    first = out.read_bytes()
    assert capture(*arguments).returncode == 0
    kept = [path for path in tmp_path.glob("*.json") if path != out]
    assert [path.read_bytes() for path in kept] == [first]
    assert capture(*arguments, "--force").returncode == 0
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert [path.name for path in tmp_path.glob("*.html")] == ["a.report.html"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_was_measured(
    target: FakeTarget, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """An interrupted capture leaves an artifact that says so."""
    out = tmp_path / "a.json"
    with subprocess.Popen(
        [
            *(sys.executable, str(SCRIPT), "--profile", "health", "--url", target.url),
            *("--duration", "60", "--ramp", "0", "--users", "2", "--out", str(out)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        deadline = time.monotonic() + 60
        while target.served["/health/live"] < 50:
            assert time.monotonic() < deadline, "no load arrived"
            time.sleep(0.05)
        child.send_signal(number)
        child.communicate(timeout=60)
    assert child.returncode == code
    artifact = artifact_at(out)
    assert (artifact.status, artifact.meets_targets) == ("interrupted", False)
    assert artifact.results.total_requests > 0


def test_credentials_for_another_instance_are_not_used(target: FakeTarget, tmp_path: Path) -> None:
    """A token that a stopped service left is not handed to whoever has its port now."""
    port = target.url.rpartition(":")[2]
    state = tmp_path / "enforcement" / f"127.0.0.1_{port}.json"
    state.parent.mkdir()
    state.write_text(json.dumps({"token": TOKEN, "instance_id": "another"}))
    state.chmod(0o600)
    ran = capture(
        *("--profile", "enforcement", "--url", target.url, *QUICK),
        environment={"XDG_STATE_HOME": str(tmp_path)},
    )
    assert ran.returncode == 4
    assert "another" in ran.stderr
    state.write_text(json.dumps({"token": TOKEN, "instance_id": "instance-1"}))
    target.token = TOKEN
    ran = capture(
        *("--profile", "enforcement", "--url", target.url, *QUICK),
        environment={"XDG_STATE_HOME": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr


def test_a_target_that_does_not_say_its_database_is_unknown(target: FakeTarget) -> None:
    """Silence about the engine is recorded as unknown, never guessed."""
    target.engine = None
    target.counting = False
    ran = capture("--profile", "health", "--url", target.url, *QUICK)
    document = json.loads(ran.stdout)
    assert document["runtime"]["database_engine"] == "unknown"
    assert [pair["before"] for pair in document["target"]["counters"]] == [None]
