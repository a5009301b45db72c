"""Drivers and testbeds are found by dotted path when something is driven, or the reason is said."""

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from msgspec.structs import replace

from enforcement_suite.scenarios.lock.driver import LockContention
from enforcement_suite.scenarios.lock.spec import FI_002
from enforcement_suite.suite import SUITE
from enforcement_suite.testbed import EnforcementTestbed
from stressproof.capture.stage import suite_stage
from stressproof.errors import UsageError
from stressproof.faults.driver import Injectors, load_driver
from stressproof.suite import PLAIN

pytestmark = pytest.mark.gate

DRIVER = FI_002.driver.rpartition(":")[0]


class HalfADriver(LockContention):
    """Injects one fault of four, and one that its scenario does not have."""

    injectors: ClassVar[Injectors] = {
        "lock_held": LockContention.hold,
        "lock_lost": LockContention.hold,
    }


def test_what_the_suite_names_is_loaded() -> None:
    """Each is the class that lies beside its data."""
    assert load_driver(FI_002) is LockContention
    assert suite_stage(SUITE, [], 2).testbed.func is EnforcementTestbed


@pytest.mark.parametrize(
    ("path", "words", "hint"),
    [
        ("nowhere.driver:X", "no module nowhere is installed", "Install"),
        (f"{DRIVER}:LockContentio", "has no LockContentio", "mean LockContention"),
        (f"{DRIVER}:LOCK_SQL", "is a str, expected a type", "Name"),
        (f"{DRIVER}:Request", "is no ScenarioDriver", "subclass"),
        ("driver", "expected package.module:NAME", "colon"),
        (
            "test_faults_driver_half:HalfADriver",
            (
                "does not inject holder_killed, worker_killed, budget_race; "
                "it declares lock_held, lock_lost"
            ),
            "method for each fault",
        ),
    ],
)
def test_driver_that_cannot_drive_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, path: str, words: str, hint: str
) -> None:
    """What was named, what is missing, and what to do."""
    monkeypatch.setitem(sys.modules, "test_faults_driver_half", sys.modules[__name__])
    with pytest.raises(UsageError, match="the driver of FI-002") as caught:
        load_driver(replace(FI_002, driver=path))
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_suite_without_a_testbed_says_so() -> None:
    """There is nothing that could be broken."""
    with pytest.raises(UsageError, match="suite plain has no testbed"):
        suite_stage(PLAIN, [], 2)


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
