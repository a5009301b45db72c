"""Before any load: does every endpoint answer as the workload expects?"""

import time
from collections.abc import Callable

from stressproof.capture.plan import PreflightPlan
from stressproof.evidence.stress import (
    Preflight,
    PreflightCheck,
    PreflightFailure,
)
from stressproof.load.client import Answer, Client, RequestError
from stressproof.load.requests import PreparedEndpoint, prepare
from stressproof.load.unique_values import UniqueValues
from stressproof.workload.redaction import Redactor
from stressproof.workload.statuses import in_words
from stressproof.workload.workload import Workload

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
    client: Client,
    workload: Workload,
    plan: PreflightPlan,
    stopped: Callable[[], bool] = lambda: False,
) -> Preflight:
    """Try each endpoint until it passes or its attempts are used up, or until somebody stops us.

    An endpoint is asked as it is under load, byte by byte, and passes as it does there: an expected
    status and a body that passes its check; a redirect is a failure.
    """
    redactor = workload.redactor()
    checks: list[PreflightCheck] = []
    failures: list[PreflightFailure] = []
    for endpoint in prepare(workload, UniqueValues(0, 1)):
        for attempt in range(1, plan.attempts + 1):
            if stopped():
                break
            made = _attempt(client, endpoint, attempt, plan.timeout_seconds, redactor)
            checks.append(made)
            if made.ok:
                break
            if attempt < plan.attempts:
                time.sleep(min(_PAUSE_MAX_S, _PAUSE_STEP_S * attempt))
        else:
            failures.append(PreflightFailure(endpoint=endpoint.name, error=checks[-1].error))
    return Preflight(
        enabled=True,
        passed=not failures and not stopped(),
        attempts_per_endpoint=plan.attempts,
        request_timeout_seconds=plan.timeout_seconds,
        checks=checks,
        failures=failures,
    )


def _attempt(
    client: Client,
    endpoint: PreparedEndpoint,
    attempt: int,
    timeout_s: float,
    redactor: Redactor,
) -> PreflightCheck:
    status: int | None = None
    began_ns = time.perf_counter_ns()
    try:
        answer = client.ask(endpoint, timeout_s=timeout_s)
        status = answer.status
        error = _fault(endpoint, answer)
    except RequestError as problem:
        error = str(problem)
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


def _fault(endpoint: PreparedEndpoint, answer: Answer) -> str:
    """Return what is wrong with an answer, empty where nothing is."""
    status, headers, body = answer.status, answer.headers, answer.body
    if status not in endpoint.expected:
        shown = body[:_BODY_READ].decode(errors="replace").strip()
        return f"status {status}, expected {in_words(endpoint.expected)}: {shown}".rstrip(": ")
    problem = None if endpoint.check is None else endpoint.check(body, headers)
    return "" if problem is None else f"status {status}, but {problem}"
