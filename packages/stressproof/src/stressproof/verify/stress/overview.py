"""Stress evidence for whoever approves it: every endpoint in its worst round."""

from stressproof.quantities import count, latency_of_seconds, share
from stressproof.verify.rule import printable
from stressproof.verify.stress.case import StressCase
from stressproof.verify.verdict import Overview


def overview(case: StressCase) -> list[Overview]:
    """Return a row for each endpoint; none where the evidence has no figures by endpoint."""
    if case.artifact is None:
        return []
    rows = []
    workload = case.artifact.workload
    for position, endpoint in enumerate(workload.endpoints):
        rounds = [
            run.endpoints[position].results
            for run in case.artifact.runs
            if position < len(run.endpoints)
        ]
        if not rounds:
            continue
        worst = max(rounds, key=lambda one: one.p95_response_time or 0.0)
        total = sum(one.total_requests for one in rounds)
        rows.append(
            [
                printable(
                    endpoint.name
                    if len(workload.scenarios) == 1
                    else f"{endpoint.scenario}: {endpoint.name}"
                ),
                count(total),
                latency_of_seconds(worst.median_response_time),
                latency_of_seconds(worst.p95_response_time),
                latency_of_seconds(worst.p99_response_time),
                share(sum(one.failed_requests for one in rounds), total),
            ]
        )
    columns = ["endpoint", "requests", "p50", "p95", "p99", "failed"]
    return [Overview("Endpoints, each in its worst round", columns, rows)] if rows else []
