"""Two people and a gate for one demo: a checkout of their own, throw-away keys, a trust policy.

What is demonstrated is a release, and a release is of a commit with a policy in it. So the demo
copies what lies in the working tree into a repository of its own, commits it with the policy, and
runs everything from there.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from stressproof.errors import UsageError
from stressproof.trust.policy import FOLDER, POLICY_NAME
from stressproof.trust.roster import ROSTER_NAME
from stressproof.trust.signing import make_key
from stressproof.trust.sshsig import NAMESPACE

EXECUTOR = "ada@demo.example"
APPROVER = "grace@demo.example"
GATE = "gate@demo.example"

REF = "refs/heads/main"
"""Where the demo's policy is read: the branch that a team would protect."""

_SOURCES = ("stressproof", "enforcement", "enforcement-suite", "disposable-postgres")
_POLICY = """\
resource = "git+https://demo.example/enforcement"

[roles]
executor = ["{executor}"]
approver = ["{approver}"]
gate = ["{gate}"]

[require]
evidence = {evidence}
plan = true
"""
_PROJECT = """\
[suite]
use = "enforcement_suite.suite:SUITE"
package = "enforcement-suite"

[gate]
evidence = ["docs/ops/evidence/"]

# A release of this repository runs its tests here; a demo has five minutes.
[[gate.steps]]
name = "compiles"
run = ["python", "-m", "compileall", "-q", "packages", "scripts"]
"""
_TIMEOUT_S = 60


class DemoTeam:
    """The people of one demo, and the checkout that they release; leaving throws their keys away.

    Args:
        root: The checkout that the demo was started in.
        folder: The demo's own.
        evidence: Kinds of evidence that their policy asks for.

    Attributes:
        checkout: Where everything runs.

    Raises:
        UsageError: There is no git, or no repository to copy from.
    """

    def __init__(self, root: Path, folder: Path, evidence: tuple[str, ...]) -> None:
        self._keys = folder / "keys"
        self._ledger = folder / "runs.jsonl"
        self.checkout = folder / "checkout"
        self._copy(root)
        roster = "".join(self._make_key(name) for name in (EXECUTOR, APPROVER, GATE))
        policy = _POLICY.format(
            executor=EXECUTOR,
            approver=APPROVER,
            gate=GATE,
            evidence=str(list(evidence)).replace("'", '"'),
        )
        (self.checkout / FOLDER).mkdir(exist_ok=True)
        (self.checkout / FOLDER / POLICY_NAME).write_text(policy, "utf-8")
        (self.checkout / FOLDER / ROSTER_NAME).write_text(roster, "utf-8")
        (self.checkout / "stressproof.toml").write_text(_PROJECT, "utf-8")
        self._git("init", "--quiet", f"--initial-branch={REF.removeprefix('refs/heads/')}")
        self._git("add", "--all")
        who = ("-c", "user.name=demo", "-c", f"user.email={EXECUTOR}", "-c", "commit.gpgsign=false")
        self._git(*who, "commit", "--quiet", "--message", "What the demo releases")

    def key(self, name: str) -> str:
        """Return the file of somebody's private key."""
        return str(self._keys / f"{name}.pem")

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which the checkout's code runs, and its ledger is written."""
        sources = [str(self.checkout / "packages" / name / "src") for name in _SOURCES]
        kept = {name: value for name, value in given.items() if not name.startswith("GIT_")}
        return kept | {
            "PYTHONPATH": os.pathsep.join(sources),
            "STRESSPROOF_LEDGER": str(self._ledger),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What they signed stays, and is verified without them.
        shutil.rmtree(self._keys, ignore_errors=True)

    def _copy(self, root: Path) -> None:
        """Copy what git knows of the working tree, and what it does not ignore."""
        listed = _ask_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        for name in filter(None, listed.split("\0")):
            source, target = root / name, self.checkout / name
            if source.is_file() and not source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)

    def _make_key(self, name: str) -> str:
        """Make a key for somebody, and return the line of the roster."""
        pem, public = make_key()
        self._keys.mkdir(mode=0o700, exist_ok=True)
        path = Path(self.key(name))
        path.touch(mode=0o600)
        path.write_bytes(pem)
        return f'{name} namespaces="{NAMESPACE}" {public.line}\n'

    def _git(self, *arguments: str) -> None:
        _ask_git(self.checkout, *arguments)


def _ask_git(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607  # the user's own git
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=_TIMEOUT_S,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise UsageError(
            f"git cannot make the demo's checkout: {said.strip()}",
            hint="Install git, and run the demo in a clone of the repository.",
        ) from error
    return done.stdout
