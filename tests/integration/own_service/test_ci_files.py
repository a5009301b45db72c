"""The action and the GitLab template, executed as far as they can be without their services."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from shop_service import Shop

ROOT = Path(__file__).resolve().parents[3]
QUICK = "--rate=20/s\n--duration=2s\n--ramp=0s\n--no-enforce"


def run(script: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a step's script as a runner would: by bash, ended by the first command that fails."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


class Action:
    """The composite action, with a runner's way of reading it.

    Args:
        folder: The checkout that it works in.
        inputs: What a workflow gives it.
    """

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        loaded: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
        self.steps: list[dict[str, Any]] = loaded["runs"]["steps"]
        unknown = inputs.keys() - loaded["inputs"].keys()
        assert not unknown
        self.inputs = {name: one["default"] for name, one in loaded["inputs"].items()} | inputs
        self.output = folder / "output"
        self.summary = folder / "summary.md"

    def value(self, text: str) -> str:
        """Return an expression's value: of inputs alone, as this action uses them."""
        return re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: self.inputs[found[1]], text)

    def wanted(self, step: dict[str, Any]) -> bool:
        """Return whether a step's condition holds."""
        condition = step.get("if", "")
        if not condition:
            return True
        found = re.fullmatch(r"inputs\.(\w+) != ''", condition)
        assert found is not None, condition
        return self.inputs[found[1]] != ""

    def run(self) -> list[subprocess.CompletedProcess[str]]:
        """Run the steps up to the first that fails."""
        done: list[subprocess.CompletedProcess[str]] = []
        for step in filter(self.wanted, self.steps):
            environment = {name: self.value(text) for name, text in step.get("env", {}).items()}
            environment |= {
                "GITHUB_OUTPUT": str(self.output),
                "GITHUB_STEP_SUMMARY": str(self.summary),
            }
            # Nothing of an input may be part of a script: it would be run.
            assert "${{" not in step["run"]
            done.append(run(step["run"], self.folder, environment))
            if done[-1].returncode:
                break
        return done


def test_the_action_captures_and_tells_github(shop: Shop, tmp_path: Path) -> None:
    """Evidence, page and JUnit are where its outputs say; the page of the step has a verdict."""
    action = Action(tmp_path, url=f"{shop.url}/catalog", arguments=QUICK, install="")
    *_, captured = action.run()
    assert captured.returncode == 0, captured.stdout + captured.stderr
    outputs = dict(line.split("=", 1) for line in action.output.read_text().splitlines())
    assert (tmp_path / outputs["evidence"]).stat().st_size
    assert "<html" in (tmp_path / outputs["report"]).read_text()
    assert "::notice title=" in captured.stderr
    assert "http_req_failed" in action.summary.read_text()
    assert ET.parse(tmp_path / "stressproof-results" / "capture.xml").getroot().tag == "testsuites"  # noqa: S314  # our own


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"url": "shop.example/orders"}, "url is 'shop.example/orders', expected http://"),
        ({"url": ""}, "url is empty, and there is no stressproof.toml here"),
        ({"url": "http://127.0.0.1:1", "out": "evidence"}, "out is 'evidence', expected a name"),
    ],
)
def test_the_action_refuses_before_the_long_part(
    tmp_path: Path, inputs: dict[str, str], message: str
) -> None:
    """Nothing is installed and nothing is loaded for an input that cannot be meant."""
    (refused,) = Action(tmp_path, **inputs).run()
    assert refused.returncode == 2
    assert message in refused.stdout


def test_an_input_is_a_word_and_never_a_command(shop: Shop, tmp_path: Path) -> None:
    """What a pull request names cannot run on the machine that loads it."""
    hostile = f"{shop.url}/catalog; touch pwned"
    Action(tmp_path, url=hostile, arguments=f"{QUICK}\n$(touch pwned)", install="").run()
    assert not (tmp_path / "pwned").exists()


def test_third_parties_are_pinned() -> None:
    """Every action that a file of ours uses is a commit, which nobody can move."""
    files = [
        ROOT / "action.yml",
        *(ROOT / "docs").rglob("*.yml"),
        *(ROOT / "examples").rglob("*.yml"),
    ]
    used = [line for path in files for line in path.read_text().splitlines() if "uses:" in line]
    assert used
    for line in used:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v", line) or "uses: ./" in line, line


def gitlab() -> dict[str, Any]:
    """Return the template's job."""
    loaded: dict[str, Any] = yaml.safe_load(
        (ROOT / "templates" / "stressproof.gitlab-ci.yml").read_text()
    )
    job: dict[str, Any] = loaded[".stressproof"]
    return job


def test_the_gitlab_job_writes_what_it_hands_over(shop: Shop, tmp_path: Path) -> None:
    """Both reports are there after its script, whatever came out."""
    job = gitlab()
    variables = job["variables"] | {
        "STRESSPROOF_URL": f"{shop.url}/catalog",
        "STRESSPROOF_ARGUMENTS": QUICK.replace("\n", " "),
        "STRESSPROOF_INSTALL": "",
    }
    done = run("\n".join(job["script"]), tmp_path, variables)
    assert done.returncode == 0, done.stdout + done.stderr
    for report in job["artifacts"]["reports"].values():
        assert (tmp_path / report).stat().st_size


def test_the_gitlab_job_refuses_before_the_long_part(tmp_path: Path) -> None:
    """A wrong variable costs no run."""
    job = gitlab()
    done = run("\n".join(job["script"]), tmp_path, job["variables"] | {"STRESSPROOF_URL": "shop"})
    assert done.returncode == 2
    assert "STRESSPROOF_URL is 'shop'" in done.stderr
