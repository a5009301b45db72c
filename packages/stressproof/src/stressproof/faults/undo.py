"""What undoes a fault without whoever made it: by its watchdog, or at the next start.

Nothing but the standard library is imported: the watchdog is there in a moment, and stays small.
Every step is harmless where there is nothing to undo, and the second time.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypedDict

from stressproof.processes import ProcessRef, below, lives, refer, send

_RUN_WITHIN_S = 60.0
_END_WITHIN_S = 2.0
_KILL_WITHIN_S = 10.0
_POLL_S = 0.02
_SAID_BYTES = 65_536
_WHY = 300


class Command(TypedDict):
    """A program that is run.

    Attributes:
        argv: Program and arguments.
        folder: Where.
        environment: Beside our own; secrets stand here, where no list of processes shows them.
    """

    argv: list[str]
    folder: str
    environment: dict[str, str]


class Undo(TypedDict, total=False):
    """What undoes one fault, in the order of its parts; empty where it ends with its injector.

    Attributes:
        resume: Processes that are stopped, with all below them, and need SIGCONT.
        remove: Files that fill a disk.
        run: Commands.
        end: Leaders of sessions that must not outlive their maker, each with all that it started.
    """

    resume: list[ProcessRef]
    remove: list[str]
    run: list[Command]
    end: list[ProcessRef]


def command(
    argv: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Command:
    """Return a command that is run in a folder, ours if None."""
    return Command(
        argv=list(argv), folder=str(folder or Path.cwd()), environment=dict(environment or {})
    )


def carry_out(undo: Undo, *, again_after_s: Sequence[float] = ()) -> list[str]:
    """Undo; return what could not be undone, a sentence each.

    Args:
        undo: As decoded from JSON, so that a process is a list of two numbers.
        again_after_s: A command that fails is run again after each of these pauses.
    """
    resume(undo)
    failures: list[str] = []
    for name in undo.get("remove", []):
        try:
            Path(name).unlink(missing_ok=True)
        except NotADirectoryError:
            continue  # the folder was one of a process that is gone, and the disk went with it
        except OSError as error:
            failures.append(f"{name} cannot be removed: {error.strerror}")
    failures += filter(None, [_run(one, again_after_s) for one in undo.get("run", [])])
    failures += filter(None, [_end(ProcessRef(*one)) for one in undo.get("end", [])])
    return failures


def resume(undo: Undo) -> None:
    """Let go on what is stopped; what was born and stopped since is found below its parent."""
    for one in undo.get("resume", []):
        root = ProcessRef(*one)
        if refer(root.pid) == root:
            send([root, *below(root.pid)], signal.SIGCONT)


def _run(what: Command, again_after_s: Sequence[float]) -> str:
    """Run a command until it succeeds; return why it did not, empty where it did."""
    failure = run_once(what).failure
    for pause_s in again_after_s:
        if not failure:
            break
        time.sleep(pause_s)
        failure = run_once(what).failure
    return failure


class Ran(NamedTuple):
    """How a command went.

    Attributes:
        failure: Why it failed, empty where it did not.
        said: What it said on stdout.
    """

    failure: str
    said: str


def run_once(what: Command, within_s: float = _RUN_WITHIN_S) -> Ran:
    """Run a command in a session of its own, in which what it leaves running stays.

    It talks into memory and no pipe: a server that it starts would hold a pipe open for ever.
    """
    program = what["argv"][0]
    with _memory("stdout") as out, _memory("stderr") as err:
        try:
            process = subprocess.Popen(
                what["argv"],
                cwd=what["folder"],
                env={**os.environ, **what["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            return Ran(f"{error.filename or program}: {error.strerror}", "")
        try:
            code = process.wait(within_s)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return Ran(f"{program}: not done within {within_s:g} s", _read(out))
        said = _read(out)
        if code == 0:
            return Ran("", said)
        why = (_read(err) or said).splitlines()
        return Ran(f"{program}: exit {code}" + (f": {why[-1][:_WHY]}" if why else ""), said)


def _memory(name: str) -> BinaryIO:
    return os.fdopen(os.memfd_create(name), "w+b")


def _read(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read(_SAID_BYTES).decode(errors="replace").strip()


def _end(leader: ProcessRef) -> str:
    """End a session and all below its leader: by its own will if it is quick, else by force."""
    if refer(leader.pid) not in {None, leader}:
        return ""  # the number is somebody else's, so nothing of the session is left
    started = [leader, *below(leader.pid)]
    send(started, signal.SIGTERM)
    deadline = time.monotonic() + _END_WITHIN_S
    while left := [one for one in {*started, *below(leader.pid)} if lives(one)]:
        late_s = time.monotonic() - deadline
        if late_s > _KILL_WITHIN_S:
            return f"processes outlive SIGKILL: {left}"
        if late_s > 0:
            send(left, signal.SIGKILL)
        time.sleep(_POLL_S)
    return ""
