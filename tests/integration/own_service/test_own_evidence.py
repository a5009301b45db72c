"""Evidence of somebody's own service, and first steps that go wrong, in words that help."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from own_folder import Stressproof, passed
from shop_service import Shop
from stressproof.exits import Exit

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def test_the_verifier_takes_what_one_line_captured_for_what_it_is(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """Honest evidence passes by its own limits; an edited figure and a tighter limit do not."""
    out = tmp_path / "a.json"
    ran = stressproof(
        *("capture", f"{shop.url}/catalog", "--rate", "40/s", "--duration", "2s", "--ramp", 0),
        *("--out", "a.json", "--p95-target", "5s"),
    )
    assert passed(ran), ran.stdout
    if ran.returncode == 0:
        judged = stressproof("verify", "a.json")
        assert judged.returncode == Exit.PASS, judged.stdout
        assert "(recomputed)" in judged.stdout
    tighter = stressproof("verify", "a.json", "--max-p95-seconds", "0.000001")
    assert tighter.returncode != Exit.PASS
    assert "thresholds.max_p95_seconds" in tighter.stdout
    document = json.loads(out.read_text())
    document["results"]["failed_requests"] += 1
    out.write_text(json.dumps(document))
    forged = stressproof("verify", "a.json")
    assert forged.returncode == Exit.EVIDENCE, forged.stdout


def test_names_are_written_in_any_alphabet(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """What the file may say the verifier takes; what nobody could read the file may not say."""
    file = tmp_path / "stressproof.toml"
    text = (
        f'[target]\nurl = "{shop.url}"\n[profile.p]\nusers = 2\nduration = "1s"\nrounds = 1\n'
        '[[profile.p.request]]\npath = "/catalog"\nname = "NAME"\n'
    )
    file.write_text(text.replace("NAME", "\u00dcbersicht \u4e00\u89a7 \U0001f680 <b>]]>"), "utf-8")
    ran = stressproof("capture", "--profile", "p", "--ramp", 0, "--out", "a.json")
    assert passed(ran), ran.stdout + ran.stderr
    judged = stressproof("verify", "a.json")
    assert judged.returncode in {Exit.PASS, Exit.OBJECTIVES, Exit.INCONCLUSIVE}, judged.stdout
    for unread in ("\\u202etxt", "\\u001b[31m", "a\\nb", " a", "a\\u200bb", "x" * 5000):
        file.write_text(text.replace("NAME", unread), "utf-8")
        refused = stressproof("check")
        assert refused.returncode == Exit.USAGE, refused.stdout
        assert "characters that are not seen" in refused.stderr
        assert "stressproof.toml" in refused.stderr


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*_enforcement_*.py")), ids=lambda p: p.name)
def test_a_script_outside_of_its_environment_says_how_to_run_it(script: Path) -> None:
    """A bare interpreter gets one remedy and no traceback."""
    bare = [sys.executable, "-S", "-I", str(script), "--help"]
    ran = subprocess.run(bare, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == Exit.USAGE
    assert f"uv run python scripts/{script.name}" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_gate_without_a_file_says_that_there_is_none(
    stressproof: Stressproof, tmp_path: Path
) -> None:
    """A gate in an empty folder names the file that it wants and shows its first line."""
    ran = stressproof("gate", "release")
    assert ran.returncode == Exit.USAGE
    assert "stressproof.toml is not there" in ran.stderr
    assert "[gate] steps" in ran.stderr


def test_a_threshold_that_is_no_text_is_told_in_words(
    stressproof: Stressproof, tmp_path: Path
) -> None:
    """A number where an expression belongs is named with its line, in no library's words."""
    (tmp_path / "stressproof.toml").write_text("[thresholds]\nfoo = 3\n")
    ran = stressproof("check")
    assert ran.returncode == Exit.USAGE
    assert "stressproof.toml:2: thresholds.foo: expected a text or" in ran.stderr
    assert "`" not in ran.stderr
