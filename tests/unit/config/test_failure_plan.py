"""Failures of ``stressproof.toml``: what they compile to."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from stressproof.config.compile import Project, resolve
from stressproof.config.config_file import read_config
from stressproof.config.failure_plan import FailurePlan
from stressproof.config.file_failures import plan_failures
from stressproof.config.reading import Source
from stressproof.failures.fault_kinds import fault_problems
from stressproof.failures.spec import CheckSpec, ScenarioSpec
from stressproof.suite import suite_of

pytestmark = pytest.mark.gate

S = 1_000_000
SHOP = (Path(__file__).parent / "shop.toml").read_text()


def project(text: str, folder: Path = Path()) -> Project:
    """Read a file."""
    source = Source("stressproof.toml", text)
    return resolve(read_config(source), source, folder)


def plan(
    text: str, folder: Path = Path(), environment: Mapping[str, str] | None = None
) -> FailurePlan:
    """Read the failures of a file."""
    found = plan_failures(project(text, folder), environment)
    assert found is not None
    return found
