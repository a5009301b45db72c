"""Whole stress artifacts, made up, for commands that read them; figures are derived, not written.

Builds on the forgeries' honest artifacts, which the verifier accepts at its `recomputed` level.
"""

import importlib
import json
import sys
from pathlib import Path

from stressproof.evidence.encoding import encode

sys.path.append(str(Path(__file__).parents[1] / "conformance"))
honest = importlib.import_module("forgeries.honest")
honest_injection = importlib.import_module("forgeries.honest_injection")
Plan = honest.Plan


def write(path: Path, plan: object | None = None) -> Path:
    """Write the artifact of a made-up capture, and return where."""
    path.write_bytes(encode(honest.artifact(plan or Plan(rate_per_user=5.0))))
    return path


def write_injection(path: Path) -> Path:
    """Write the artifact of a made-up injection of every scenario, and return where."""
    path.write_text(json.dumps(honest_injection.full()))
    return path
