"""A load's metrics sent while it runs: beside it, never in its way."""

import threading
import time
from collections.abc import Callable

from stressproof.capture.observer import Observer, SettledRows
from stressproof.errors import OutputError
from stressproof.report.otlp import MetricsSender
from stressproof.report.otlp_metrics import Load, RoundCounts

_US_PER_S = 1_000_000
_LOOK_S = 0.05


class OtlpStream(Observer):
    """Sends how a load stands, every so often and when it has ended.

    Points are cumulative, so that one which could not be sent is made up for by the next.

    Args:
        load: What is sent.
        sender: Who sends it, from a thread of its own.
        interval_s: Between two sendings.
        say: Told once where the collector takes nothing.
    """

    def __init__(
        self, load: Load, sender: MetricsSender, *, interval_s: float, say: Callable[[str], None]
    ) -> None:
        self._load = load
        self._sender = sender
        self._interval_s = interval_s
        self._say = say
        self._rounds: dict[int, RoundCounts] = {}
        self._unsent: set[int] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._failure: OutputError | None = None
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
        self._thread.start()

    def rows(self, settled: SettledRows) -> None:
        """Count rows; they are sent when it is time."""
        number, until_s = settled.run_index, settled.until_s
        with self._lock:
            if number not in self._rounds:
                started_us = time.time_ns() // 1000 - until_s * _US_PER_S
                self._rounds[number] = RoundCounts(self._load, number, started_us)
            self._rounds[number].add(until_s, settled.rows, settled.endpoints)
            self._unsent.add(number)

    def finish(self, given_up: Callable[[], bool]) -> OutputError | None:
        """Send the rest; return why it could not be sent.

        Args:
            given_up: Asked meanwhile; True leaves what is not sent yet.
        """
        self._ended.set()
        while self._thread.is_alive():
            if given_up():
                self._sender.close()
                return OutputError(f"not all metrics were sent to {self._sender.shown}: given up")
            self._thread.join(_LOOK_S)
        self._sender.close()
        return self._failure

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._send()
        self._send()

    def _send(self) -> None:
        with self._lock:
            rounds, self._unsent = self._unsent, set()
            standing = {number: self._rounds[number].metrics() for number in sorted(rounds)}
        try:
            for number, metrics in standing.items():
                self._sender.send(metrics)
                rounds.remove(number)
        except OutputError as error:
            if self._failure is None and not self._ended.is_set():
                self._say(f"{error.message}; the load goes on")
            self._failure = error
            with self._lock:
                self._unsent |= rounds
        else:
            self._failure = None
