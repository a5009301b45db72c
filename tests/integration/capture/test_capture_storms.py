"""Captures during which something breaks: what was seen is counted, kept, told, and judged."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from disposable_postgres import PostgresServer
from fake_target import Answer, FakeTarget, as_json
from running_service import Service, World, make_world, start

ROOT = Path(__file__).resolve().parents[3]
CEILING_S = 100
GOOD = 30

STORMS: dict[str, tuple[Answer, str]] = {
    "an expired token": (as_json(401, {"code": "token_expired"}), "status_401"),
    "a permission taken away": (as_json(403, {}), "status_403"),
    "a limit reached": ((429, {"retry-after": "1"}, b"{}"), "status_429"),
    "a crashing service": (as_json(500, {}), "status_500"),
    "a proxy's page": ((200, {"content-type": "text/html"}, b"<html>busy</html>"), "body_check"),
    "half a document": ((200, {"content-type": "application/json"}, b'{"sta'), "body_check"),
    "a redirect": ((302, {"location": "/login"}, b""), "redirect"),
}


def command(*arguments: str) -> list[str]:
    """The protocol's capture, failing on limits."""
    script = str(ROOT / "scripts" / "load_test_api.py")
    return [sys.executable, script, "--enforce-thresholds", *arguments]


@pytest.mark.parametrize(("answer", "kind"), STORMS.values(), ids=STORMS)
def test_a_storm_in_the_middle_is_counted_by_its_kind(
    target: FakeTarget, tmp_path: Path, answer: Answer, kind: str
) -> None:
    """The target turns bad after a while: the run ends as planned, 99, with every failure named."""
    target.answers["/health/live"] = lambda number: (
        as_json(200, {"status": "healthy"}) if number <= GOOD else answer
    )
    out = tmp_path / "a.json"
    ran = subprocess.run(
        command(
            *("--profile", "health", "--url", target.url, "--out", str(out)),
            *("--duration", "1", "--ramp", "0", "--users", "2"),
        ),
        capture_output=True,
        text=True,
        timeout=CEILING_S,
        check=False,
    )
    assert ran.returncode == 99, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "limits missed in round 1" in ran.stdout + ran.stderr
    artifact = json.loads(out.read_bytes())
    assert artifact["status"] == "complete"
    assert artifact["meets_targets"] is False
    outcomes: Counter[str] = Counter()
    for row in artifact["measurements"]["runs"][0]["rows"]:
        outcomes.update(row["outcomes"])
    assert 0 < outcomes["ok"] <= GOOD
    assert outcomes[kind] == artifact["results"]["failed_requests"] > 0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[World, PostgresServer]]:
    """A database of this test's own, to be killed."""
    with PostgresServer.start() as server:
        yield make_world(server), server


@pytest.fixture
def service(world: tuple[World, PostgresServer], tmp_path: Path) -> Iterator[Service]:
    """A service on it."""
    running = start(tmp_path, "--dsn", world[0].dsn)
    yield running
    running.stop()


def test_a_database_that_dies_in_the_middle_is_in_the_evidence(
    world: tuple[World, PostgresServer], service: Service, tmp_path: Path
) -> None:
    """PostgreSQL is killed under load: the run ends, says so, and its artifact proves nothing."""
    out = tmp_path / "a.json"
    token = world[0].tenant().headers()["authorization"].removeprefix("Bearer ")
    with subprocess.Popen(
        command(
            *("--profile", "enforcement", "--url", service.url, "--out", str(out)),
            # A tenant without a past has no decisions to compare: its parity proves nothing.
            *("--duration", "4", "--ramp", "0", "--users", "2", "--allow-preflight-failures"),
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STRESSPROOF_TOKEN": token},
    ) as child:
        deadline = time.monotonic() + CEILING_S
        while sum(service.served("GET", "/exports/parity", 200)) < 20:
            assert time.monotonic() < deadline, "no load arrived"
            time.sleep(0.05)
        world[1].kill()
        _, said = child.communicate(timeout=CEILING_S)
    assert child.returncode == 99, said
    assert "Traceback" not in said
    artifact = json.loads(out.read_bytes())
    assert artifact["meets_targets"] is False
    assert artifact["results"]["failed_requests"] > 0
    after = artifact["runtime"]["after"]
    assert (after["status_code"], after["database_engine"]) == (503, None), after
    verifier = str(ROOT / "scripts" / "verify_enforcement_stress_evidence.py")
    verdict = subprocess.run(
        [sys.executable, verifier, "--evidence-path", str(out)],
        capture_output=True,
        text=True,
        timeout=CEILING_S,
        check=False,
    )
    assert verdict.returncode != 0
    assert "runtime.after" in verdict.stdout
