"""One round of stressproof as a process of its own, so that its whole cost can be measured.

Everything of a normal capture is on: three endpoints or more, checks, timeouts, rows by second.
"""

import argparse
import json
import sys
import time

import msgspec

from stressproof.evidence.encoding import iterencode
from stressproof.evidence.measurements import Measurements
from stressproof.load.run import run_round
from stressproof.load.self_monitor import peak_rss_bytes
from stressproof.measure.histogram import P50_PPM, P95_PPM, P99_PPM, P999_PPM, Histogram
from stressproof.workload.executors import ConstantArrivalRate, ConstantVus, Executor
from stressproof.workload.requests import Request
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

S = 1_000_000


def main() -> None:
    """Run a round and print what it measured as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--connections", type=int, default=10)
    options.add_argument("--duration", type=float, default=5.0)
    options.add_argument("--ramp", type=float, default=0.0)
    options.add_argument("--rate", type=int)
    options.add_argument("--endpoints", type=int, default=3)
    options.add_argument("--resolution", type=int, default=1)
    options.add_argument("--ca-file")
    options.add_argument("--http2", action="store_true")
    asked = options.parse_args()
    duration_us, ramp_us = round(asked.duration * S), round(asked.ramp * S)
    executor: Executor = ConstantVus(asked.connections, duration_us, ramp_us)
    if asked.rate is not None:
        executor = ConstantArrivalRate(asked.rate, duration_us, asked.connections, ramp_us)
    workload = Workload.of(
        Target(
            asked.url,
            {"Authorization": "Bearer of-a-benchmark"},
            ca_file=asked.ca_file,
            http2=asked.http2,
        ),
        tuple(
            Request(f"/api/{n}", "GET", f"/api/{n}", checks=("json:parity_ok=true",))
            for n in range(asked.endpoints)
        ),
        executor,
        timeout_us=10 * S,
    )
    result = run_round(workload, resolution_s=asked.resolution)
    parent_rss_bytes = peak_rss_bytes()
    ended = time.monotonic()
    latency, service = Histogram(), Histogram()
    outcomes: dict[str, int] = {}
    for row in result.rows:
        row.corrected.add_to(latency)
        (row.uncorrected or row.corrected).add_to(service)
        for kind, count in row.outcomes.items():
            outcomes[kind] = outcomes.get(kind, 0) + count
    measured = Measurements(resolution_seconds=asked.resolution, runs=[result.measurements(1)])
    evidence_bytes = sum(map(len, iterencode(measured)))
    shares = (P50_PPM, P95_PPM, P99_PPM, P999_PPM)
    done = sum(outcomes.values())
    report = {
        "requests": done,
        "ramp_requests": sum(count.started for count in result.ramp),
        "outcomes": outcomes,
        "rps": done * S / max(result.elapsed_us, 1),
        "elapsed_us": result.elapsed_us,
        "latency_us": dict(
            zip(("p50", "p95", "p99", "p999"), latency.quantiles(shares), strict=True)
        ),
        "service_us": dict(
            zip(("p50", "p95", "p99", "p999"), service.quantiles(shares), strict=True)
        ),
        "max_us": latency.max_us,
        "health": msgspec.to_builtins(result.health),
        "delay_p50_us": result.loop_delay_p50_us,
        "steady_cpu_us": result.health.cpu_busy_ppm * result.elapsed_us / S / max(done, 1),
        "worker_rss_bytes": result.health.rss_bytes,
        "parent_rss_bytes": parent_rss_bytes,
        "parent_rss_bytes_with_evidence": peak_rss_bytes(),
        "rows": len(result.rows),
        "evidence_bytes": evidence_bytes,
        "evidence_s": time.monotonic() - ended,
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
