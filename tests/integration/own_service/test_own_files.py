"""What decides the load of somebody's own project lies in its folder, or is told."""

import json
from pathlib import Path

import pytest

from gated_shop import EVIDENCE, GatedShop
from own_folder import passed
from shop_service import Shop
from stressproof.exits import Exit

FLOW = """
from stressproof.flow import User, read
{imports}

async def look(user: User) -> None:
    {first}
    await user.get("/catalog")
"""


@pytest.fixture
def project(shop: Shop, tmp_path: Path) -> GatedShop:
    """A shop's repository below the test's folder, which is outside of it."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (tmp_path / "outside.py").write_text("WORD = 'outside'\n")
    (tmp_path / "outside.csv").write_text("sku\noutside\n")
    return GatedShop(folder, shop)


def with_flow(project: GatedShop, imports: str = "", first: str = "pass") -> None:
    """Let the profile run a flow as well."""
    (project.folder / "flows.py").write_text(FLOW.format(imports=imports, first=first))
    flow = '[[profile.shop.flow]]\nrun = "flows.py:look"\n\n[profile.shop.thresholds]'
    project.commit(project.changed("[profile.shop.thresholds]", flow))


def linked(project: GatedShop, name: str, to: str = "outside.csv") -> None:
    """Put a link out of the project in place of a file."""
    (project.folder / name).unlink(missing_ok=True)
    (project.folder / name).symlink_to(project.folder.parent / to)


def test_a_link_out_of_the_project_is_no_table(project: GatedShop, shop: Shop) -> None:
    """It is told where the file is read and before anything is sent."""
    linked(project, "skus.csv")
    for command in (("check",), ("capture",)):
        ran = project.run(*command)
        assert ran.returncode == Exit.USAGE, ran.stdout
        assert "'skus.csv' is no file of the project: a link leads out" in ran.stderr
        assert "stressproof.toml:9" in ran.stderr
    assert not shop.served


def test_a_link_out_of_the_project_is_no_body(project: GatedShop, shop: Shop) -> None:
    """Nor by a folder that is a link."""
    (project.folder / "bodies").symlink_to(project.folder.parent)
    body = 'method = "POST"\nbody_file = "bodies/outside.csv"\n'
    project.commit(project.changed('check = "json"\n', body))
    ran = project.run("capture")
    assert ran.returncode == Exit.USAGE
    assert "'bodies/outside.csv' is no file of the project" in ran.stderr
    assert not shop.served


def test_a_link_within_the_project_is_a_file_of_it(project: GatedShop) -> None:
    """Nothing leads out."""
    (project.folder / "skus.csv").rename(project.folder / "real.csv")
    (project.folder / "skus.csv").symlink_to("real.csv")
    assert passed(project.capture())


@pytest.mark.parametrize("place", ["flow", "module", "read"])
def test_a_link_out_of_the_project_is_no_flow_and_no_module(
    project: GatedShop, shop: Shop, place: str
) -> None:
    """What it leads to is not run."""
    marker = project.folder.parent / "was run"
    (project.folder.parent / "outside.py").write_text(f"open({str(marker)!r}, 'w')\n")
    name = {"flow": "flows.py", "module": "helper.py", "read": "words.txt"}[place]
    with_flow(
        project,
        "import helper" if place == "module" else "",
        'read("words.txt")' if place == "read" else "pass",
    )
    linked(project, name, "outside.py")
    ran = project.run("capture")
    if place == "read":
        assert "is no file of the project" in ran.stdout + ran.stderr
    else:
        assert ran.returncode == Exit.USAGE, ran.stdout + ran.stderr
        assert f"'{name}' is no file of the project: a link leads out" in ran.stderr
    assert set(shop.served) <= {"GET /catalog"}  # the preflight's, before any flow is there
    assert not marker.exists()
    assert "Traceback" not in ran.stderr


def test_a_module_from_elsewhere_is_named_and_no_gate_takes_it(project: GatedShop) -> None:
    """By its name: where it lies is this machine's affair."""
    with_flow(project, "import sys\nsys.path.append('..')\nimport outside")
    assert passed(project.capture("--target", "staging"))
    text = (project.folder / EVIDENCE).read_text()
    assert str(project.folder.parent) not in text
    files = {file["path"] for file in json.loads(text)["workload"]["files"]}
    assert files == {"skus.csv", "flows.py", "../outside.py"}
    decided = project.gate()
    assert "gate.files" in decided.stdout
    assert "../outside.py" in decided.stdout


def test_the_decision_says_which_tables_no_commit_has(project: GatedShop) -> None:
    """In text, JSON and Markdown; and nothing else is excused by the word."""
    project.commit(project.changed('"skus.csv"\n', '"skus.csv"\ngenerated = true\n'))
    assert passed(project.capture("--target", "staging"))
    (project.folder / "skus.csv").write_text("sku\nanother\n")
    project.commit((project.folder / "stressproof.toml").read_text())
    decided = project.gate()
    assert "gate.files" not in decided.stdout
    assert "not judged: skus.csv (generated)" in decided.stdout
    assert (
        "skus.csv (generated)" in json.loads(project.gate("--format", "json").stdout)["not_judged"]
    )
    assert "not judged: `skus.csv (generated)`" in project.gate("--format", "markdown").stdout


def test_a_table_that_the_commit_does_not_have_is_not_compared_in_silence(
    project: GatedShop,
) -> None:
    """Ignored by git, it is nobody's: the gate cannot tell."""
    project.git("rm", "-q", "--cached", "skus.csv")
    (project.folder / ".gitignore").write_text("*.csv\n")
    project.commit(project.file)
    assert passed(project.capture("--target", "staging"))
    decided = project.gate()
    assert "gate.files" in decided.stdout
    assert "generated = true" in decided.stdout
