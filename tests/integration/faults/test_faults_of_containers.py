"""Faults of containers, by the program that runs them; on machines that have one."""

import resource
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from broken_bed import BrokenBed, fault
from stressproof.errors import RunError, UsageError
from stressproof.failures.conclusions import took_effect
from stressproof.faults.active import ActiveFaults
from stressproof.faults.injectors.containers import ContainerVictim
from stressproof.faults.injectors.registry import injector
from stressproof.faults.load import Load
from stressproof.faults.undo import carry_out

pytestmark = pytest.mark.needs_podman

NO_LOAD: Load = None  # type: ignore[assignment]  # these send nothing
SERVICE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(600)
"""
Start = Callable[..., str]


@pytest.fixture
def podman(tmp_path: Path) -> str:
    """Return a podman that a session without a service manager can use."""
    runtime = "--runtime runc" if shutil.which("runc") else ""
    program = tmp_path / "podman"
    program.write_text(f'#!/bin/sh\nexec podman --cgroup-manager=cgroupfs {runtime} "$@"\n')
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def start(podman: str) -> Iterator[Start]:
    """Yield what starts a container on this machine's own files, and returns its name."""
    names = []

    def started(*options: str, service: str = SERVICE) -> str:
        name = f"stressproof-test-{uuid4().hex[:12]}"
        names.append(name)
        limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
        ulimits = [
            f"--ulimit={key}={min(1000, resource.getrlimit(limit)[1])}"
            for key, limit in limits.items()
        ]
        subprocess.run(
            [
                *(
                    podman,
                    "run",
                    "--detach",
                    "--name",
                    name,
                    "--network",
                    "host",
                    "--stop-timeout=1",
                ),
                *(*ulimits, *options, "--rootfs", "/:O"),
                *(sys.executable, "-S", "-c", textwrap.dedent(service)),
            ],
            check=True,
            capture_output=True,
        )
        return name

    yield started
    for name in names:
        subprocess.run([podman, "rm", "--force", name], check=False, capture_output=True)


def given_up(start: Start, **more: str) -> str:
    """Start a container that its owner has given up."""
    return start("--label", "stressproof.disposable=on", **more)


@pytest.mark.parametrize("kind", ["kill", "stop"])
def test_container_goes_down_and_comes_back(
    kind: str, podman: str, start: Start, tmp_path: Path, active: ActiveFaults
) -> None:
    """By its program, and the undo is harmless twice."""
    name = given_up(start)
    one = injector(fault(kind, "container"), BrokenBed(tmp_path, container=(name, podman)), NO_LOAD)
    one.inject(active)
    with pytest.raises(UsageError, match="does not run"):
        ContainerVictim(name, podman)
    one.remove()
    one.remove()
    ContainerVictim(name, podman)
    assert all(took_effect(witness) for witness in one.witnesses()), one.witnesses()


def test_container_that_ignores_its_end_has_not_ended_in_time(
    podman: str, start: Start, tmp_path: Path, active: ActiveFaults
) -> None:
    """Its program kills it in the end."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    bed = BrokenBed(tmp_path, container=(given_up(start, service=deaf), podman))
    one = injector(fault("stop", "container"), bed, NO_LOAD)
    one.inject(active)
    one.remove()
    assert [took_effect(witness) for witness in one.witnesses()] == [False, True]


def test_container_is_paused_and_goes_on_by_us_or_without_us(podman: str, start: Start) -> None:
    """What undoes it without us is harmless where it goes on already."""
    victim = ContainerVictim(given_up(start), podman)
    assert victim.freeze().during == 1
    with pytest.raises(RunError, match="pause"):
        victim.freeze()
    victim.thaw()
    victim.thaw()
    victim.freeze()
    for _ in range(2):
        assert carry_out(victim.undo_frozen()) == []
    victim.kill()
    for _ in range(2):
        assert carry_out(victim.undo_down()) == []
    assert victim.freeze().during == 1


def test_container_that_publishes_nothing_cannot_be_seen_frozen(
    podman: str, start: Start, tmp_path: Path, active: ActiveFaults
) -> None:
    """Silence of what never said anything proves nothing."""
    bed = BrokenBed(tmp_path, container=(given_up(start), podman))
    with pytest.raises(RunError, match="it does not answer even before") as raised:
        injector(fault("freeze", "container"), bed, NO_LOAD).inject(active)
    assert "publishes" in raised.value.hint
    assert active.read() == []


def test_only_containers_that_are_given_up_are_broken(
    podman: str, start: Start, tmp_path: Path
) -> None:
    """The label is on the container itself; one that is not there has none."""
    for name, words in (
        (start(), "not marked as disposable"),
        (start("--label", "stressproof.disposable=off"), "not marked as disposable"),
        ("no-such-container", "cannot be looked at"),
    ):
        bed = BrokenBed(tmp_path, container=(name, podman))
        with pytest.raises(UsageError, match=words):
            injector(fault("kill", "container"), bed, NO_LOAD)
