"""A capture on a terminal: progress, signals, where the artifact goes, the exit code."""

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import msgspec

from stressproof.capture.capture import capture, demand_usable
from stressproof.capture.conclusion import Conclusion, conclude
from stressproof.capture.credentials import find
from stressproof.capture.observer import Observer
from stressproof.capture.plan import Plan
from stressproof.cli.ci_forms import CiForms, check_places, write_forms
from stressproof.cli.otlp_option import Collector, LiveMetrics
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.sign_options import SignOptions
from stressproof.cli.signed_run import signed_run
from stressproof.errors import OutputError, UsageError
from stressproof.evidence.encoding import encode, iterencode
from stressproof.evidence.json_text import MAX_BYTES
from stressproof.evidence.stress import Run, StressArtifact
from stressproof.evidence.writing import check_writable, set_aside, write_atomic
from stressproof.exits import STOPPED_BY, Exit
from stressproof.load.run import StopFlag, Tick
from stressproof.objectives.objectives import Objectives
from stressproof.report.capture_summary import round_line, summary
from stressproof.report.lines import shown, width_of, worded
from stressproof.report.load_progress import round_state
from stressproof.report.progress import Progress

_WORDS = {
    Exit.PASS: "PASS",
    Exit.OBJECTIVES: "FAIL",
    Exit.INCONCLUSIVE: "INCONCLUSIVE",
    Exit.TARGET: "NOT RUN",
    Exit.RUN: "BROKEN",
}


class CaptureProgress(Observer):
    """Shows a capture's progress.

    Args:
        progress: Where to.
        plan: What is being done.
    """

    def __init__(self, progress: Progress, plan: Plan) -> None:
        self._progress = progress
        self._plan = plan

    def phase(self, text: str) -> None:
        """Show that something begins."""
        self._progress.phase(text)

    def tick(self, run_index: int, tick: Tick) -> None:
        """Show the last second of a round."""
        self._progress.state(round_state(run_index, tick, self._plan))

    def round_done(self, run: Run) -> None:
        """Show a round's figures."""
        self._progress.phase("  " + round_line(run.run_index, self._plan.rounds, run.results))


@contextlib.contextmanager
def stop_on_signals() -> Iterator[tuple[StopFlag, list[signal.Signals]]]:
    """Let a first signal end a capture early, and a second at once; both keep the evidence.

    Yields:
        The flag, and the list to which a signal that came is added.
    """
    stop = StopFlag()
    came: list[signal.Signals] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(signal.Signals(number))
        if len(came) == 1:
            stop.set()
        else:
            stop.hurry()

    # What is ignored (nohup) stays ignored.
    before = {
        one: handler for one in STOPPED_BY if (handler := signal.getsignal(one)) != signal.SIG_IGN
    }
    for one in before:
        signal.signal(one, on_signal)
    try:
        yield stop, came
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def run_capture(
    plan: Plan,
    *,
    objectives: Objectives,
    out: Path | None,
    force: bool,
    enforce: bool,
    forms: CiForms,
    collector: Collector | None,
    signing: SignOptions,
) -> Exit:
    """Capture, keep the artifact, say what it shows, and return the exit code.

    Args:
        plan: What to do.
        objectives: What is judged beside the plan's limits; its aborts end the capture.
        out: Where the artifact goes, stdout if None.
        force: Overwrite what is there.
        enforce: Let a missed objective decide the exit code.
        forms: What CI is told; it needs a file that holds the artifact.
        collector: Where metrics go while the load runs, None for nowhere.
        signing: Whether and how plan and evidence are signed.

    Raises:
        StressproofError: What kept us from it, each with its own exit code.
    """
    _demand_places(out, forms)
    credential = find(plan.url, os.environ, plan.local_service)
    demand_usable(plan, credential)
    run = signed_run(
        signing,
        out,
        kind="stress",
        profile=plan.profile,
        thresholds=msgspec.structs.asdict(plan.thresholds),
    )
    with (
        run as signed,
        Progress(sys.stderr) as progress,
        stop_on_signals() as (stop, came),
        LiveMetrics(collector, plan, progress.phase, lambda: stop.at_once) as metrics,
    ):
        if credential is not None:
            progress.phase(f"credentials from {credential.source}")
        artifact = capture(
            plan,
            credential=credential,
            objectives=objectives,
            observer=metrics.beside(CaptureProgress(progress, plan)),
            stop=stop,
        )
        found = conclude(artifact, objectives, plan.local_service)
        if out is not None:
            _keep(artifact, out, force=force)
            _demand_readable(out)
        signed.end(found.exit_code, encode(artifact) if out is None else out)
    tell = to_stderr if out is None else to_stdout
    try:
        _show(artifact, found, out, forms)
        if came:
            tell(
                f"INTERRUPTED (exit {STOPPED_BY[came[0]]}): the artifact holds what was measured "
                "and is marked as interrupted"
            )
        else:
            code = _judge(found, out, tell, enforce=enforce)
            metrics.demand_sent()
            return code
    except (OutputError, BrokenPipeError):
        if not came:  # else the terminal may be what went away
            raise
    return STOPPED_BY[came[0]]


