"""Profiles of one's own file: captured, verified, changed by flags, and held to the gate."""

import json
import os
import subprocess
from pathlib import Path

from own_folder import Stressproof, passed
from shop_service import API_KEY, Shop
from stressproof.exits import Exit

FILE = """
[target]
url = "{url}"
headers = {{ x-api-key = "${{SHOP_KEY:-{key}}}" }}

[data.skus]
file = "skus.csv"

[profile.shop]
rate = "40/s"
duration = "3s"
max_vus = 20

[[profile.shop.request]]
path = "/catalog?sku={{{{skus.sku}}}}"
check = ["json"]
weight = 3

[[profile.shop.flow]]
run = "flows.py:order"

[profile.shop.thresholds]
http_req_failed = ["rate < 1%"]
"iterations{{flow:order}}" = ["count > 5"]

[gate]
profile = "shop"
required = ["POST /orders", "flow:order"]
steps = [{{ name = "tests", run = ["python", "-c", "pass"] }}]
"""
FLOWS = """
from stressproof.flow import User


async def order(user: User) -> None:
    answer = await user.post("/orders", json={"sku": user.data["skus"]["sku"]}, expect=201)
    await user.think(0.01)
    user.check("open", answer.json()["state"] == "open")
"""


def write_project(folder: Path, shop: Shop) -> None:
    """Write a file, flows and data, as somebody would."""
    (folder / "stressproof.toml").write_text(FILE.format(url=shop.url, key=API_KEY))
    (folder / "flows.py").write_text(FLOWS)
    (folder / "skus.csv").write_text("sku\na b\nc&d\n")


def test_the_files_profile_is_captured_and_verified(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """Requests with data, and a flow, without a flag; evidence has all of it and no secret."""
    write_project(tmp_path, shop)
    ran = stressproof("capture", "--out", "a.json")
    assert passed(ran), ran.stdout + ran.stderr
    found = json.loads((tmp_path / "a.json").read_text())
    assert API_KEY not in (tmp_path / "a.json").read_text()
    assert found["profile"] == "shop"
    asked = {(one["name"], one.get("kind")) for one in found["workload"]["endpoints"]}
    assert asked == {("GET /catalog", None), ("flow:order", "flow"), ("POST /orders", "step")}
    roles = {(file["path"], file["role"], file["rows"]) for file in found["workload"]["files"]}
    assert roles == {("flows.py", "flow", None), ("skus.csv", "data", 2)}
    assert {body for _, body in shop.bodies} == {b'{"sku":"a b"}', b'{"sku":"c&d"}'}
    runs = found["measurements"]["runs"][0]["rows"]
    assert sum(row["intended"] for row in runs if row["endpoint"] < 2) == 120
    assert sum(row.get("think_us", 0) for row in runs) > 0
    judged = stressproof("verify", "a.json")
    assert "(recomputed)" in judged.stdout or judged.returncode == Exit.INCONCLUSIVE
    assert "FAIL  " not in judged.stdout


def test_a_step_of_a_flow_ends_a_capture(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """A threshold on what a flow asks is judged while it asks."""
    write_project(tmp_path, shop)
    file = tmp_path / "stressproof.toml"
    written = file.read_text().replace('duration = "3s"', 'duration = "60s"')
    aborts = 'threshold = "rate < 50% over 2s", abortOnFail = true'
    written = written.replace(
        "[gate]", f'"http_req_failed{{name:POST /orders}}" = [{{ {aborts} }}]\n\n[gate]'
    )
    file.write_text(written.replace(API_KEY, "wrong"))
    ran = stressproof("capture", "--skip-preflight", "--out", "a.json")
    assert ran.returncode == Exit.OBJECTIVES, ran.stdout + ran.stderr
    assert "crossed http_req_failed{name:POST /orders}: rate < 50% over 2s" in ran.stderr
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["status"] == "interrupted"
    assert max(row["second"] for row in found["measurements"]["runs"][0]["rows"]) < 59


def test_flags_change_the_profile_and_the_verifier_sees_it(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """What was captured in another way is not what the file asks."""
    write_project(tmp_path, shop)
    ran = stressproof("capture", "--rate", "20/s", "--duration", "2s", "--out", "a.json")
    assert passed(ran), ran.stdout + ran.stderr
    judged = stressproof("verify", "a.json")
    assert judged.returncode == Exit.EVIDENCE
    assert "workload.scenarios (default).rate" in judged.stdout


def test_a_gate_holds_the_evidence_to_the_commits_flows(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """A flow that was changed and committed since is another load."""
    write_project(tmp_path, shop)

    def git(*words: str) -> None:
        name = ("-c", "user.name=n", "-c", "user.email=a@example.com")
        subprocess.run(["git", *name, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "shop")
    evidence = "stressproof-results/a.json"
    assert passed(stressproof("capture", "--out", evidence))
    decided = stressproof("gate", "release", "--stress-evidence-path", evidence)
    assert "gate.files" not in decided.stdout, decided.stdout
    assert "profile-by-value" not in decided.stdout
    (tmp_path / "flows.py").write_text(FLOWS.replace("0.01", "0.02"))
    git("commit", "-qam", "think longer")
    changed = stressproof("gate", "release", "--stress-evidence-path", evidence)
    assert changed.returncode == Exit.EVIDENCE
    assert "gate.files" in changed.stdout


def test_a_pipe_or_a_folder_in_place_of_data_is_told(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """Nothing waits for somebody to write into it."""
    write_project(tmp_path, shop)
    (tmp_path / "skus.csv").unlink()
    os.mkfifo(tmp_path / "skus.csv")
    ran = stressproof("capture")
    assert ran.returncode == Exit.USAGE
    assert "skus.csv: is no file" in ran.stderr
    (tmp_path / "skus.csv").unlink()
    (tmp_path / "skus.csv").mkdir()
    assert stressproof("capture").returncode == Exit.USAGE
    assert not shop.served
