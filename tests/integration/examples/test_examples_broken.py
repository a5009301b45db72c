"""examples/shop and examples/till broken as their files say; planted bugs are found by checks.

A bug is planted by one replacement in a copy of the example. What takes minutes is marked slow.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from own_folder import Stressproof, stressproof_in
from stressproof.exits import Exit

EVIDENCE = "failures.json"
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
pytestmark = pytest.mark.timeout(420)


@dataclass(frozen=True)
class Bug:
    """One mistake in an example.

    Attributes:
        example: Which.
        file: Where.
        old: What stands there, once.
        new: What stands there with the bug.
        scenario: That shows it.
        found_by: Checks that fail; others may as well.
    """

    example: str
    file: str
    old: str
    new: str
    scenario: str
    found_by: frozenset[str]


FORGETS_THE_KEY = Bug(
    "shop",
    "shop/orders.py",
    "                (key, asked),\n",
    '                (__import__("uuid").uuid4().hex, asked),\n',
    "SHOP-002",
    frozenset({"no_double_effect", "one_wins"}),
)
MISCOUNTS = Bug(
    "shop",
    "shop/orders.py",
    "SET stock = stock - %(quantity)s",
    "SET stock = stock - %(quantity)s + (random() < 0.3)::int",
    "SHOP-002",
    frozenset({"stock_adds_up"}),
)
CONFIRMS_EARLY = Bug(
    "shop",
    "shop/app.py",
    "        placed = await place(session, idempotency_key, given, owner)\n",
    """        from asyncio import create_task, sleep
        from shop.orders import Placed

        async def later() -> None:
            await sleep(0.2)
            async with database.session() as other:
                await place(other, idempotency_key, given, owner)

        app.state.later = create_task(later())
        placed = Placed(0, replayed=False)
""",
    "SHOP-001",
    frozenset({"acknowledged_durable"}),
)
CHARGES_AGAIN = Bug(
    "till",
    "till/app.py",
    '{"idempotency-key": payment.reference}',
    '{"idempotency-key": __import__("uuid").uuid4().hex}',
    "TILL-002",
    frozenset({"no_double_effect", "charged_once"}),
)
WAITS_FOR_EVER = Bug(
    "till",
    "till/app.py",
    "BANK_S = 0.5",
    "BANK_S = None",
    "TILL-002",
    frozenset({"answered_in"}),
)


def copy_of(example: str, folder: Path) -> Path:
    """Return a copy of an example as somebody has it."""
    target = folder / example
    shutil.copytree(EXAMPLES / example, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def stressproof_of(project: Path) -> Stressproof:
    """Return what runs the command in a project, with what its file takes from the environment."""
    return partial(
        stressproof_in(project, timeout_s=400),
        SHOP_KEY="a-key-of-the-tests",
        XDG_STATE_HOME=str(project / "state"),
    )


def inject(project: Path, *scenarios: str) -> tuple[int, dict[str, Any], str]:
    """Inject a project's failures; returns the exit code, the evidence and what was said."""
    named = (word for one in scenarios for word in ("--scenario", one))
    people = ("--executed-by", "ada", "--approved-by", "grace")
    ran = stressproof_of(project)("inject", "--output", EVIDENCE, *people, *named)
    said = ran.stdout + ran.stderr
    assert (project / EVIDENCE).is_file(), said
    return ran.returncode, json.loads((project / EVIDENCE).read_bytes()), said


def failed_checks(evidence: dict[str, Any]) -> set[str]:
    """Return the checks that found something wrong."""
    return {
        check["id"]
        for scenario in evidence["scenarios"]
        for trial in ("baseline", "trial")
        for check in scenario[trial]["checks"]
        if check["outcome"] == "fail"
    }


def test_the_page_plants_a_bug(tmp_path: Path) -> None:
    """Its command leaves a shop that Python reads and that forgets its keys, as the test's does."""
    page = (EXAMPLES.parent / "docs/failures.md").read_text()
    [planting] = [line for line in page.splitlines() if line.startswith("sed -i ")]
    project = copy_of("shop", tmp_path)
    subprocess.run(["/bin/sh", "-c", planting], cwd=project, check=True)
    text = (project / FORGETS_THE_KEY.file).read_text()
    compile(text, FORGETS_THE_KEY.file, "exec")
    assert FORGETS_THE_KEY.old not in text
    assert "(os.urandom(16).hex(), asked),\n" in text
    assert "\nimport os\n" in text


def find(bug: Bug, folder: Path) -> None:
    """Plant a bug, and demand that its scenario finds it by its checks."""
    project = copy_of(bug.example, folder)
    file = project / bug.file
    text = file.read_text()
    assert text.count(bug.old) == 1
    file.write_text(text.replace(bug.old, bug.new))
    code, evidence, said = inject(project, bug.scenario)
    assert code == Exit.OBJECTIVES, said
    assert bug.found_by <= failed_checks(evidence), said


@pytest.mark.parametrize(
    "bug", [FORGETS_THE_KEY, MISCOUNTS], ids=["forgets the key", "miscounts the stock"]
)
def test_a_bug_is_found_by_its_check(bug: Bug, tmp_path: Path) -> None:
    """Twenty orders at once, and the truth read from the database."""
    find(bug, tmp_path)


@pytest.mark.slow
@pytest.mark.needs_redis
@pytest.mark.parametrize(
    "bug",
    [CONFIRMS_EARLY, CHARGES_AGAIN, WAITS_FOR_EVER],
    ids=["confirms early", "charges again", "waits for ever"],
)
def test_a_bug_that_only_an_outage_shows_is_found(bug: Bug, tmp_path: Path) -> None:
    """What works on a good day, and loses or doubles on a bad one."""
    find(bug, tmp_path)


@pytest.mark.slow
@pytest.mark.needs_redis
@pytest.mark.parametrize("example", ["shop", "till"])
def test_an_example_survives_what_its_file_says(example: str, tmp_path: Path) -> None:
    """Every scenario with every fault passes, and the evidence recomputes."""
    project = copy_of(example, tmp_path)
    code, evidence, said = inject(project)
    assert code == Exit.PASS, said
    assert {one["status"] for one in evidence["scenarios"]} == {"pass"}
    verified = stressproof_of(project)("verify", EVIDENCE)
    assert verified.returncode == Exit.PASS, verified.stdout
    assert "recomputed" in verified.stdout
