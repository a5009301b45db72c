"""Metrics sent to an OpenTelemetry collector, over OTLP in protocol buffers and HTTP.

What else the specification lets the environment say (headers, certificates, compression, timeout,
resource attributes) is the exporter's own affair:
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from stressproof.errors import OutputError
from stressproof.extras import extra
from stressproof.version import __version__

with extra("otlp", "sending metrics by OTLP"):
    import requests
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import (
        Metric,
        MetricExportResult,
        MetricsData,
        ResourceMetrics,
        ScopeMetrics,
    )
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_NAME = "stressproof"
_USER = re.compile(r"//[^/@]*@")
_EXPORTER_LOG = "opentelemetry.exporter.otlp.proto.http.metric_exporter"


class MetricsSender:
    """Sends metrics to one collector.

    Args:
        url: Where to, the path included.

    Attributes:
        shown: The URL as people may see it.
    """

    def __init__(self, url: str) -> None:
        self.shown = _USER.sub("//", url)
        self._session = _RememberingSession()
        self._exporter = OTLPMetricExporter(endpoint=url, session=self._session)
        named = {"service.name": _NAME} if "OTEL_SERVICE_NAME" not in os.environ else {}
        self._resource = Resource.create({**named, "service.version": __version__})

    def send(self, metrics: Sequence[Metric]) -> None:
        """Send metrics, again where the collector is busy, until the exporter's time is up.

        Raises:
            OutputError: The collector did not take them.
        """
        scope = ScopeMetrics(InstrumentationScope(_NAME, __version__), metrics, "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        with _without_words():
            result = self._exporter.export(data)
        if result is not MetricExportResult.SUCCESS:
            raise OutputError(
                f"{self.shown} did not take the metrics: {self._session.last}",
                hint="Name an OTLP receiver that speaks HTTP, such as http://127.0.0.1:4318.",
            )

    def close(self) -> None:
        """Let go of the collector; what is being sent is not sent again."""
        with _without_words():
            self._exporter.shutdown()


class _RememberingSession(requests.Session):
    """Knows why the last request failed: the exporter says so in its log only.

    Attributes:
        last: What came of it.
    """

    last = "nothing was sent"

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send as the base class does."""
        try:
            response = super().request(*args, **kwargs)
        except requests.Timeout:
            self.last = "it did not answer in time"
            raise
        except requests.ConnectionError as error:
            self.last = f"no connection ({_innermost(error)})"
            raise
        except OSError as error:  # certificates that are not there, too
            self.last = str(error)
            raise
        self.last = f"it answered {response.status_code} {response.reason}"
        return response


def _innermost(error: BaseException) -> str:
    """Return the system's own word for a failure, without the layers around it."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def _without_words() -> Iterator[None]:
    """Keep the exporter's log off the terminal: what it says there, our errors say once."""
    log = logging.getLogger(_EXPORTER_LOG)
    disabled, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = disabled
