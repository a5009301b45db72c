"""A suite is found by name, by path, by entry point or in a file, or the reason is said."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from enforcement_suite.suite import SUITE
from stressproof.config.compile import Project, load_project
from stressproof.config.file_failures import planned_failures
from stressproof.config.profile import Profile, read
from stressproof.config.stress_requirements import StressRequirements
from stressproof.dotted_path import NotInstalledError
from stressproof.errors import UsageError
from stressproof.faults.places import Places
from stressproof.suite import PLAIN, Suite, find_suite, suite_of
from stressproof.workload.checks import Checks

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.gate

REQUIREMENTS = """StressRequirements(
    profile="shop", runner="stressproof capture",
    max_p95_seconds=1.0, max_error_rate_percent=1.0, min_throughput_rps=1.0,
)"""
SHOP = f"""
from stressproof.config.profile import Profile, read
from stressproof.config.stress_requirements import StressRequirements
from stressproof.suite import Suite

SUITE = Suite(
    name="shop", version="1", stress=({REQUIREMENTS},),
    profiles=(Profile(name="shop", endpoints=(read("/orders"),)),),
)
NO_SUITE = {{"name": "shop"}}
"""


class Site:
    """A folder on the module path with packages that offer suites, as an installer leaves them.

    Args:
        folder: An empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def offer(self, name: str, value: str, package: str = "", source: str = SHOP) -> None:
        """Install a package whose entry point of this name has this value."""
        package = package or name
        (self.folder / f"{package}.py").write_text(source)
        info = self.folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[stressproof.suites]\n{name} = {value}\n")

    def find(self, named: str = "") -> str:
        """Return the name of the suite that a process without our own suite finds, or the error."""
        program = f"""
import importlib.metadata as metadata
import sys
ours = metadata.entry_points
metadata.entry_points = lambda **asked: metadata.EntryPoints(
    one for one in ours(**asked) if one.dist is None or one.dist.name != "enforcement-suite"
)
from stressproof.errors import StressproofError
from stressproof.suite import find_suite
try:
    print(find_suite({named!r}).name)
except StressproofError as error:
    print(f"exit {{int(error.exit_code)}}: {{error.message}} / {{error.hint}}")
"""
        ended = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Where packages are installed."""
    return Site(tmp_path)


def test_no_suite_is_the_plain_one(site: Site) -> None:
    """A service that nobody wrote a suite for can be loaded and judged all the same."""
    assert site.find() == "plain"
    assert list(PLAIN.profile_table()) == ["health", "health_deep"]
    assert {one.profile for one in PLAIN.stress} == set(PLAIN.profile_table())


def test_the_only_suite_installed_is_it(site: Site) -> None:
    """An entry point is enough: nothing has to be named."""
    site.offer("shop", "shop:SUITE")
    assert site.find() == "shop"
    assert site.find("shop") == "shop"


def test_several_suites_have_to_be_named(site: Site) -> None:
    """Which floors hold is never a matter of order."""
    site.offer("shop", "shop:SUITE")
    site.offer("bank", "bank:SUITE", source=SHOP.replace("shop", "bank"))
    said = site.find()
    assert said.startswith("exit 2: 2 suites are installed (bank, shop)")
    assert '[suite] use = "bank"' in said
    assert site.find("bank") == "bank"


def test_two_packages_with_one_name_are_told_apart(site: Site) -> None:
    """A second package of the same name does not decide by being first on the path."""
    site.offer("shop", "shop:SUITE")
    site.offer("shop", "mall:SUITE", package="mall")
    assert "several packages offer a suite 'shop': mall:SUITE, shop:SUITE" in site.find("shop")
    assert site.find("mall:SUITE") == "shop"


@pytest.mark.parametrize("named", ["shop", "shop.suite:SUITE", "shop.py:SUITE"])
def test_an_absent_suite_is_said_with_what_to_install(site: Site, named: str) -> None:
    """By name, by path and by file: exit 2, and a hint."""
    said = site.find(named)
    assert said.startswith("exit 2: ")
    assert "shop" in said
    assert not said.endswith("/ ")


BROKEN = {
    "an error": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "an exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "no syntax": ("def", "SyntaxError"),
    "a dependency that is absent": ("import nobody_has_this", "No module named 'nobody_has_this'"),
    "no such name": ("OTHER = 1", "and shop has no SUITE"),
    "something else": ("SUITE = {}", "which is a dict, expected a Suite"),
}


@pytest.mark.parametrize(("source", "why"), BROKEN.values(), ids=BROKEN)
def test_a_broken_suite_is_an_error_and_no_traceback(site: Site, source: str, why: str) -> None:
    """Whatever its module does, the user reads which suite it is and what is wrong with it."""
    site.offer("shop", "shop:SUITE", source=source)
    said = site.find()
    assert said.startswith("exit 2: the suite 'shop' is shop:SUITE, ")
    assert why in said


@pytest.mark.parametrize("value", ["shop", "shop:"])
def test_an_entry_point_that_is_no_path_is_refused(site: Site, value: str) -> None:
    """An entry point names a module and a name in it."""
    site.offer("shop", value)
    assert "expected package.module:NAME" in site.find()


def test_a_suite_may_be_a_file(tmp_path: Path) -> None:
    """A file beside stressproof.toml is a whole suite; a gate does not run it."""
    (tmp_path / "shop.py").write_text(SHOP)
    project = Project(suite="shop.py:SUITE", folder=tmp_path)
    suite = suite_of(project)
    assert [one.path for one in suite.profile("shop").endpoints] == ["/orders"]
    with pytest.raises(UsageError, match="runs no code of the checkout"):
        suite_of(project, at_gate=True)
    for name in ("NO_SUITE", "ABSENT"):
        with pytest.raises(UsageError, match=name):
            find_suite(f"shop.py:{name}", folder=tmp_path)


def test_the_suite_of_the_documentation_works(tmp_path: Path) -> None:
    """Whoever copies the page has a suite."""
    page = (ROOT / "docs" / "suites.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "shop_suite.py").write_text(source)
    (toml,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "stressproof.toml").write_text(textwrap.dedent(toml))
    suite = suite_of(load_project(tmp_path))
    assert suite.name == "shop"
    assert suite.stress_requirements().thresholds.max_p95_seconds == 0.3
    assert {one.profile for one in suite.stress} == set(suite.profile_table())


def test_the_tool_names_no_service() -> None:
    """What is particular to a service is its suite's: the tool's source does not name ours."""
    source = ROOT / "packages" / "stressproof" / "src"
    named = [path for path in source.rglob("*.py") if "enforcement" in path.read_text().lower()]
    assert named == []


def test_a_project_says_what_to_install() -> None:
    """The hint names the package that the file names."""
    with pytest.raises(NotInstalledError) as raised:
        suite_of(Project(suite="shop.suite:SUITE", suite_package="acme-shop"))
    assert raised.value.hint == "Install it, for example: pip install acme-shop"


def test_a_profile_without_requirements_keeps_the_first_floors() -> None:
    """Another profile asks other endpoints of a service, all of them, and never less of it."""
    first = SUITE.stress_requirements()
    cart = Profile(name="checkout", endpoints=(read("/cart"), read("/stock")))
    suite = msgspec.structs.replace(SUITE, profiles=(cart,))
    asked = suite.stress_requirements("checkout")
    assert (asked.profile, asked.required_endpoints) == ("checkout", ("GET /cart", "GET /stock"))
    assert (asked.min_rounds, asked.thresholds) == (first.min_rounds, first.thresholds)


def test_a_profile_that_nobody_has_is_asked_nothing_and_refused() -> None:
    """Evidence of it could be of anything."""
    with pytest.raises(UsageError, match="there is no profile 'anything'"):
        SUITE.stress_requirements("anything")


def test_a_profile_that_is_not_there_is_said_with_the_nearest() -> None:
    """A typing mistake shows what was meant and what there is."""
    with pytest.raises(UsageError, match="did you mean enforcement") as raised:
        SUITE.profile("enforcment")
    assert "health_deep" in raised.value.hint


def test_a_suite_asks_something() -> None:
    """A suite without requirements would let everything through."""
    with pytest.raises(UsageError, match="asks nothing"):
        Suite(name="empty", version="1", stress=(), profiles=())


def test_a_suite_without_failures_says_so() -> None:
    """Failure evidence is judged by scenarios, and there are none."""
    with pytest.raises(UsageError, match="no failure scenarios"):
        PLAIN.failure_requirements()


def test_what_a_suite_injects_is_its_file() -> None:
    """What is demanded of evidence is what is injected; without a file there is nothing to do."""
    project = SUITE.failure_project()
    assert project.folder.name == "failures"
    plan = planned_failures(project)
    assert plan.scenarios == SUITE.failure_requirements().scenarios
    assert [len(one.checks) for one in plan.scenarios] == [47, 22, 34, 25, 15]
    with pytest.raises(UsageError, match="suite plain has no file of failures"):
        PLAIN.failure_project()
    with pytest.raises(UsageError, match="the file has no failures"):
        planned_failures(Project())


def test_what_is_broken_is_the_code_that_is_judged(tmp_path: Path) -> None:
    """Who injects from a checkout says by PYTHONPATH where its service is."""
    places = Places(planned_failures(SUITE.failure_project()).testbed, {"PYTHONPATH": "checkout"})
    places.make_room(tmp_path)
    places.add("db", "127.0.0.1", 5432)
    assert places.environment("enforcement")["PYTHONPATH"] == "checkout"


def test_only_a_suite_with_probes_is_asked_for_what_they_say() -> None:
    """A gate demands counters and an instance of a service that is configured to show them."""
    plain, ours = PLAIN.stress_requirements().for_gate(), SUITE.stress_requirements().for_gate()
    assert not plain.require_counters
    assert not plain.require_identity
    assert not plain.refuse_unsafe
    assert ours.require_counters
    assert ours.require_identity
    assert ours.refuse_unsafe
    assert isinstance(ours, StressRequirements)


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (b'{"parity_ok": true, "decisions": 50}', True),
        (b'{"parity_ok": true, "decisions": 1}', True),
        (b'{"parity_ok": true, "decisions": 0}', False),
        (b'{"parity_ok": true}', False),
        (b'{"parity_ok": false, "decisions": 50}', False),
        (b'{"parity_ok": true, "decisions": null}', False),
    ],
)
def test_parity_of_nothing_is_no_answer(body: bytes, *, good: bool) -> None:
    """A tenant without a past agrees with itself: that is asked of every profile with parity."""
    profiles = [one for one in SUITE.profile_table().values() if "parity" in str(one)]
    assert len(profiles) == 2
    for profile in profiles:
        [parity] = [one for one in profile.endpoints if "parity" in one.path]
        judge = Checks.of(parity.checks)
        assert judge is not None
        assert (judge(body) is None) is good
