"""``stressproof check`` of a file of one's own: its profiles, its gate, its targets."""

import json
from pathlib import Path

import pytest

from own_folder import Stressproof, passed
from shop_service import API_KEY, Shop
from stressproof.cli.main import command
from stressproof.cli.run import run
from stressproof.exits import Exit

FILE = """
[target]
url = "http://127.0.0.1:1"
headers = { x-api-key = "${SHOP_KEY}" }

[targets.staging]
url = "http://staging.example"

[data.skus]
file = "skus.csv"

[profile.shop]
rate = "40/s"
duration = "3s"
max_vus = 20
rounds = 2
pause = "5s"

[[profile.shop.request]]
path = "/catalog?sku={{skus.sku}}"
weight = 3

[[profile.shop.flow]]
run = "flows.py:order"

[profile.shop.thresholds]
http_req_failed = "rate < 1%"
"""
SOAK = """
[profile.soak]
users = 20
duration = "1h"
rounds = 3
timeout = "2s"
request = [{ path = "/catalog" }]
"""
GATE = """
[gate]
profile = "soak"
required = ["GET /catalog"]
rounds = 3
users = 15
max_age = "12h"
target = ["staging"]
thresholds = { http_reqs = "count > 5" }
"""
BROKEN = """
[testbed]
target = "web"
[testbed.process.web]
run = ["web", "{{port}}"]
workers = 2
[[failure]]
id = "WEB-1"
title = "A worker dies"
question = "Does it matter?"
load = "shop"
prepare = "prepare.py:tokens"
fault = [{ id = "dies", kind = "kill_worker", target = "web", lasts = "1s" }]
"""
SHOP_LINES = [
    "profile shop, 2 rounds with 5s between",
    "  default: constant-arrival-rate, 40/s by at most 20 users, for 3s",
    "     75.0 %  GET /catalog: GET /catalog?sku={{skus.sku}}; 2xx and within 15s",
    "     25.0 %  flow order: flows.py:order, as many requests as it makes",
]
SOAK_LINES = [
    "profile soak, 3 rounds",
    "  default: constant-vus, 20 users, for 1h",
    "    100.0 %  GET /catalog: 2xx and within 2s",
]
DATA = "data skus: 2 rows of skus.csv, sequential, one an iteration"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHOP_KEY", raising=False)
    Path("skus.csv").write_text("sku\na\nb\n")


def told(capsys: pytest.CaptureFixture[str], text: str, *arguments: str) -> list[str]:
    """Return what a check of a file says."""
    Path("stressproof.toml").write_text(text)
    code = run(command, "stressproof", ["check", *arguments])
    shown = capsys.readouterr()
    assert code == Exit.PASS, shown.err
    return shown.out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], text: str, *arguments: str) -> str:
    """Return why a check of a file is a usage error."""
    Path("stressproof.toml").write_text(text)
    assert run(command, "stressproof", ["check", *arguments]) == Exit.USAGE
    return capsys.readouterr().err


def test_a_files_only_profile_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """To whom, how much, in which shares, with which rows, held to what; no secret is needed."""
    shown = told(capsys, FILE)
    assert shown[:3] == [
        "target http://127.0.0.1:1",
        "  Accept: application/json",
        "  x-api-key: ***",
    ]
    assert shown[3:8] == [*SHOP_LINES, DATA]
    assert shown[8] == "profile shop: http_req_failed: rate < 1%"
    assert shown[10:] == ["valid: 1 profile, 1 objective"]


def test_all_profiles_and_the_gate_are_shown_each_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Target and data are the file's; a named profile is shown alone; the gate says its floors."""
    shown = told(capsys, FILE + SOAK + GATE)
    assert shown[3:11] == [*SHOP_LINES, *SOAK_LINES, DATA]
    at = shown.index(
        "gate of profile soak: at least 3 rounds of 1h, 15 users, p95 at most 2 s, 1 % failures, "
        "12 h old"
    )
    assert shown[at + 1 : at + 4] == [
        "  required, each by itself and with 59 answers at least: GET /catalog",
        "  of staging",
        "gate: http_reqs: count > 5",
    ]
    assert shown[-1] == "valid: 2 profiles, 2 objectives"
    alone = told(capsys, FILE + SOAK, "--profile", "soak")
    assert alone[3:7] == [*SOAK_LINES, DATA]


