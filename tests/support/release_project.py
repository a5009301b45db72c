"""A project to be released: a real git repository with evidence, steps of its own, and the gates.

Its evidence is the corpus's honest artifacts, made for the repository's commit and for now.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from enforcement_suite.suite import FAILURE_PREFIX, STRESS_PREFIX, SUITE
from stressproof.config.failure_requirements import FailureRequirements
from stressproof.gate.request import GateRequest, plain_request
from stressproof.gate.step_environment import NESTING_MARKER
from stressproof.verify.kinds import KINDS

REPOSITORY = Path(__file__).resolve().parents[2]
RELEASE = REPOSITORY / "scripts/run_enforcement_release_evidence_gate.py"
ENTERPRISE = REPOSITORY / "scripts/run_enterprise_tdd_gate.py"
STRESS = "docs/ops/evidence/stress.json"
FAILURE = "docs/ops/evidence/failure.json"
PASSING_STEPS = """\
[gate]
evidence = ["docs/ops/evidence/"]
steps = [
    { name = "first", run = ["python", "-c", "print('first ran')"] },
    { name = "second", run = ["python", "-c", "print('second ran')"] },
]
"""
_CEILING_S = 100

sys.path.insert(0, str(REPOSITORY / "tests" / "conformance"))
honest = importlib.import_module("forgeries.honest")
honest_failure = importlib.import_module("forgeries.honest_failure")
honest_injection = importlib.import_module("forgeries.honest_injection")


def asking(request: GateRequest | None = None, **fields: Any) -> GateRequest:
    """Return what a gate asks, with fields of a kind (``stress_path``) or of all changed.

    Args:
        request: What is changed; what the suite asks at a gate if None.
        fields: ``KIND_path``, ``KIND_required``, ``KIND`` (its requirements), or any other.
    """
    request = request or plain_request(SUITE)
    for kind in KINDS:
        own = {
            name.removeprefix(f"{kind.name}_"): fields.pop(name)
            for name in list(fields)
            if name.startswith(f"{kind.name}_")
        }
        if kind.name in fields:
            own["requirements"] = fields.pop(kind.name)
        request = request.asking(kind, **own)
    return msgspec.structs.replace(request, **fields)


@dataclass(frozen=True)
class Ended:
    """A process that ended.

    Attributes:
        code: Its exit code.
        out: Its stdout.
        err: Its stderr.
    """

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line of stdout."""
        return self.out.rstrip("\n").rsplit("\n", 1)[-1]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without anything that a gate reads, and with what is given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {NESTING_MARKER, "GITHUB_STEP_SUMMARY"}
        and not name.startswith((STRESS_PREFIX, FAILURE_PREFIX))
    }
    return kept | dict(extra or {})


class ReleaseProject:
    """A git repository with one commit and quality steps that pass.

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.email", "release@example.com")
        self.git("config", "user.name", "Release")
        self.git("config", "commit.gpgsign", "false")
        self.commit(
            "first",
            {
                "src/service.py": "ANSWER = 42\n",
                "stressproof.toml": PASSING_STEPS,
                "docs/ops/evidence/README.md": "Evidence.\n",
                "README.md": "A project.\n",
            },
        )

    def git(self, *arguments: str, given: str = "") -> str:
        """Run git and return what it says."""
        ended = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            check=True,
            capture_output=True,
            text=True,
            input=given,
        )
        return ended.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their path."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def commit(self, message: str, files: Mapping[str, str]) -> str:
        """Write and commit files, and return the commit."""
        self.write(files)
        self.git("add", "--all", "--force", "--", *files)
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.head

    @property
    def head(self) -> str:
        """The commit checked out."""
        return self.git("rev-parse", "HEAD")

    def stress_data(self, **plan: Any) -> dict[str, Any]:
        """Return a good stress artifact of this commit, an hour old."""
        asked = honest.Plan(commit=self.head, captured=datetime.now(UTC) - timedelta(hours=1))
        data: dict[str, Any] = honest.full(replace(asked, **plan))
        return data

    def stress(self, name: str = STRESS, **plan: Any) -> Path:
        """Write a good stress artifact and return where."""
        return self.store(name, self.stress_data(**plan))

    def failure_data(self, age: timedelta = timedelta(hours=2)) -> dict[str, Any]:
        """Return a good failure artifact of this commit, two hours old."""
        data: dict[str, Any] = honest_failure.plain()
        data["captured_at"] = (datetime.now(UTC) - age).isoformat()
        data["subject"] = {"git_commit": self.head, "git_dirty": False}
        return data

    def failure(self, name: str = FAILURE) -> Path:
        """Write a good failure artifact and return where."""
        return self.store(name, self.failure_data())

    def injected(self, asked: FailureRequirements) -> Path:
        """Write evidence of all that is asked, injected at this commit hours ago; return where."""
        data = honest_injection.full(
            specs=asked.scenarios,
            profile=asked.profile,
            started=datetime.now(UTC) - timedelta(hours=3),
            commit=self.head,
        )
        return self.store(FAILURE, data)

    def store(self, name: str, data: Mapping[str, Any]) -> Path:
        """Write a document and return where."""
        path = self.root / name
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    def run(self, script: Path, *arguments: str, **variables: str) -> Ended:
        """Run a gate in the project with these variables, and return how it ended."""
        ended = subprocess.run(
            [sys.executable, str(script), *arguments],
            cwd=self.root,
            env=clean_environment(variables),
            check=False,
            capture_output=True,
            text=True,
            timeout=_CEILING_S,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def enterprise(self, *arguments: str, **variables: str) -> Ended:
        """Run the enterprise gate with the stress evidence required, unless said otherwise."""
        asked = {STRESS_PREFIX + "PATH": STRESS, STRESS_PREFIX + "REQUIRED": "true"}
        return self.run(ENTERPRISE, *arguments, **{**asked, **variables})

    def release(self, *arguments: str, **variables: str) -> Ended:
        """Run the release gate on both halves."""
        paths = ("--stress-evidence-path", STRESS, "--failure-evidence-path", FAILURE)
        return self.run(RELEASE, *paths, *arguments, **variables)
