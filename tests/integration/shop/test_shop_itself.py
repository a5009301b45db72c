"""The example's service keeps its own promises, by its own tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from example_shop import EXAMPLE


def test_the_shops_own_tests_pass(fresh_database: str, tmp_path: Path) -> None:
    """What the gates of other tests run as a step is a suite that runs and passes."""
    copy = tmp_path / "shop"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    plain = ["-q", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *plain],
        cwd=copy,
        env={**os.environ, "DATABASE_URL": fresh_database},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
