"""examples/coming-from: five services, asked the same by our file, by k6 and by Locust."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from example_shop import EXAMPLE
from twin_services import FOLDER, SERVICES, TwinService, counts

TOOLS = (
    "stressproof",
    pytest.param("k6", marks=[pytest.mark.needs_k6, pytest.mark.slow]),
    pytest.param("locust", marks=[pytest.mark.needs_locust, pytest.mark.slow]),
)
CUT_SHORT = 0.6
"""Locust ends users in the middle of what they do: the last requests of a flow are fewer."""


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
def test_the_three_ask_a_service_the_same(
    service: TwinService, tool: str, tmp_path: Path, fresh_database: str
) -> None:
    """Each ends well, asks everything that belongs to an iteration, and asks nothing else."""
    service.lay_out(tmp_path)
    prepare(fresh_database)
    with service.running(tmp_path, {"DATABASE_URL": fresh_database}) as variables:
        ran = service.run(tmp_path, tool, variables)
    answered = counts(tmp_path)
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}{answered}"
    if tool == "stressproof":  # with times this short there are too few samples for its verdict
        evidence = json.loads((tmp_path / "run.json").read_text())
        assert (evidence["status"], evidence["results"]["failed_requests"]) == ("complete", 0)
    together = [name for group in service.each for name in group]
    assert set(together) <= set(answered) <= {*together, *service.may}, answered
    for group in service.each:
        first, *others = (answered[name] for name in group)
        for other in others:
            if tool == "locust":
                assert CUT_SHORT * first <= other <= first, answered
            else:
                assert other == first, answered


def test_the_page_counts_the_lines() -> None:
    """What is said of the lines of each service is so."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    shown = {row[1]: tuple(map(int, row[3:6])) for row in map(cells, page.splitlines()) if row}
    assert shown == {service.name: service.lines for service in SERVICES}


def cells(line: str) -> list[str]:
    """Return the cells of a row about a service, none of any other line."""
    found = [cell.strip() for cell in line.split("|")]
    return found if len(found) == 7 and found[3].isdigit() else []


def prepare(database: str) -> None:
    """Give the shop its tables and its first rows."""
    code = "import sys; from pathlib import Path; from shop.database import prepare; "
    code += "prepare(sys.argv[1], Path())"
    subprocess.run([sys.executable, "-c", code, database], cwd=EXAMPLE, check=True, env=os.environ)
