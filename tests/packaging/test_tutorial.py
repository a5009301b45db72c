"""docs/tutorial.md: every command, in its order, by a newcomer with a clone and nothing else."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from documented_code import DOCS, Block, sections_of
from example_shop import free_port
from installed_wheels import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

TUTORIAL = DOCS / "tutorial.md"
FILES = frozenset({"stressproof.toml", "flows.py"})


def lines_of(block: Block) -> Iterator[str]:
    """Yield what a shell does for a block: runs it, or writes the file that it shows."""
    language, *words = block.info
    if language == "sh":
        expected = next((word.partition("=")[2] for word in words), "0")
        yield f"printf '%s' {shlex.quote(block.code)}"
        yield from ("set +e" if expected != "0" else "set -e", "ended=0", block.code)
        yield f"ended=$?; set -e; [ $ended = {expected} ] || exit 70"
    else:
        assert {*words} <= FILES, block.info
        yield from (f"cat > {words[0]} <<'END OF FILE'", f"{block.code}END OF FILE")


def script_of(page: Path) -> str:
    """Return a page as one script, which says each command before it runs it."""
    blocks = [block for section in sections_of(page) for block in section.blocks]
    assert len(blocks) > 10
    ends = "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"
    return "\n".join(["set -u", ends, *(line for block in blocks for line in lines_of(block))])


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a clone holds: the files that git would."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "clone" / name)
    return tmp_path / "clone"


def test_a_newcomer_gets_from_nothing_to_a_gated_build(clone: Path, passable: Path) -> None:
    """Each command ends as the page says, and a build that became slow is blocked."""
    script = script_of(TUTORIAL).replace("8080", str(free_port()))
    roles = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    who = {f"GIT_{role}": "t@example.com" for role in roles}
    transcript = passable / "transcript"
    with transcript.open("wb") as file:
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=clone,
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(passable),
                "TMPDIR": str(passable),
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                **who,
            },
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=1400,
            check=False,
        )
    told = transcript.read_text()
    assert ran.returncode == 0, told[-6000:]
    assert " passed" in told
