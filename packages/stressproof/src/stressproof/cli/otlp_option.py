"""``--otlp``: metrics to an OpenTelemetry collector, while a load runs or from its evidence."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import click
from msgspec import Struct

from stressproof.cli.output import to_stderr
from stressproof.cli.output_options import CommandT
from stressproof.errors import OutputError, UsageError

if TYPE_CHECKING:
    from stressproof.capture.observer import Observer
    from stressproof.capture.plan import Plan
    from stressproof.report.otlp import MetricsSender
    from stressproof.report.otlp_stream import OtlpStream

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_METRICS_ENDPOINT = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_INTERVAL_MS = 5_000
_PATH = "/v1/metrics"


class Collector(Struct, frozen=True):
    """Where metrics go.

    Attributes:
        url: The path included.
        asked: Whether a flag says so; what the environment says for every program fails none.
    """

    url: str
    asked: bool


def otlp_option(purpose: str) -> Callable[[CommandT], CommandT]:
    """Add ``--otlp`` to a command.

    Args:
        purpose: What it does there, for ``--help``.
    """
    return click.option(
        "--otlp", metavar="URL", help=f"{purpose} (pip install 'stressproof[otlp]')."
    )


def named_collector(base: str) -> Collector:
    """Return the collector at a URL, with the path of metrics or without.

    Raises:
        UsageError: It is no URL.
    """
    return Collector(_demand_url(f"{base.rstrip('/').removesuffix(_PATH)}{_PATH}"), asked=True)


def collector_of(flag: str | None) -> Collector | None:
    """Return the collector that a flag names, or else the environment; None where neither does.

    Raises:
        UsageError: It is no URL.
    """
    if flag is not None:
        return named_collector(flag)
    if _is_off():
        return None
    base = os.environ.get(_ENDPOINT, "")
    # The one of metrics alone is taken as it is, says the specification.
    url = os.environ.get(_METRICS_ENDPOINT) or (base and f"{base.rstrip('/')}{_PATH}")
    return Collector(_demand_url(url), asked=False) if url else None


def _demand_url(url: str) -> str:
    if not url.lower().startswith(("http://", "https://")):
        raise UsageError(
            f"{url.removesuffix(_PATH)!r} is no URL of a collector",
            hint="Write it with its scheme, as http://127.0.0.1:4318.",
        )
    return url


def _is_off() -> bool:
    """Return whether the environment wants no metrics, or in a form that is not ours."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    exporters = os.environ.get("OTEL_METRICS_EXPORTER") or "otlp"
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", ""
    )
    return disabled or "otlp" not in exporters.split(",") or protocol == "grpc"


def sender_to(collector: Collector) -> "MetricsSender":
    """Return what sends to a collector.

    Raises:
        UsageError: The extra is not installed, or the environment says something impossible.
    """
    from stressproof.report.otlp import MetricsSender  # noqa: PLC0415  # an extra, and 200 ms

    return MetricsSender(collector.url)


class LiveMetrics:
    """A load's metrics, sent while it runs.

    Args:
        collector: Where to; None for nowhere.
        plan: What is loaded.
        say: Told where the collector takes nothing.
        given_up: Asked at the end; True leaves what is not sent yet.

    Raises:
        UsageError: They are asked for, and the extra is not installed.
    """

    def __init__(
        self,
        collector: Collector | None,
        plan: "Plan",
        say: Callable[[str], None],
        given_up: Callable[[], bool],
    ) -> None:
        self._asked = collector is not None and collector.asked
        self._given_up = given_up
        self._failure: OutputError | None = None
        self._stream = None if collector is None else _stream(collector, plan, say)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Send the rest."""
        if self._stream is not None:
            self._failure = self._stream.finish(self._given_up)

    def beside(self, observer: "Observer") -> "Observer":
        """Return who is told of the load: an observer, and the metrics where they are sent."""
        from stressproof.capture.observer import Observers  # noqa: PLC0415  # the engine

        return observer if self._stream is None else Observers(observer, self._stream)

    def demand_sent(self) -> None:
        """Say so where they were not all sent.

        Raises:
            OutputError: And a flag asked for them.
        """
        if self._failure is None:
            return
        hint = "The evidence holds them: stressproof report FILE --otlp URL"
        if self._asked:
            raise OutputError(self._failure.message, hint=hint)
        to_stderr(f"{self._failure.message}. {hint}")


def _stream(collector: Collector, plan: "Plan", say: Callable[[str], None]) -> "OtlpStream | None":
    """Return what sends a load; None where only the environment asks and the extra is missing."""
    try:
        sender = sender_to(collector)
    except UsageError as error:
        if collector.asked:
            raise
        say(f"{_ENDPOINT} is set, and no metrics are sent: {error.message}; {error.hint}")
        return None
    from stressproof.report.otlp_metrics import Load  # noqa: PLC0415  # likewise
    from stressproof.report.otlp_stream import OtlpStream  # noqa: PLC0415  # likewise

    load = Load(plan.url, plan.profile, plan.record().scenarios)
    return OtlpStream(load, sender, interval_s=_interval_s(), say=say)


def _interval_s() -> float:
    """Return the time between two sendings; OpenTelemetry's own is longer than most rounds."""
    text = os.environ.get(_INTERVAL, "")
    if not text:
        return _INTERVAL_MS / 1000
    if not text.isdecimal() or not int(text):
        raise UsageError(
            f"{_INTERVAL} is {text!r}, expected milliseconds", hint="Write it as 5000."
        )
    return int(text) / 1000
