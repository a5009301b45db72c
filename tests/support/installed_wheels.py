"""Environments into which what was built is installed, as a stranger would."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UV = shutil.which("uv") or ""


def build_wheels(folder: Path) -> Path:
    """Build the four wheels from this checkout into a folder, and return it."""
    assert UV, "uv builds the wheels; pip install uv"
    command = [UV, "build", "--all-packages", "--wheel", "--quiet", "--out-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


class Environment:
    """A virtual environment with what was installed into it.

    Args:
        folder: Where it is made.
        wheels: Where ours lie; everything else comes from the package index.
        requirements: What is installed, by pip as most people do, or by the quicker uv.
        by_pip: Which of the two.
    """

    def __init__(
        self, folder: Path, wheels: Path, *requirements: str, by_pip: bool = False
    ) -> None:
        self.folder = folder
        if by_pip:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            self.run(
                *("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--find-links", str(wheels), *requirements),
            )
        else:
            make = [UV, "venv", "--quiet", "--python", sys.executable, str(folder)]
            subprocess.run(make, check=True, cwd=wheels)
            install = [UV, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
            install += ["--find-links", str(wheels), *requirements]
            subprocess.run(install, check=True, cwd=folder)

    def run(
        self,
        program: str,
        *arguments: str,
        cwd: Path | None = None,
        code: int = 0,
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its programs to the end; the exit code is part of the expectation."""
        done = subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **(variables or {})},
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def packages(self) -> set[str]:
        """Return the names of what is installed, without what venv brings."""
        listing = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
        names = self.run("python", "-c", listing).stdout.split()
        return {re.sub(r"[-_.]+", "-", name).lower() for name in names} - {"pip", "setuptools"}

    def size(self) -> int:
        """Return the bytes of everything installed, pip's own left out."""
        [site] = (self.folder / "lib").glob("python3*/site-packages")
        return sum(
            file.lstat().st_size
            for file in site.rglob("*")
            if file.is_file()
            and not file.relative_to(site).parts[0].startswith(("pip", "setuptools", "_distutils"))
        )
