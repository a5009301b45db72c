"""The steps that a project names."""

from pathlib import Path

import pytest

from release_project import PASSING_STEPS, REPOSITORY
from stressproof.config.compile import load_project
from stressproof.config.steps import Step
from stressproof.errors import UsageError
from stressproof.gate.project import EXAMPLE, steps_of

SPINE = (
    *("measure", "workload", "evidence", "failures", "objectives", "config", "suite"),
    *("verify", "trust", "gate"),
)

pytestmark = pytest.mark.gate


def named(tmp_path: Path, text: str) -> tuple[Step, ...]:
    """The steps of a project with this file."""
    (tmp_path / "stressproof.toml").write_text(text, encoding="utf-8")
    return steps_of(load_project(tmp_path))


def test_a_project_names_its_steps(tmp_path: Path) -> None:
    """Every key of a step is read; what is not said has a default."""
    first, second = named(
        tmp_path,
        """
        [gate]
        steps = [
            { name = "tests", run = ["python", "-m", "pytest"], timeout = "1m" },
            { name = "shop", run = ["make"], needs = ["yaml"], inconclusive_exit_codes = [9] },
        ]
        [limits]
        max_p95_seconds = 1.0
        """,
    )
    assert first == Step(name="tests", run=("python", "-m", "pytest"), timeout_us=60_000_000)
    assert first.modules == ("pytest",)
    assert first.nothing_judged == (5,)
    assert second.timeout_us == 600_000_000
    assert second.modules == ("yaml",)
    assert second.nothing_judged == (9,)


def test_the_example_of_the_hint_works(tmp_path: Path) -> None:
    """What a message tells the user to write is accepted."""
    assert len(named(tmp_path, EXAMPLE.replace("] ", "]\n", 1))) == 1
    assert len(named(tmp_path, PASSING_STEPS)) == 2


BAD = {
    "no table": "",
    "no steps": "[gate]\n",
    "an empty list": "[gate]\nsteps = []\n",
    "no list": '[gate]\nsteps = "all"\n',
    "no command": '[gate]\nsteps = [{ name = "a" }]\n',
    "an empty command": '[gate]\nsteps = [{ name = "a", run = [] }]\n',
    "a NUL": '[gate]\nsteps = [{ name = "a", run = ["x", "\\u0000"] }]\n',
    "no program": '[gate]\nsteps = [{ name = "a", run = ["", "x"] }]\n',
    "a shell line": '[gate]\nsteps = [{ name = "a", run = "make check" }]\n',
    "no name": '[gate]\nsteps = [{ run = ["true"] }]\n',
    "a name with a newline": '[gate]\nsteps = [{ name = "a\\nb", run = ["true"] }]\n',
    "a key that is not known": '[gate]\nsteps = [{ name = "a", run = ["x"], optional = true }]\n',
    "a table key that is not known": '[gate]\nskip = 1\nsteps = [{ name = "a", run = ["x"] }]',
    "no time": '[gate]\nsteps = [{ name = "a", run = ["true"], timeout = "0s" }]\n',
    "a time without its unit": '[gate]\nsteps = [{ name = "a", run = ["true"], timeout = 9 }]\n',
    "zero as inconclusive": (
        '[gate]\nsteps = [{ name = "a", run = ["true"], inconclusive_exit_codes = [0] }]\n'
    ),
    "two of a name": '[gate]\nsteps = [{ name = "a", run = ["x"] }, { name = "a", run = ["y"] }]\n',
    "no TOML": "[gate\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    """A gate that would check nothing, or something else than it says, does not start."""
    with pytest.raises(UsageError) as raised:
        named(tmp_path, text)
    assert "stressproof.toml" in raised.value.message


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """TOML is UTF-8."""
    (tmp_path / "stressproof.toml").write_bytes(b"[gate]\n# \xff\n")
    with pytest.raises(UsageError, match=r"stressproof\.toml"):
        steps_of(load_project(tmp_path))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A folder in its place is no steps."""
    (tmp_path / "stressproof.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        steps_of(load_project(tmp_path))


def test_a_project_without_the_file_has_no_steps(tmp_path: Path) -> None:
    """Nobody's steps are somebody else's, and nobody gets none."""
    with pytest.raises(UsageError, match="is not there"):
        steps_of(load_project(tmp_path))


def test_our_own_steps_are_those_of_the_design() -> None:
    """Lint, types, import contracts, and the quick tests with a floor under the offline spine."""
    steps = load_project(REPOSITORY).steps
    names = [step.name for step in steps]
    assert names == ["lint", "format", "types", "imports", "tests"]
    tests = steps[-1].run
    assert tests[:5] == ("python", "-m", "pytest", "-m", "gate")
    assert any(word.startswith("--cov-fail-under=") for word in tests)
    for room in SPINE:
        assert f"--cov=stressproof.{room}" in tests
    assert all(step.run[0] == "python" for step in steps)