def _demand_places(out: Path | None, forms: CiForms) -> None:
    """Refuse before the load what could not be written after it."""
    if out is None and forms.wanted:
        raise UsageError(
            "--junit, --gitlab and --github are made from the artifact's file",
            hint="Name the file as well: --out artifact.json",
        )
    if out is not None:
        check_writable(out)
    check_places(forms)


def _show(artifact: StressArtifact, found: Conclusion, out: Path | None, forms: CiForms) -> None:
    """Show what was measured, and write what lies beside it; without a file stdout is its own."""
    from stressproof.cli.report_page import write_beside  # noqa: PLC0415  # not before the load

    if out is None:
        to_stdout(encode(artifact).decode())
        to_stderr(shown(summary(artifact, found.answers, width_of(sys.stderr)), sys.stderr))
        return
    to_stdout(shown(summary(artifact, found.answers, width_of(sys.stdout)), sys.stdout))
    to_stdout(f"artifact: {out}")
    to_stdout(f"report: {write_beside(out)}")
    write_forms(forms, [out])


def _keep(artifact: StressArtifact, out: Path, *, force: bool) -> None:
    """Write the artifact; where its place fails, save it elsewhere and say where."""
    try:
        kept = None if force else set_aside(out)
        write_atomic(out, iterencode(artifact))
    except OutputError as error:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        rescue = Path(tempfile.gettempdir()) / f"stressproof-{stamp}-{os.getpid()}.json"
        try:
            write_atomic(rescue, iterencode(artifact))
            hint = f"The artifact was saved as {rescue}."
        except OutputError:
            hint = f"Nor could it be saved as {rescue}: free some space and capture again."
        raise OutputError(error.message, hint=hint) from error
    if kept is not None:
        to_stderr(f"the artifact that was there is now {kept}")


def _demand_readable(out: Path) -> None:
    """Say at once, not when it is judged, that evidence is too large to be read again."""
    size = out.stat().st_size
    if size > MAX_BYTES:
        raise OutputError(
            f"{out} has {size:,} bytes, and {MAX_BYTES:,} are the most that is read as evidence",
            hint="It is kept. Ask for fewer endpoints or rounds: each has latencies of its own.",
        )


def _judge(
    found: Conclusion,
    out: Path | None,
    tell: Callable[[str], None],
    *,
    enforce: bool,
) -> Exit:
    """Return the exit code; the last line is the verdict: why, and what to do next."""
    if found.exit_code in {Exit.TARGET, Exit.RUN}:
        # What else there is to say, the summary has said.
        for line in found.reasons:
            to_stderr(line)
    code, why = found.exit_code, found.why
    if code in {Exit.OBJECTIVES, Exit.INCONCLUSIVE} and not enforce:
        code, why = Exit.PASS, f"{why}; not enforced"
    following = found.remedy or ("" if out is None else f"Next: stressproof verify {out}")
    last = f"{_WORDS[found.exit_code]} (exit {code}): {why}. {following}".rstrip()
    tell(shown(worded(last), sys.stderr if out is None else sys.stdout))
    return code
