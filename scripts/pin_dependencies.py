"""Write the versions that uv resolves into pyproject.toml, so that no lock file is needed.

A lock file names the registry it was made with; constraints name only packages and versions.
Run it after a dependency changed: ``uv run python scripts/pin_dependencies.py``.
"""

import re
import subprocess
import sys
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
EXPORT = [
    "uv",
    "export",
    "--no-hashes",
    "--no-emit-workspace",
    "--all-extras",
    "--all-groups",
    "--no-header",
    "--no-annotate",
]


def main() -> int:
    """Lock, export, and replace the constraint list; returns uv's exit code on failure."""
    text = PYPROJECT.read_text(encoding="utf-8")
    block = re.compile(r"constraint-dependencies = \[.*?\]\n", re.DOTALL)
    PYPROJECT.write_text(block.sub("constraint-dependencies = []\n", text), encoding="utf-8")
    export = subprocess.run(EXPORT, capture_output=True, text=True, cwd=PYPROJECT.parent)  # noqa: PLW1510  # its code is ours
    if export.returncode:
        PYPROJECT.write_text(text, encoding="utf-8")
        sys.stderr.write(export.stderr)
        return export.returncode
    pins = [line.replace('"', "'") for line in export.stdout.splitlines() if "==" in line]
    listed = "".join(f'    "{pin}",\n' for pin in pins)
    pinned = block.sub(lambda _: f"constraint-dependencies = [\n{listed}]\n", text)
    PYPROJECT.write_text(pinned, encoding="utf-8")
    sys.stdout.write(f"{len(pins)} versions pinned\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
