"""A kiosk on a real PostgreSQL, and its file with failures, in a folder of the test's own."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kiosk_project import Inject, command, environment

KIOSK = Path(__file__).parent / "kiosk"


@pytest.fixture
def kiosk(tmp_path: Path) -> Path:
    """Return the folder of a kiosk that was committed."""
    folder = tmp_path / "kiosk"
    shutil.copytree(KIOSK, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".gitignore").write_text("stressproof-results/\n__pycache__/\n")
    names = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*names, "commit", "-qm", "kiosk")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def inject(kiosk: Path) -> Inject:
    """Return what injects the kiosk's failures."""

    def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        people = ("--executed-by", "ada", "--approved-by", "grace")
        return subprocess.run(
            command("inject", *people, "--seed", "7", *arguments),
            cwd=kiosk,
            env=environment(kiosk, **more),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return run
