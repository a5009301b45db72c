"""Without PostgreSQL's driver the command that brings it is told."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gate


@pytest.mark.parametrize("package", ["psycopg", "disposable_postgres"])
def test_missing_extra_is_named(tmp_path: Path, package: str) -> None:
    """Where PostgreSQL's driver is absent, the command that brings it is in the hint."""
    (tmp_path / "shop_driver.py").write_text(
        "from stressproof.faults.injectors.database_registry import MAKERS\nclass Driver: pass\n"
    )
    program = f"""
import sys
sys.modules[{package!r}] = None
from stressproof.errors import UsageError
from stressproof.dotted_path import resolve
import stressproof.capture.injection
try:
    resolve("shop_driver:Driver", type, of="the driver of SHOP-001")
except UsageError as error:
    print(error.message, "|", error.hint)
"""
    told = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    ).stdout
    assert told == (
        "the driver of SHOP-001 is shop_driver:Driver: breaking a PostgreSQL database needs the "
        f"package {package}, which is not installed here | pip install 'stressproof[postgres]'\n"
    )
