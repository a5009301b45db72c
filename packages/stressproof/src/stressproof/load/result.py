"""What a round hands back, and what can be seen of it while it runs."""

import threading
from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from stressproof.errors import RunError
from stressproof.evidence.derive import saturation_reasons
from stressproof.evidence.generator import Connections, GeneratorHealth
from stressproof.evidence.measurements import RampRow, Row, RunMeasurements
from stressproof.load.flow_modules import FileUsed
from stressproof.load.messages import Done
from stressproof.load.samples import ErrorSample
from stressproof.load.steps import Step
from stressproof.measure.histogram import P99_PPM, Histogram


class HurryError(BaseException):
    """Somebody who has asked us to end asks again."""


class StopFlag:
    """Set from a signal handler or another thread to end a round early.

    Attributes:
        at_once: Whether not even answers under way are to be waited for.
        may_leave: Whether `hurry` may raise: something is waited for that need not come.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.at_once = False
        self.may_leave = False

    def set(self) -> None:
        """Ask the round to end."""
        self._event.set()

    def hurry(self) -> None:
        """Ask for the end at once, as a signal handler does for who has asked before.

        Raises:
            HurryError: Nothing is being measured, so what is waited for may simply be left.
        """
        self.at_once = True
        self._event.set()
        if self.may_leave:
            self.may_leave = False
            raise HurryError

    def is_set(self) -> bool:
        """Return whether the round was asked to end."""
        return self._event.is_set()


class Tick(Struct, frozen=True):
    """How the round is going, about once a second.

    Attributes:
        elapsed_s: Since the round began, its ramp included.
        ramping: Whether the measured window has not begun.
        requests: Measured requests that have ended so far.
        failures: Those of them that ended badly, by kind.
        rps: Requests that ended since the last tick, a second.
        p50_us: Median of those, corrected; None where there were none.
        p95_us: Their 95th percentile.
        p99_us: Their 99th percentile.
    """

    elapsed_s: float
    ramping: bool
    requests: int
    failures: dict[str, int]
    rps: float
    p50_us: int | None
    p95_us: int | None
    p99_us: int | None


class PhaseTimes(Struct, frozen=True):
    """Where the time went, apart from the total.

    Attributes:
        connect: TCP connections.
        tls: Handshakes, after the connection.
        first_byte: From the send to the first byte of the answer.
    """

    connect: Histogram
    tls: Histogram
    first_byte: Histogram


class RoundResult(Struct, frozen=True):
    """What one round measured.

    Attributes:
        started_ns: When the measured window began, on the monotonic clock.
        elapsed_us: Until it ended, or the last completion where that was later.
        rows: Every endpoint in every second of the window, by second and then endpoint; packed,
            so that they take little room until someone looks at them.
        ramp: What each endpoint was asked before the window.
        health: What the instrument says of itself.
        errors_sample: The first few failures of each kind in words.
        connections: What the requests travelled over.
        phases: Times of connections, handshakes and first bytes; the ramp's are among them.
        loop_delay_p50_us: Median lateness of due callbacks and requests.
        interrupted: Whether it was stopped early.
        resolution_s: Seconds a row covers.
        steps: What flows turned out to ask, sorted by scenario, flow and name; rows refer to them
            by position after the workload's items.
        tail: What iterations of the window sent after it; a row for each endpoint.
        setup: What users were set up with before the ramp, likewise.
        files: What flows were read from: their modules, and what they read.
    """

    started_ns: int
    elapsed_us: int
    rows: Sequence[Row]
    ramp: list[RampRow]
    health: GeneratorHealth
    errors_sample: list[ErrorSample]
    connections: Connections
    phases: PhaseTimes
    loop_delay_p50_us: int
    interrupted: bool
    resolution_s: int
    steps: Sequence[Step] = ()
    tail: list[RampRow] = []
    setup: list[RampRow] = []
    files: Sequence[FileUsed] = ()

    def measurements(self, run_index: int) -> RunMeasurements:
        """Return the part that goes into evidence."""
        return RunMeasurements(
            run_index=run_index,
            elapsed_us=self.elapsed_us,
            ramp=self.ramp,
            rows=self.rows,
            tail=self.tail,
            setup=self.setup,
        )


def files_of(done: Sequence[Done]) -> list[FileUsed]:
    """Return what the flows of all workers were read from."""
    files = {file for one in done for file in one.files}
    return sorted(files, key=lambda file: (file.path, file.role, file.sha256))


def connections_of(done: Sequence[Done], protocol: str) -> Connections:
    """Return what all workers together opened."""
    opened: Counter[str] = Counter()
    for one in done:
        opened.update(one.opened)
    return Connections(
        protocol=protocol,
        opened=dict(sorted(opened.items())),
        tls_resumed=sum(one.resumed for one in done),
    )


class WorkerLostError(RunError):
    """A worker process ended before its work did.

    Attributes:
        partial: What was measured until then.
    """

    def __init__(self, message: str, *, hint: str, partial: RoundResult) -> None:
        super().__init__(message, hint=hint)
        self.partial = partial


def round_health(
    done: Sequence[Done], delay: Histogram, rows: Sequence[Row], items: int, mean_us: int
) -> GeneratorHealth:
    """Return what all workers together say of the instrument, and whether it was the limit.

    Args:
        done: What each says of itself.
        delay: How late due callbacks and requests were.
        rows: What was measured.
        items: How many endpoints are iterations; those behind them are steps.
        mean_us: Of the corrected latencies of all requests.
    """
    workers = [one.health for one in done]
    bare = GeneratorHealth(
        cpu_busy_ppm=max((w.cpu_busy_ppm for w in workers), default=0),
        loop_delay_mean_us=delay.mean_us,
        loop_delay_p99_us=delay.quantile(P99_PPM) or 0,
        loop_delay_max_us=delay.max_us or 0,
        late_starts=sum(row.late for row in rows),
        dropped_iterations=sum(row.dropped for row in rows),
        gc_pause_max_us=max((w.gc_pause_max_us for w in workers), default=0),
        rss_bytes=sum(w.rss_bytes for w in workers),
        file_limit_hits=sum(w.file_limit_hits for w in workers),
        port_limit_hits=sum(w.port_limit_hits for w in workers),
        saturated=False,
        saturated_reasons=[],
    )
    reasons = saturation_reasons(
        bare, mean_us, sum(row.started for row in rows if row.endpoint < items)
    )
    return msgspec.structs.replace(bare, saturated=bool(reasons), saturated_reasons=reasons)
