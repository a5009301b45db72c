"""Before any load: does every endpoint answer as the workload expects?"""

import time
from collections.abc import Callable, Iterator
from functools import partial

from stressproof.capture.once import Sender
from stressproof.capture.plan import PreflightPlan
from stressproof.config.records import FLOW
from stressproof.evidence.preflight import Preflight, PreflightCheck, PreflightFailure
from stressproof.load.client import Answer, Client, RequestError
from stressproof.load.requests import PreparedEndpoint, prepare
from stressproof.load.scenario_load import is_plain
from stressproof.load.unique_values import UniqueValues
from stressproof.workload.flows import Flow
from stressproof.workload.redaction import Redactor
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario
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
    status and a body that passes its check; a redirect is a failure. A flow is run, and whatever it
    asks is a check of its own.

    Raises:
        UsageError: A flow cannot be run as it is.
    """
    checks: list[PreflightCheck] = []
    failures: list[PreflightFailure] = []
    for attempt_at in _attempts(client, workload, plan):
        for attempt in range(1, plan.attempts + 1):
            if stopped():
                break
            made = attempt_at(attempt)
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


def _attempts(
    client: Client, workload: Workload, plan: PreflightPlan
) -> Iterator[Callable[[int], PreflightCheck]]:
    """Yield for each item what tries it, given the number of the attempt."""
    redactor = workload.redactor()
    plain = iter(prepare(workload, UniqueValues(0, 1)))
    sender = Sender(workload)
    for number, scenario in enumerate(workload.scenarios):
        for position, item in enumerate(scenario.items):
            endpoint = next(plain) if isinstance(item, Request) else None
            if endpoint is not None and is_plain(scenario, workload):
                yield partial(_attempt, client, endpoint, plan.timeout_seconds, redactor)
            else:
                yield partial(_run_once, sender, number, scenario, position)


def _run_once(
    sender: Sender, number: int, scenario: Scenario, position: int, attempt: int
) -> PreflightCheck:
    """Run a flow, or a request whose user adds to it, after what its user is set up with."""
    item = scenario.items[position]
    began_ns = time.perf_counter_ns()
    problem = ""
    statuses: list[int | None] = [None]
    if scenario.setup is not None:
        setup = sender.iteration(number, scenario, Flow("", scenario.setup), 0)
        problem = setup.fault and f"{scenario.setup}: {setup.fault}"
    if not problem:
        made = sender.iteration(number, scenario, item, position)
        problem = made.fault
        statuses += [one.status for one in made.exchanges]
    elapsed_ms = (time.perf_counter_ns() - began_ns) / 1e6
    return PreflightCheck(
        endpoint=f"{FLOW}{item.name}" if isinstance(item, Flow) else item.name,
        attempt=attempt,
        status_code=statuses[-1],
        ok=not problem,
        latency_ms=round(elapsed_ms, 2),
        error=problem[:_ERROR_CHARS],
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
