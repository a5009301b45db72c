"""Containers that run already, by the program that runs them: ``docker`` or ``podman``."""

import json
import shutil
import time
from typing import Any

from stressproof.errors import RunError, UsageError
from stressproof.faults.injector import Counted
from stressproof.faults.injectors.victims import Victim, answers
from stressproof.faults.undo import Undo, command, run_once

LABEL = "stressproof.disposable"
_READY_TIMEOUT_S = 120.0
_POLL_S = 0.2
_UNPAUSE = '"$0" unpause "$1" || test "$("$0" inspect -f "{{.State.Paused}}" "$1")" = false'
_KILLED = 137  # what a container ends with that had to be killed: 128 and SIGKILL


class ContainerVictim(Victim):
    """A container that its owner has given up, by a label on it.

    Args:
        name: As the program knows it.
        program: ``docker`` or ``podman``.

    Raises:
        UsageError: There is no such program or container, it is not given up, or does not run.
    """

    def __init__(self, name: str, program: str = "docker") -> None:
        if shutil.which(program) is None:
            raise UsageError(
                f"the container {name} cannot be broken: there is no program {program} here",
                hint=f"Install {program}, or break something else.",
            )
        self._name = name
        self._program = program
        self._comebacks = 0
        config = self._inspect().get("Config", {})
        if (config.get("Labels") or {}).get(LABEL) != "on":
            raise UsageError(
                f"the container {name} is not marked as disposable, so it will not be broken",
                hint=f"If nobody needs it, run it with --label {LABEL}=on.",
            )
        if not self._state().get("Running"):
            raise UsageError(f"the container {name} does not run", hint=f"{program} start {name}")

    def kill(self) -> Counted:
        """Kill all of it."""
        self._do("kill")
        if self._state().get("Running"):
            raise RunError(f"the container {self._name} outlived `{self._program} kill`")
        return Counted(1, detail=[f"container {self._name}"])

    def freeze(self) -> Counted:
        """Pause it: its control group is frozen."""
        self._do("pause")
        paused = self._state().get("Paused")
        if not paused:
            raise RunError(f"the container {self._name} runs on after `{self._program} pause`")
        return Counted(1, detail=[f"container {self._name} is paused"])

    def thaw(self) -> None:
        """Let it go on."""
        if self._state().get("Paused"):
            self._do("unpause")

    def stop(self) -> bool:
        """Ask it to end; the program kills it after its own time."""
        self._do("stop")
        return self._state().get("ExitCode") != _KILLED

    def start(self) -> None:
        """Start it again, and wait until it runs, and is healthy where it can tell."""
        if self._state().get("Running"):
            self.thaw()
            return
        self._do("start")
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise RunError(
                    f"the container {self._name} is not ready within {_READY_TIMEOUT_S:g} s",
                    hint=f"{self._program} logs {self._name}",
                )
            time.sleep(_POLL_S)
        self._comebacks += 1

    def answers(self) -> bool:
        """Return whether something answers on the first port that it publishes on loopback."""
        ports = self._inspect().get("NetworkSettings", {}).get("Ports") or {}
        published = [int(one["HostPort"]) for bound in ports.values() for one in bound or []]
        return bool(published) and answers(("127.0.0.1", published[0]))

    def comebacks(self) -> Counted:
        """Return how often it was ready again."""
        return Counted(self._comebacks)

    def undo_frozen(self) -> Undo:
        """Return the command that lets it go on, which may have been done already."""
        return Undo(run=[command(["sh", "-c", _UNPAUSE, self._program, self._name])])

    def undo_down(self) -> Undo:
        """Return the command that starts it again; one that runs stays as it is."""
        return Undo(run=[command([self._program, "start", self._name])])

    def _is_ready(self) -> bool:
        state = self._state()
        health = (state.get("Health") or state.get("Healthcheck") or {}).get("Status", "")
        return bool(state.get("Running")) and health in {"", "healthy"}

    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = self._inspect().get("State", {})
        return found

    def _inspect(self) -> dict[str, Any]:
        ran = run_once(command([self._program, "inspect", "--type", "container", self._name]))
        try:
            [found] = json.loads(ran.said) if not ran.failure else [None]
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UsageError(
                f"the container {self._name} cannot be looked at: {ran.failure or ran.said[:200]}",
                hint=f"{self._program} ps --all",
            )
        return found

    def _do(self, what: str) -> None:
        ran = run_once(command([self._program, what, self._name]))
        if ran.failure:
            raise RunError(f"the container {self._name}: {what}: {ran.failure}")
