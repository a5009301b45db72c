"""A collector's receiver of metrics: OTLP over HTTP, decoded with the protocol's own buffers."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

PATH = "/v1/metrics"

Series = dict[str, str]
"""The attributes of a series, as texts."""


class Point(NamedTuple):
    """One point of a metric, with what tells its series from others.

    Attributes:
        metric: Its name.
        unit: Of the metric.
        kind: ``histogram``, ``sum`` or ``gauge``.
        series: Its attributes.
        at_ns: The time it is about.
        since_ns: The time from which it counts.
        data: As the protocol has it.
    """

    metric: str
    unit: str
    kind: str
    series: Series
    at_ns: int
    since_ns: int
    data: Any

    @property
    def value(self) -> Any:
        """What it says, comparable: of a histogram its count, sum and buckets."""
        if self.kind == "histogram":
            return self.data.count, round(self.data.sum, 6), tuple(self.data.bucket_counts)
        return getattr(self.data, self.data.WhichOneof("value"))


class Receiver:
    """What a collector got.

    Attributes:
        url: Its base URL.
        arrived_s: When each export came, on the monotonic clock.
        points: All of them, in order.
        resources: The resource attributes of each export.
        headers: Of the last export, by lower-case name.
        answers: The status of the next exports, 200 once there are none.
    """

    def __init__(self) -> None:
        self.url = ""
        self.arrived_s: list[float] = []
        self.points: list[Point] = []
        self.resources: list[Series] = []
        self.headers: dict[str, str] = {}
        self.answers: list[int] = []

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Take one export; returns its status."""
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # noqa: PLC0415  # an extra
            ExportMetricsServiceRequest,
        )

        if self.answers and (status := self.answers.pop(0)) != 200:
            return status
        if path != PATH or headers.get("content-type") != "application/x-protobuf":
            return 404
        self.headers = headers
        self.arrived_s.append(time.monotonic())
        for of_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            self.resources.append(_series(of_resource.resource.attributes))
            for scope in of_resource.scope_metrics:
                names = [metric.name for metric in scope.metrics]
                assert len(names) == len(set(names)), "a metric came twice"
                for metric in scope.metrics:
                    self.points += _points(metric)
        return 200

    def last(self) -> dict[tuple[str, frozenset[tuple[str, str]]], Point]:
        """Return the last point of every series, by its metric and attributes."""
        return {(one.metric, frozenset(one.series.items())): one for one in self.points}

    def named(self, metric: str, **more: str) -> list[Point]:
        """Return the last point of each series of a metric with these attributes."""
        wanted = {name.replace("_", "."): value for name, value in more.items()}.items()
        return [
            one
            for one in self.last().values()
            if one.metric == metric and wanted <= one.series.items()
        ]


def _points(metric: Any) -> Iterator[Point]:
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    if kind in {"histogram", "sum"}:
        assert data.aggregation_temporality == 2, "a counter that is not cumulative"
    if kind == "sum":
        assert data.is_monotonic
    for point in data.data_points:
        yield Point(
            metric.name,
            metric.unit,
            kind,
            _series(point.attributes),
            point.time_unix_nano,
            point.start_time_unix_nano,
            point,
        )


def _series(attributes: Any) -> Series:
    return {one.key: str(getattr(one.value, one.value.WhichOneof("value"))) for one in attributes}


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """A receiver that listens until the end of the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(self.path, headers, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)
