"""One round of two requests an iteration as a process of its own: as a flow, or declared.

The flow takes a token from the answer to its first request and sends it with the second; what is
declared has a placeholder and a check in the place of both.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from stressproof.load.run import run_round
from stressproof.workload.bodies import JsonBody
from stressproof.workload.executors import ConstantVus
from stressproof.workload.flows import Flow
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

S = 1_000_000
DECLARED = (
    Request("", "POST", "/carts", checks=("json:id",), body=JsonBody('{"sku": "{{uuid}}"}')),
    Request("", "GET", "/carts/{{uuid}}", checks=("json:id",), headers={"x-token": "{{uuid}}"}),
)


def main() -> None:
    """Run a round and print what it measured as JSON."""
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--connections", type=int, default=10)
    options.add_argument("--duration", type=float, default=5.0)
    options.add_argument("--declared", action="store_true")
    asked = options.parse_args()
    items = DECLARED if asked.declared else (Flow("", "flows.py:two_requests"),)
    executor = ConstantVus(asked.connections, round(asked.duration * S))
    folder = str(Path(__file__).parent)
    result = run_round(
        Workload(Target(asked.url), (Scenario(executor, items),), folder=folder, timeout_us=10 * S)
    )
    counted: Counter[str] = Counter()
    for row in result.rows:
        if asked.declared or row.endpoint >= len(items):
            counted.update(row.outcomes)
    requests = counted.total()
    report = {
        "requests": requests,
        "ramp_requests": 0,
        "outcomes": counted,
        "rps": requests * S / max(result.elapsed_us, 1),
        "latency_us": {},
        "steady_cpu_us": result.health.cpu_busy_ppm * result.elapsed_us / S / max(requests, 1),
        "worker_rss_bytes": result.health.rss_bytes,
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
