"""The true gate of this project: its own steps, on a clone of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from enforcement_suite.suite import STRESS_PREFIX
from release_project import REPOSITORY, STRESS, ReleaseProject, clean_environment
from stressproof.config.compile import load_project

_CEILING_S = 2400


class Clone(ReleaseProject):
    """A clone of this repository, committed with what is in its working tree.

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")
        for name in filter(None, files):
            source = REPOSITORY / name
            if source.is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(source.read_bytes())
        # Git ignores what uv resolved; a clone in which `uv run` was called has it too.
        (root / "uv.lock").write_bytes((REPOSITORY / "uv.lock").read_bytes())
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.email", "release@example.com")
        self.git("config", "user.name", "Release")
        self.git("config", "commit.gpgsign", "false")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "as it is")
        (root / STRESS).parent.mkdir(parents=True, exist_ok=True)


@pytest.mark.slow
@pytest.mark.timeout(_CEILING_S)
def test_this_project_passes_its_own_gate(tmp_path: Path) -> None:
    """Lint, types, import contracts and the quick tests hold, and good evidence is accepted."""
    clone = Clone(tmp_path)
    clone.stress()
    ended = subprocess.run(
        [sys.executable, "scripts/run_enterprise_tdd_gate.py", "--decision-out", "decision.json"],
        cwd=clone.root,
        env=clean_environment(
            {
                STRESS_PREFIX + "PATH": STRESS,
                STRESS_PREFIX + "REQUIRED": "true",
                # The clone's own source, before that of the repository it was made from.
                "PYTHONPATH": str(clone.root / "src"),
            }
        ),
        check=False,
        capture_output=True,
        text=True,
        timeout=_CEILING_S,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr[-20_000:]
    decision = json.loads((clone.root / "decision.json").read_text())
    assert decision["accepted"] is True
    assert [step["name"] for step in decision["steps"]] == [
        step.name for step in load_project(REPOSITORY).steps
    ]
    assert {step["outcome"] for step in decision["steps"]} == {"pass"}
