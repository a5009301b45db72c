"""``import stressproof``: what a program is offered, and that it is what it says."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import stressproof

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.gate


def test_every_public_name_is_there_and_sorted() -> None:
    """``__all__`` is sorted, complete, and each of its names can be imported."""
    assert stressproof.__all__ == sorted(stressproof.__all__)
    assert set(stressproof.__all__) == {*stressproof._HOMES, "__version__"}
    assert dir(stressproof) == stressproof.__all__
    for name in stressproof.__all__:
        assert getattr(stressproof, name) is not None


def test_every_public_name_is_explained() -> None:
    """The package's docstring is the reference: it names all of them, and nothing else."""
    named = set(re.findall(r"`(\w+)`", stressproof.__doc__ or ""))
    assert named - {"import stressproof", "stressproof"} == set(stressproof.__all__)
    for name in stressproof._HOMES:
        assert inspect.getdoc(getattr(stressproof, name)), name


def test_what_tests_of_others_import_is_there_and_sorted() -> None:
    """``stressproof.testing`` is a module of its own: who loads nothing of it pays nothing."""
    testing = importlib.import_module("stressproof.testing")
    assert testing.__all__ == ["FaultDidNotBiteError", "FaultProxy", "Hits", "fault_proxy"]
    for name in testing.__all__:
        assert inspect.getdoc(getattr(testing, name)), name


def test_a_name_that_is_not_there_is_said() -> None:
    """A typing mistake is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="no attribute 'captrue'"):
        _ = stressproof.captrue


@pytest.mark.parametrize("name", ["capture", "verify", "gate"])
def test_a_room_can_be_called_whatever_was_imported_before(name: str) -> None:
    """The function and the package of one name are one thing, in every order of imports."""
    home = importlib.import_module(stressproof._HOMES[name])
    function = getattr(home, name)
    room = importlib.import_module(f"stressproof.{name}")
    assert getattr(stressproof, name) is room
    assert inspect.signature(room) == inspect.signature(function)
    assert inspect.unwrap(room) is function
    with pytest.raises(TypeError, match="argument"):
        room()


def test_importing_it_imports_nothing_else() -> None:
    """A program that asks for the version pays for the version."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'packages/stressproof/src')!r}); "
        "before = set(sys.modules); import stressproof; stressproof.__version__; "
        "print(*sorted(set(sys.modules) - before))"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", program], check=True, capture_output=True, text=True
    )
    loaded = set(ended.stdout.split())
    assert {name for name in loaded if name.startswith("stressproof")} == {
        "stressproof",
        "stressproof.version",
    }
    assert not loaded & {"msgspec", "asyncio", "ssl", "json", "pathlib", "subprocess"}


def test_a_type_checker_sees_the_real_types(tmp_path: Path) -> None:
    """Mypy --strict knows what each function takes and returns."""
    program = tmp_path / "program.py"
    program.write_text(
        "import stressproof\n"
        "from stressproof import Suite\n"
        "suite: Suite = stressproof.find_suite()\n"
        "reveal_type(stressproof.capture(stressproof.plan_capture('http://x', suite)))\n"
        "reveal_type(stressproof.verify('x.json', suite.stress_requirements()))\n"
        "reveal_type(stressproof.gate(stressproof.release_request(suite, 'x.json')))\n"
        "stressproof.capture(1)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    seen = re.findall(r'Revealed type is "([\w.]+)"', ended.stdout)
    assert [name.rpartition(".")[2] for name in seen] == ["StressArtifact", "Verdict", "Decision"]
    assert re.findall(r":(\d+): error", ended.stdout) == ["7"], ended.stdout
