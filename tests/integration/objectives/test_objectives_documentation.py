"""docs/objectives.md: every file in it is valid and every command in it does what it says."""

import re
import shlex
from pathlib import Path

import pytest

from made_artifacts import Plan, honest, write
from stressproof.cli.main import command
from stressproof.cli.run import run
from stressproof.objectives.metrics import METRICS

PAGE = Path(__file__).parents[3] / "docs" / "objectives.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    """Return the page's blocks of one kind."""
    return [text for found, text in BLOCK.findall(PAGE.read_text()) if found == kind]


def commands() -> list[tuple[list[str], int, str]]:
    """Return each command with its exit code and the output that the page shows."""
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            text, _, code = line.partition("  # exit ")
            found.append((shlex.split(text), int(code or 0), output))
    return found


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with every file that the page's commands name."""
    monkeypatch.chdir(tmp_path)
    Path("stressproof.toml").write_text(blocks("toml")[0])
    Path("openslo.yaml").write_text(blocks("yaml")[0])
    write(Path("artifact.json"))
    endpoints = ("/api/v1/enforcement/policies",)
    for number in range(1, 6):
        for place, side in enumerate("ab"):
            plan = Plan(
                seed=number,
                rounds=1,
                endpoints=endpoints,
                rate_per_user=3.0 if side == "b" else 4.0,
            )
            write(Path(f"{side}{number}.json"), honest.later(plan, 120 * number + 60 * place))
    return tmp_path


def test_every_command_of_the_page_does_what_the_page_says(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ends with the exit code beside it, and prints what stands below it."""
    listed = commands()
    assert len(listed) >= 10
    for (tool, *arguments), code, output in listed:
        assert tool == "stressproof"
        capsys.readouterr()
        assert run(command, tool, arguments) == code, (arguments, capsys.readouterr())
        out, err = capsys.readouterr()
        if output:
            assert (out + err).strip() == output.strip()
    assert workplace.is_dir()


def test_every_recorded_metric_is_documented() -> None:
    """The page's table names each metric that can be judged."""
    page = PAGE.read_text()
    assert [name for name, one in METRICS.items() if one.recorded and f"`{name}`" not in page] == [
        "recovery"
    ]
