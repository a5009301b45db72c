"""The project's own promises about its dependencies and files."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

MEMBERS = {path.name for path in (ROOT / "packages").iterdir()}

pytestmark = pytest.mark.gate


def canonical(requirement: str) -> str:
    """The name of a requirement, as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[=<>!~;]", requirement.strip())[0]).lower()


def test_every_resolved_package_has_a_pin() -> None:
    """Nothing that uv resolves is free to change by itself."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    resolved = {canonical(package["name"]) for package in lock["package"]} - MEMBERS
    pinned = {canonical(pin) for pin in PYPROJECT["tool"]["uv"]["constraint-dependencies"]}
    assert resolved - pinned == set()


def test_every_dependency_is_pinned_exactly() -> None:
    """A pin is one version."""
    assert all("==" in pin for pin in PYPROJECT["tool"]["uv"]["constraint-dependencies"])


def test_every_lint_exception_has_its_reason() -> None:
    """Each rule that is switched off says why on its line."""
    text = (ROOT / "pyproject.toml").read_text()
    ruff = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.pydocstyle]")]
    exceptions = [line for line in ruff.splitlines() if re.match(r'\s*"[A-Z]+\d+",', line)]
    assert exceptions
    assert [line for line in exceptions if "#" not in line] == []


def test_no_lock_file_is_tracked() -> None:
    """Lock files name registries, so they stay out of the repository."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [
        name for name in tracked if re.search(r"(\.lock|lock\.json|pylock.*\.toml)$", name)
    ] == []


FOREIGN = re.compile(r"\b(?:design|rulings?) \d")


def test_references_can_be_followed() -> None:
    """No page cites a document that is not in the repository."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    cited = [
        name
        for name in tracked
        if name.endswith((".py", ".md", ".toml", ".json", ".yml", ".sql"))
        and (ROOT / name).is_file()
        and FOREIGN.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert cited == []
