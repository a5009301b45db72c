"""Evidence of the failures of a project's own file, judged by the file and by nobody's."""

import shutil
from pathlib import Path

import msgspec
import pytest
from forgeries import honest_injection
from forgeries.honest import NOW

from stressproof.config.compile import load_project
from stressproof.config.failure_requirements import FailureRequirements
from stressproof.config.file_failures import failure_file_requirements
from stressproof.errors import UsageError
from stressproof.evidence.encoding import encode
from stressproof.evidence.reading import parse_document
from stressproof.failures.spec_problems import spec_problems
from stressproof.suite import PLAIN
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.verdict import Verdict

pytestmark = pytest.mark.gate

SHOP = Path(__file__).parents[1] / "unit" / "config" / "shop"
UNPROVEN = {"failure.statuses", "failure.overall"}
"""What a made-up injection is short of: it did not see enough to pass."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a folder with the shop's file and what it names."""
    return Path(shutil.copytree(SHOP, tmp_path / "shop"))


def asked(folder: Path) -> FailureRequirements:
    """Return what the file of a folder asks of evidence."""
    found = failure_file_requirements(load_project(folder))
    assert found is not None
    return found


def judged(requirements: FailureRequirements, of: FailureRequirements) -> Verdict:
    """Return the verdict on evidence of what one file asks, by what is required."""
    data = honest_injection.full(specs=of.scenarios, profile=of.profile)
    document = parse_document(encode(data), "failures.json")
    return FAILURE.verify(document, requirements, round(NOW.timestamp() * 1_000_000))


def test_what_a_file_compiles_to_can_be_asked_for(shop: Path) -> None:
    """Compiler and verifier mean the same by a scenario."""
    for spec in asked(shop).scenarios:
        assert list(spec_problems(spec)) == []


def test_evidence_of_a_file_is_judged_by_the_file(shop: Path) -> None:
    """Nothing that nobody asked for is missed: one worker, no health page, no engine of theirs."""
    required = asked(shop).for_gate()
    verdict = judged(required, required)
    assert {one.rule for one in verdict.blocking} == UNPROVEN
    assert verdict.level == "recomputed"


def test_anybody_recomputes_it_by_the_spec_that_it_carries(shop: Path) -> None:
    """Without the file the evidence still says what was asked for, and all follows."""
    verdict = judged(FAILURE.requirements(PLAIN, ""), asked(shop))
    assert {one.rule for one in verdict.blocking} == UNPROVEN
    assert verdict.level == "recomputed"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('latency = "1.5s"', 'latency = "1ms"'),
        ('answered_in = "3.5s"', 'answered_in = "5s"'),
        ('"SELECT 1, 0"', '"SELECT 9, 0"'),
        ('class = "degraded"', 'class = "ok"'),
        ("definite = [503]", "definite = [502]"),
        ('path = "/orders"', 'path = "/order"'),
        ("rate = 8\n", "rate = 9\n"),
        ('title = "The bank agrees"', 'title = "The bank may agree"'),
    ],
    ids=lambda one: one[:20],
)
def test_evidence_of_another_file_is_refused(shop: Path, old: str, new: str) -> None:
    """Whatever differs from the file at hand, by value, was not what is required."""
    required, file = asked(shop), shop / "stressproof.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    blocking = {one.rule for one in judged(required, asked(shop)).blocking}
    assert "failure.spec" in blocking
    assert blocking <= {*UNPROVEN, "failure.spec"}


def test_a_file_that_a_failure_names_is_part_of_what_was_asked(shop: Path) -> None:
    """Who edits what makes the rows asks for something else."""
    required = asked(shop)
    with (shop / "failures.py").open("a") as file:
        file.write("\n# edited\n")
    blocking = {one.rule for one in judged(required, asked(shop)).blocking}
    assert blocking == {*UNPROVEN, "failure.spec"}


def test_a_scenario_more_or_less_is_told(shop: Path) -> None:
    """Evidence of one failure is none of all of them, nor is evidence of one that nobody asks."""
    every = asked(shop)
    one = msgspec.structs.replace(every, scenarios=every.scenarios[:1])
    for required, of in ((every, one), (one, every)):
        assert "failure.scenarios" in {each.rule for each in judged(required, of).blocking}


def test_what_cannot_be_judged_is_refused_before_anything_is_injected(shop: Path) -> None:
    """A thousand requests a second for half a minute are more than a verifier looks at."""
    file = shop / "stressproof.toml"
    file.write_text(file.read_text().replace('rate = "20/s"', 'rate = "1000/s"'))
    with pytest.raises(UsageError, match=r"the failure SHOP-001: .* can be judged"):
        asked(shop)
