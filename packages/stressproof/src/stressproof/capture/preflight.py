"""Before any load: does every endpoint answer as the workload expects?"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from stressproof.capture.once import once
from stressproof.capture.plan import PreflightPlan
from stressproof.evidence.stress import (
    Preflight,
    PreflightCheck,
    PreflightFailure,
)
from stressproof.load.client import Answer, Client, RequestError
from stressproof.load.requests import PreparedEndpoint, prepare
from stressproof.load.tokens import authorised
from stressproof.load.unique_values import UniqueValues
from stressproof.workload.redaction import Redactor
from stressproof.workload.requests import Request
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
    status and a body that passes its check; a redirect is a failure. Where users are set up first,
    one is, and asks.

    Raises:
        TargetError: No token was issued.
        UsageError: A setup cannot be loaded.
    """
    target, keeper = authorised(workload.target)
    if keeper is not None:
        keeper.close()
    workload = msgspec.structs.replace(workload, target=target)
    redactor = workload.redactor()
    checks: list[PreflightCheck] = []
    failures: list[PreflightFailure] = []
    for asking in _askings(client, workload, plan, redactor):
        for attempt in range(1, plan.attempts + 1):
            if stopped():
                break
            made = asking(attempt)
            checks.append(made)
            if made.ok:
                break
            if attempt < plan.attempts:
                time.sleep(min(_PAUSE_MAX_S, _PAUSE_STEP_S * attempt))
        else:
            failures.append(PreflightFailure(endpoint=made.endpoint, error=made.error))
    return Preflight(
        enabled=True,
        passed=not failures and not stopped(),
        attempts_per_endpoint=plan.attempts,
        request_timeout_seconds=plan.timeout_seconds,
        checks=checks,
        failures=failures,
    )


def _askings(
    client: Client, workload: Workload, plan: PreflightPlan, redactor: Redactor
) -> Iterator[Callable[[int], PreflightCheck]]:
    """Yield what asks each request of a workload once; it takes the number of the attempt."""
    for scenario in workload.scenarios:
        alone = msgspec.structs.replace(workload, scenarios=(scenario,))
        if scenario.setup is None:
            for endpoint in prepare(alone, UniqueValues(0, 1)):
                yield partial(_attempt, client, endpoint, plan.timeout_seconds, redactor)
            continue
        for request in scenario.requests:
            only = msgspec.structs.replace(scenario, items=(request,))
            yield partial(_as_a_user, msgspec.structs.replace(alone, scenarios=(only,)), request)


def _as_a_user(workload: Workload, request: Request, attempt: int) -> PreflightCheck:
    """Set a user up and let it ask the one request of a workload."""
    exchanges = []
    fault = ""
    for iteration in once(workload):
        exchanges = list(iteration.exchanges)
        fault = iteration.fault
        if fault:
            fault = f"{iteration.name}: {fault}" if iteration.is_flow else fault
            break
    return PreflightCheck(
        endpoint=request.name,
        attempt=attempt,
        status_code=exchanges[-1].status if exchanges else None,
        ok=not fault,
        latency_ms=round(sum(one.elapsed_ms for one in exchanges), 2),
        error=fault[:_ERROR_CHARS],
    )


def _attempt(
    client: Client,
    endpoint: PreparedEndpoint,
    timeout_s: float,
    redactor: Redactor,
    attempt: int,
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