def test_another_target_is_asked_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """What it does not say is the main one's; a name that is none is refused."""
    shown = told(capsys, FILE, "--target", "staging")
    assert shown[0] == "target http://staging.example"
    assert shown[2] == "  x-api-key: ***"
    bare = FILE[: FILE.index("[data")]
    assert told(capsys, bare, "--target", "staging")[0] == "target http://staging.example"
    assert "Did you mean 'staging'?" in refused(capsys, bare, "--target", "stagign")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--target", "stagign"), "there is no target 'stagign'\n  Did you mean 'staging'?"),
        (("--target", "x"), "[targets] of the file has staging."),
        (("--profile", "sope"), "there is no profile 'sope'"),
        (("--once", "--profile", "shopp"), "Did you mean 'shop'?"),
        (("--once", "--target", "stagign"), "Did you mean 'staging'?"),
    ],
    ids=" ".join,
)
def test_what_the_file_does_not_have_is_told_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    """A misspelling is a usage error that names the nearest."""
    assert said in refused(capsys, FILE, *arguments)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{{skus.sku}}", "{{skus.skuu}}", "did you mean {{skus.sku}}?"),
        ("{{skus.sku}}", "{{sku}}", "skus has sku"),
        ("{{skus.sku}}", "{{goods.sku}}", "GET /catalog: {{goods.sku}} means nothing"),
        ('file = "skus.csv"', 'file = "skus.csv"\npick = "unique"', "rows"),
    ],
)
def test_what_a_capture_would_refuse_is_refused_here(
    capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    """A placeholder of no column, and too few rows, before anything is sent."""
    assert said in refused(capsys, FILE.replace(old, new))


def test_columns_of_a_failures_profile_are_looked_at_as_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What it prepares nobody knows yet; what a file holds is known."""
    Path("prepare.py").write_text("")
    text = FILE.replace('[[profile.shop.flow]]\nrun = "flows.py:order"\n', "") + BROKEN
    told(capsys, text.replace("path = ", 'headers = { t = "{{tokens.text}}" }\npath = '))
    said = refused(capsys, text.replace("{{skus.sku}}", "{{skus.skuu}}"))
    assert "did you mean {{skus.sku}}?" in said


def test_whom_it_would_ask_must_be_known(capsys: pytest.CaptureFixture[str]) -> None:
    """A URL out of the environment that is not set is no place to send anything to."""
    text = FILE.replace('"http://127.0.0.1:1"', '"${SHOP_URL}"')
    assert "the environment has no SHOP_URL" in refused(capsys, text)
    assert told(capsys, text, "--url", "http://here:1")[0] == "target http://here:1"


def test_evidence_is_judged_by_the_thresholds_of_its_profile(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """What a capture is held to, a check of its evidence is held to as well."""
    flows = '[[profile.shop.flow]]\nrun = "flows.py:order"\n'
    text = FILE.replace("http://127.0.0.1:1", shop.url).replace(flows, "")
    text = text.replace("rounds = 2\n", "").replace('duration = "3s"', 'duration = "1s"')
    (tmp_path / "stressproof.toml").write_text(text)
    ran = stressproof("capture", "--out", "a.json", SHOP_KEY=API_KEY)
    assert passed(ran), ran.stdout + ran.stderr
    judged = stressproof("check", "stressproof.toml", "--evidence", "a.json")
    assert "http_req_failed: rate < 1%" in judged.stdout
    strict = text + 'http_reqs = "count > 1000"\n'
    (tmp_path / "stressproof.toml").write_text(strict)
    judged = stressproof("check", "--evidence", "a.json", "--format", "json")
    assert judged.returncode == Exit.OBJECTIVES
    assert [one["threshold"] for one in json.loads(judged.stdout)["thresholds"]] == [
        "http_req_failed: rate < 1%",
        "http_reqs: count > 1000",
    ]
