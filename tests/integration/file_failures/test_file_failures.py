"""A service of one's own, broken as its file says: what bears it passes, planted bugs are found."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kiosk_project import Inject, command, environment
from stressproof.processes import below, lives, wait_for

HANG_S = 60.0
HEALTHY = """
async def live(_: Request) -> JSONResponse:
"""
SICK = '''
asked = 0


async def live(_: Request) -> JSONResponse:
    """Fail now and then."""
    global asked
    asked += 1
    if asked % 3 == 0:
        return JSONResponse({}, 500)
    return JSONResponse({})


async def lively(_: Request) -> JSONResponse:
'''


def artifact_of(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the only artifact, and what it says."""
    [path] = (folder / "stressproof-results").glob("*.failures.json")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return path, found


def outcomes(scenario: dict[str, Any]) -> set[str]:
    """Return the checks of a trial that did not pass."""
    return {one["id"] for one in scenario["trial"]["checks"] if one["outcome"] != "pass"}


def keep_only(kiosk: Path, identity: str) -> None:
    """Leave one failure in the kiosk's file."""
    file = kiosk / "stressproof.toml"
    head, *failures = file.read_text().split("[[failure]]\n")
    [kept] = [one for one in failures if f'id = "{identity}"' in one]
    file.write_text(f"{head}[[failure]]\n{kept}")


def demand_pass(kiosk: Path, inject: Inject) -> dict[str, Any]:
    """Inject what the file has, demand a pass that anybody recomputes, and return the evidence."""
    done = inject()
    assert done.returncode == 0, done.stderr + done.stdout
    path, artifact = artifact_of(kiosk)
    origins = {
        row[-1] for one in artifact["scenarios"] for row in one["trial"]["operations"]["rows"]
    }
    assert len(origins) >= 3
    assert artifact["stage"]["workers"] == 2
    verified = subprocess.run(
        command("verify", str(path)), cwd=kiosk, capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "PASS  failure evidence, recomputed" in verified.stdout
    return artifact


def kinds_of(artifact: dict[str, Any]) -> list[str]:
    """Return what was injected."""
    return [fault["kind"] for one in artifact["scenarios"] for fault in one["trial"]["faults"]]


@pytest.mark.timeout(120)
def test_a_service_that_bears_it_passes_and_its_evidence_recomputes(
    kiosk: Path, inject: Inject
) -> None:
    """Five faults of as many kinds, and a verdict from the file alone."""
    keep_only(kiosk, "KIOSK-004")
    artifact = demand_pass(kiosk, inject)
    assert kinds_of(artifact) == ["race", "send_each", "flood", "cut_after_commit", "lock"]


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_everything_that_the_file_has_passes(kiosk: Path, inject: Inject) -> None:
    """Twelve faults of nine kinds, four scenarios one after the other."""
    artifact = demand_pass(kiosk, inject)
    assert kinds_of(artifact) == [
        *("latency", "black_hole", "freeze", "kill", "cut_after_commit", "race", "kill"),
        *("race", "send_each", "flood", "cut_after_commit", "lock"),
    ]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("bug", "found"),
    [
        ("no_key", "no_double_effect"),
        pytest.param("early", "acknowledged_durable", marks=pytest.mark.slow),
    ],
)
def test_a_planted_bug_is_found_by_its_check(
    kiosk: Path, inject: Inject, bug: str, found: str
) -> None:
    """A sale without its key is kept twice; one that is confirmed too early is lost."""
    done = inject("--scenario", "KIOSK-002", KIOSK_BUG=bug)
    assert done.returncode == 99, done.stderr + done.stdout
    [scenario] = artifact_of(kiosk)[1]["scenarios"]
    assert found in outcomes(scenario)
    assert "FAIL (exit 99)" in done.stdout
    assert list((kiosk / "stressproof-results").glob("*.KIOSK-002.kiosk.log"))


