"""``stressproof check`` of a file with failures: what would be broken, and what undoes it."""

import json
from pathlib import Path

import pytest

from stressproof.cli.main import command
from stressproof.cli.run import run
from stressproof.exits import Exit

pytestmark = pytest.mark.gate

FOLDER = Path(__file__).parent / "shop"


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a check says."""
    assert run(command, "stressproof", ["check", *arguments]) == Exit.PASS
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _in_the_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    monkeypatch.setenv("KEY", "a-secret-key")


def test_it_lists_what_would_be_broken_and_what_undoes_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What, by whom, for how long, its undo, its proof, the checks, and what is off and why."""
    said = checked(capsys)
    lines = [line.strip() for line in said.splitlines()]
    for line in (
        "testbed, started for each trial: the load talks to shop",
        "postgres db: embedded, loads schema.sql, on a disk of 160 MiB",
        "proxy charges: http, before {{bank.address}}",
        "failure SHOP-001: The database slow, killed and cut off",
        "20/s throughout, 36 s without and with its faults",
        "breaks: slow, latency of db, for 4s; latency 1500ms; stream upstream",
        "SIGKILL to it and to every process below it.",
        "undone: The proxy is switched back.",
        "proven by: processes killed (≥ 2), crash recoveries in the server's log (≥ 1)",
        "good again within 5s, watched for 10s",
        "checked: answered_in 3500ms of order, product under slow, killed, charged",
        "checked: one_wins 201 each of order_1, order_2, order_3; attempts 20",
        "checked: recovered under slow, killed, charged",
        "checked: stock, read in the end: What left the stock is what was ordered",
        "off: failed_absent, because a 503 is sent before anything is known",
        "breaks: own, command, for 1s; run true; undo true",
        "only where the operator says so: --break own",
        "rows by failures.py:bad_rows, before any load",
    ):
        assert line in lines
    assert lines[-1] == "valid: 1 profile, 2 failures"
    assert "secret" not in said.replace("secrets", "")


def test_it_tells_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """For whoever reads it by program."""
    told = json.loads(checked(capsys, "--format", "json"))
    first, second = told["failures"]
    assert (first["id"], first["off"]) == (
        "SHOP-001",
        {"failed_absent": "a 503 is sent before anything is known"},
    )
    slow = first["faults"][0]
    assert (slow["kind"], slow["target"], slow["lasts_us"]) == ("latency", "db", 4_000_000)
    assert slow["undo"] == "The proxy is switched back."
    assert slow["witnesses"] == [{"name": "chunks delayed upstream", "needs": 1}]
    checks = {(one["check"], one["fault"]) for one in first["checks"]}
    assert ("recovered", "killed") in checks
    assert [one["id"] for one in second["invariants"]] == ["stock"]


def test_it_says_what_only_the_operator_permits(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What was not started here is broken by name, and a host beyond this machine is allowed so."""
    for path in FOLDER.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    file = tmp_path / "stressproof.toml"
    text = file.read_text().replace('kind = "kill"', 'kind = "read_only"')
    own = 'load = ["schema.sql"]\ndisk = "160MiB"\nsettings = { max_connections = "40" }\n'
    text = text.replace(own, 'dsn = "${DSN}"\n')
    text = text.replace('"{{bank.address}}"', '"https://bank.example"')
    file.write_text(text)
    said = checked(capsys, str(file))
    assert said.count("only where the operator says so: --break killed") == 1
    assert said.count("only where the operator says so: --break own") == 1
    assert "--break slow" not in said
    assert said.count("--allow-upstream bank.example") == 1


def test_without_failures_nothing_is_said_of_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A file that breaks nothing reads as before."""
    file = tmp_path / "stressproof.toml"
    file.write_text('[profile.a]\nusers = 1\n[[profile.a.request]]\npath = "/"\n')
    assert "failure" not in checked(capsys, str(file))
    assert "failures" not in json.loads(checked(capsys, str(file), "--format", "json"))


def test_what_a_projects_suite_would_break_is_listed_as_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This repository's file names a suite, whose own file has the failures."""
    monkeypatch.chdir(Path(__file__).parents[3])
    said = checked(capsys)
    assert "failure FI-005: A tenant far above its limit" in said
    assert said.splitlines()[-1] == "valid: 5 failures"
