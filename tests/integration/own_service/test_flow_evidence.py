"""Evidence of flows, captured by the tool itself, is what it says it is."""

import json
from pathlib import Path

import pytest

from own_folder import Stressproof
from shop_service import Shop

FILE = """
[profile.shop]
{load}
duration = "2s"
ramp = "0s"
rounds = 1

[[profile.shop.request]]
path = "/catalog"

[[profile.shop.flow]]
run = "flows.py:browse"
weight = 3
"""
FLOWS = """
from stressproof.flow import User


async def browse(user: User) -> None:
    await user.get("/catalog")
    await user.think(0.3, 0.7)
    await user.get("/catalog")
"""


@pytest.mark.parametrize(
    "load", ["users = 6", 'rate = "12/s"\nmax_vus = 20'], ids=["closed", "open"]
)
def test_runs_that_end_after_the_window_are_possible(
    shop: Shop, stressproof: Stressproof, tmp_path: Path, load: str
) -> None:
    """A run that thinks lasts beyond the window it began in, and nothing calls that forged."""
    (tmp_path / "stressproof.toml").write_text(
        f'[target]\nurl = "{shop.url}"\n{FILE.format(load=load)}'
    )
    (tmp_path / "flows.py").write_text(FLOWS)
    ran = stressproof("capture", "--profile", "shop", "--no-enforce", "--out", "e.json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    evidence = json.loads((tmp_path / "e.json").read_text())
    (run,) = evidence["measurements"]["runs"]
    assert any(row["started"] for row in run["tail"]), "no run was under way in the end"
    judged = stressproof("verify", "e.json", "--format", "json")
    verdict = json.loads(judged.stdout)
    rejecting = [
        (result["rule"], result["findings"])
        for result in verdict["results"]
        if result["exit_code"] == 6 and result["level"] == "recomputed"
    ]
    assert rejecting == []