@pytest.mark.timeout(120)
def test_nothing_is_broken_where_the_steady_state_is_unhealthy(kiosk: Path, inject: Inject) -> None:
    """Exit 3, with what was seen; the artifact says that it is no evidence."""
    app = (kiosk / "app.py").read_text()
    (kiosk / "app.py").write_text(app.replace(HEALTHY, SICK))
    done = inject("--scenario", "KIOSK-003")
    assert done.returncode == 3, done.stderr + done.stdout
    assert "the steady state is unhealthy, so nothing is broken: live ended with 500" in done.stderr
    assert "race" not in done.stderr
    artifact = artifact_of(kiosk)[1]
    assert (artifact["status"], artifact["scenarios"]) == ("broken", [])


@pytest.mark.timeout(120)
def test_a_rehearsal_breaks_nothing_and_keeps_nothing(kiosk: Path, inject: Inject) -> None:
    """The testbed stands, the baselines run, and that is all."""
    done = inject("--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("NOT RELEASE EVIDENCE: a rehearsal")
    assert "KIOSK-001  4" in done.stdout
    assert not (kiosk / "stressproof-results").exists()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "until",
    [
        pytest.param("baseline", marks=pytest.mark.slow),
        pytest.param("race: Requests", marks=pytest.mark.slow),
        "gone: SIGKILL",
    ],
)
def test_ctrl_c_at_any_moment_leaves_nothing(kiosk: Path, until: str) -> None:
    """Twice is no worse than once: what holds is undone, what was concluded is kept."""
    people = ("--executed-by", "ada", "--approved-by", "grace")
    with subprocess.Popen(
        command("inject", *people, "--scenario", "KIOSK-003"),
        cwd=kiosk,
        env=environment(kiosk),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if until in line:
                break
        family = below(process.pid)
        assert len(family) > 3
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG_S) == 130
    wait_for("processes left", lambda: not any(map(lives, family)), HANG_S)
    assert artifact_of(kiosk)[1]["status"] == "interrupted"
    active = kiosk.parent / "state/stressproof/active_faults"
    assert not active.exists() or list(active.iterdir()) == []


FULL = """
[[failure]]
id = "KIOSK-005"
title = "The disk full"
question = "Does it say so?"
load = "sales"
steady = "1s"
recover = "1s"
fault = [
  { id = "full", kind = "disk_full", target = "db", lasts = "1s" },
  { id = "rush", kind = "race", send = { request = "sell", times = 9 }, lasts = "1s" },
]
"""


@pytest.mark.timeout(120)
def test_what_this_machine_does_not_allow_is_left_out_and_said(kiosk: Path, inject: Inject) -> None:
    """Without a bounded disk the rest is injected, and proves less than was asked for."""
    plan = (kiosk / "stressproof.toml").read_text()
    disk = '[testbed.postgres.db]\ndisk = "160MiB"'
    (kiosk / "stressproof.toml").write_text(plan.replace("[testbed.postgres.db]", disk) + FULL)
    # The disk is mounted by a program that is looked for on PATH.
    done = inject("--scenario", "KIOSK-005", PATH="/none")
    assert done.returncode == 3, done.stderr + done.stdout
    assert "KIOSK-005: full is unsupported here: no file system of a bounded size" in done.stderr
    artifact = artifact_of(kiosk)[1]
    assert [one["fault"] for one in artifact["stage"]["unsupported"]] == ["full"]
    [scenario] = artifact["scenarios"]
    assert [one["id"] for one in scenario["trial"]["faults"]] == ["rush"]
    assert [one["id"] for one in scenario["spec"]["faults"]] == ["full", "rush"]


def test_a_machine_that_refuses_is_not_broken(kiosk: Path, inject: Inject) -> None:
    """Before anything is started."""
    done = inject(STRESSPROOF_REFUSE="production")
    assert done.returncode == 2
    assert "nothing may be broken on this machine" in done.stderr
    assert not (kiosk / "stressproof-results").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scenario", "KIOSK-009"), "there is no scenario KIOSK-009"),
        (("--workers", "3"), "how many workers the service has is the file's to say"),
        (("--break", "slw"), "Did you mean slow?"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    inject: Inject, arguments: tuple[str, ...], words: str
) -> None:
    """Before anything is started, with what would be right."""
    done = inject(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
