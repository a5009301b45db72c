import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from signing_people import Team, make_team


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """An executor, an approver and a gate."""
    return make_team(tmp_path_factory.mktemp("team"))


@pytest.fixture
def ssh_agent() -> Iterator[dict[str, str]]:
    """An SSH agent of this test's own; yields the variables that lead to it."""
    folder = Path(tempfile.mkdtemp(prefix="agent-"))
    socket = folder / "s"
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE, text=True
    ) as agent:
        assert agent.stdout is not None
        agent.stdout.readline()
        yield {"SSH_AUTH_SOCK": str(socket), "SSH_AGENT_PID": str(agent.pid), "HOME": str(folder)}
        agent.terminate()
    shutil.rmtree(folder, ignore_errors=True)
