"""Benchmarks run; how fast is for people with a quiet machine to see."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.mark.parametrize(
    "name", ["load_cpu", "load_truth", "load_memory", "load_rate", "load_scale"]
)
def test_a_benchmark_runs(name: str, tmp_path: Path) -> None:
    """In its quick mode each prints a table and writes results that hold requests."""
    file = tmp_path / "results.json"
    more = ["--tools", "stressproof"] if name in {"load_cpu", "load_truth"} else []
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--json", str(file), *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert "|---|" in done.stdout
    document = json.loads(file.read_text())
    assert document["benchmark"] == name
    runs = document["results"]["runs"] if name == "load_truth" else document["results"]
    ours = [run["raw"] for run in runs if run["raw"]]
    assert ours
    assert all(run["outcomes"] == {"ok": run["requests"]} and run["requests"] > 0 for run in ours)
