"""Quality steps as processes: one after the other, bounded, each in a group of its own."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from stressproof.config.steps import SECOND_US, Step
from stressproof.evidence.level import Level
from stressproof.exits import Exit
from stressproof.gate.orphans import no_orphans
from stressproof.gate.step_environment import step_environment
from stressproof.outcome import Outcome
from stressproof.programs import program
from stressproof.verify.rule import Finding, Result, Severity, printable

TAIL_LINES = 20
_LINE_BYTES = 4096
_GRACE_S = 5

Tell = Callable[[str], None]


class StepReport(Struct, frozen=True, kw_only=True):
    """How one quality step came out.

    Attributes:
        name: The step's name.
        command: Its command, as it is written.
        outcome: Pass, fail, inconclusive, or not checked.
        exit_code: What this alone would end the gate with.
        returncode: What its process ended with; null where it did not, negative for a signal.
        took_seconds: How long it ran.
        seen: What happened, in words.
        remedy: What to do about it.
        tail: Its last lines.
    """

    name: str
    command: tuple[str, ...]
    outcome: Outcome
    exit_code: Exit
    returncode: int | None = None
    took_seconds: float | None = None
    seen: str
    remedy: str = ""
    tail: list[str] = []

    @property
    def result(self) -> Result:
        """The same, as the result of a rule."""
        ended = self.outcome in {Outcome.FAIL, Outcome.INCONCLUSIVE}
        where = printable(" ".join(self.command))
        finding = Finding(self.outcome, where, self.seen, "exit 0", self.remedy)
        return Result(
            rule=f"step.{self.name}",
            clause="gate.md, Quality steps",
            title="The step ends well",
            severity=Severity.BLOCKS,
            level=Level.DECLARED,
            outcome=self.outcome,
            exit_code=self.exit_code,
            compared=1,
            findings=[finding] if ended else [],
            why_not="" if self.outcome is not Outcome.NOT_CHECKED else self.seen,
        )


def not_run(step: Step, why: str) -> StepReport:
    """Return the report of a step that was not started."""
    return StepReport(
        name=step.name,
        command=step.run,
        outcome=Outcome.NOT_CHECKED,
        exit_code=Exit.PASS,
        seen=f"not run: {why}",
    )


def missing_tool(step: Step) -> str:
    """Return what a step cannot run without and is not here; empty where nothing is missing."""
    absent = [name for name in step.modules if importlib.util.find_spec(name) is None]
    if absent:
        return f"no Python module named {', '.join(absent)}"
    if program(step.run[0]) is None:
        return f"no program named {printable(step.run[0])}"
    return ""


def without_tool(step: Step, missing: str) -> StepReport:
    """Return the report of a step whose tool is not here."""
    return StepReport(
        name=step.name,
        command=step.run,
        outcome=Outcome.INCONCLUSIVE,
        exit_code=Exit.INCONCLUSIVE,
        seen=missing,
        remedy="Install the development tools (uv sync), then run the gate again.",
    )


def run_steps(steps: Sequence[Step], root: Path, on_line: Tell) -> Iterator[StepReport]:
    """Run every step, whatever became of the one before, and yield how each came out.

    Args:
        steps: In their order.
        root: Where they run.
        on_line: Is given each line that a step prints, and one that announces each step.
    """
    for number, step in enumerate(steps, 1):
        on_line(f"[{number}/{len(steps)}] {step.name}: {printable(' '.join(step.run))}")
        with tempfile.TemporaryDirectory(prefix="stressproof-gate-") as scratch:
            environment = step_environment(step, root, Path(scratch))
            with no_orphans():
                report = run_step(step, root, environment, on_line)
            yield report


def run_step(step: Step, root: Path, environment: Mapping[str, str], on_line: Tell) -> StepReport:
    """Run one step to its end, or to the end of its time."""
    found = program(step.run[0])
    if found is None:
        return without_tool(step, missing_tool(step))
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            [found, *step.run[1:]],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return without_tool(step, f"cannot be started: {error.strerror or error}")
    reader = threading.Thread(target=_pump, args=(process.stdout, tail, on_line), daemon=True)
    reader.start()
    timed_out = False
    try:
        process.wait(step.timeout_us / SECOND_US)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        _end_group(process)
        # Whoever left the group may hold the pipe open; its words are not waited for.
        reader.join(_GRACE_S)
    return _report(step, process.returncode, timed_out, time.monotonic() - started, list(tail))


def _report(
    step: Step,
    returncode: int,
    timed_out: bool,  # noqa: FBT001  # named at its only call
    took_s: float,
    tail: list[str],
) -> StepReport:
    remedy = f"Run it by hand: {printable(' '.join(step.run))}"
    if timed_out:
        outcome, code = Outcome.FAIL, Exit.RUN
        seen = f"not done within {step.timeout_us / SECOND_US:g} s, ended"
    elif returncode < 0:
        outcome, code, seen = Outcome.FAIL, Exit.RUN, f"ended by signal {-returncode}"
    elif returncode in step.nothing_judged:
        outcome, code = Outcome.INCONCLUSIVE, Exit.INCONCLUSIVE
        seen = f"exit {returncode}: there was nothing to judge"
    elif returncode:
        outcome, code, seen = Outcome.FAIL, Exit.OBJECTIVES, f"exit {returncode}"
    else:
        outcome, code, seen, remedy = Outcome.PASS, Exit.PASS, "exit 0", ""
    return StepReport(
        name=step.name,
        command=step.run,
        outcome=outcome,
        exit_code=code,
        returncode=returncode,
        took_seconds=round(took_s, 1),
        seen=seen,
        remedy=remedy,
        tail=tail,
    )


def _pump(stream: IO[bytes] | None, tail: deque[str], on_line: Tell) -> None:
    """Pass on what a step prints, and keep the end of it."""
    if stream is None:
        return
    with stream:
        for raw in iter(lambda: stream.readline(_LINE_BYTES), b""):
            line = raw.decode(errors="replace").rstrip("\r\n")
            # A step's words are somebody else's: no escape sequence of theirs reaches a terminal,
            # and no line of theirs begins as a command of a CI system does.
            tail.append(printable(line))
            on_line(f"| {printable(line)}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a step and everything it started: asked first, then not asked."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    # The group outlives its leader where the leader left children behind.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
