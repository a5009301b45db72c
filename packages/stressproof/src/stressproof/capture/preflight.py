"""Before any load: does every endpoint answer as the workload expects?"""

import time
import uuid
from collections.abc import Sequence

import httpx

from stressproof.capture.plan import PreflightPlan
from stressproof.evidence.stress import (
    Preflight,
    PreflightCheck,
    PreflightFailure,
)
from stressproof.workload.checks import Check
from stressproof.workload.endpoints import Endpoint
from stressproof.workload.redaction import Redactor

_PAUSE_STEP_S = 0.1
_PAUSE_MAX_S = 0.25
_BODY_READ = 4096
_ERROR_CHARS = 250


def skipped(plan: PreflightPlan) -> Preflight:
    """Return the record of a preflight that the user did not want."""
    return Preflight(
        enabled=False,
        passed=None,
        attempts_per_endpoint=plan.attempts,
        request_timeout_seconds=plan.timeout_seconds,
        checks=[],
        failures=[],
    )


def run_preflight(
    client: httpx.Client, endpoints: Sequence[Endpoint], plan: PreflightPlan
) -> Preflight:
    """Try each endpoint until it passes or its attempts are used up.

    An endpoint passes as it does under load: an expected status and a body that passes its check;
    a redirect is a failure.
    """
    redactor = Redactor([dict(client.headers)])
    checks: list[PreflightCheck] = []
    failures: list[PreflightFailure] = []
    for endpoint in endpoints:
        check = Check.of(endpoint.check)
        for attempt in range(1, plan.attempts + 1):
            made = _attempt(client, endpoint, attempt, check, redactor)
            checks.append(made)
            if made.ok:
                break
            if attempt < plan.attempts:
                time.sleep(min(_PAUSE_MAX_S, _PAUSE_STEP_S * attempt))
        else:
            failures.append(PreflightFailure(endpoint=endpoint.name, error=checks[-1].error))
    return Preflight(
        enabled=True,
        passed=not failures,
        attempts_per_endpoint=plan.attempts,
        request_timeout_seconds=plan.timeout_seconds,
        checks=checks,
        failures=failures,
    )


def _attempt(
    client: httpx.Client,
    endpoint: Endpoint,
    attempt: int,
    check: Check | None,
    redactor: Redactor,
) -> PreflightCheck:
    status: int | None = None
    began_ns = time.perf_counter_ns()
    try:
        answer = client.request(
            endpoint.method,
            _fresh(endpoint.path),
            headers={
                **({} if endpoint.body is None else {"Content-Type": "application/json"}),
                **{name: _fresh(value) for name, value in endpoint.headers.items()},
            },
            content=None if endpoint.body is None else _fresh(endpoint.body),
            follow_redirects=False,
        )
        status = answer.status_code
        error = _fault(endpoint, status, answer.content, check)
    except httpx.HTTPError as problem:
        error = f"{type(problem).__name__}: {problem}".rstrip(": ")
    elapsed_ms = (time.perf_counter_ns() - began_ns) / 1e6
    return PreflightCheck(
        endpoint=endpoint.name,
        attempt=attempt,
        status_code=status,
        ok=not error,
        latency_ms=round(elapsed_ms, 2),
        # Cleaned before it is cut: half a secret would not be recognised.
        error=redactor.clean(error)[:_ERROR_CHARS],
    )


def _fresh(text: str) -> str:
    """Fill in what the generator fills in for each request."""
    return text.replace("{{uuid}}", str(uuid.uuid4())).replace("{{seq}}", "0")


def _fault(endpoint: Endpoint, status: int, body: bytes, check: Check | None) -> str:
    """Return what is wrong with an answer, empty where nothing is."""
    if status not in endpoint.expected_statuses:
        shown = body[:_BODY_READ].decode(errors="replace").strip()
        return f"status {status}, expected {list(endpoint.expected_statuses)}: {shown}".rstrip(": ")
    problem = None if check is None else check(body)
    return "" if problem is None else f"status {status}, but {problem}"
