"""Whole stress artifacts, made up, for commands that read them; figures are derived, not written.

Builds on the forgeries' honest artifacts, which the verifier accepts at its `recomputed` level.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from stressproof.evidence.encoding import encode


def _honest() -> ModuleType:
    name = "honest_artifacts"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "conformance" / "forgeries" / "honest.py"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


honest = _honest()
Plan = honest.Plan


def write(path: Path, plan: object | None = None) -> Path:
    """Write the artifact of a made-up capture, and return where."""
    path.write_bytes(encode(honest.artifact(plan or Plan(rate_per_user=5.0))))
    return path
