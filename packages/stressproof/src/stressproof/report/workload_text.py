"""A workload before it is sent, and once it was sent once: for people, secrets masked."""

from collections.abc import Iterator

from stressproof.capture.once import Exchange, Iteration
from stressproof.quantities import count_of
from stressproof.workload.bodies import (
    Body,
    FileBody,
    FormBody,
    JsonBody,
    MultipartBody,
    TextBody,
)
from stressproof.workload.executors import Executor
from stressproof.workload.flows import Flow
from stressproof.workload.rates import duration_text
from stressproof.workload.redaction import masked, masked_text
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario, Span
from stressproof.workload.statuses import in_words
from stressproof.workload.tables import Rows
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload

_SHOWN_CHARS = 60


def workload_lines(workload: Workload) -> Iterator[str]:
    """Yield what would be sent: to whom, how much, in which shares, with which data.

    Raises:
        UsageError: A table cannot be read.
    """
    yield from target_lines(workload.target)
    yield from load_lines(workload)
    yield from data_lines(workload)


def load_lines(workload: Workload) -> Iterator[str]:
    """Yield how much would be sent, and in which shares."""
    for scenario in workload.scenarios:
        yield from _scenario_lines(scenario, workload)


def data_lines(workload: Workload) -> Iterator[str]:
    """Yield where rows would come from; raises as `workload_lines`."""
    for table in workload.tables:
        rows = len(Rows(table, workload.seed))
        yield (
            f"data {table.name}: {count_of(rows, 'row')} of {table.path}, {table.pick}, "
            f"one a{'n' * (table.per == 'iteration')} {table.per}"
        )


def target_lines(target: Target) -> Iterator[str]:
    """Yield to whom it would be sent, and as whom."""
    more = [
        word
        for word, there in (("HTTP/2", target.http2), ("any certificate", target.insecure))
        if there
    ]
    if target.auth is not None:
        more.append(f"as {target.auth!r}")
    yield ", ".join([f"target {target.url}", *more])
    for name, value in masked(target.headers).items():
        yield f"  {name}: {value}"


def _scenario_lines(scenario: Scenario, workload: Workload) -> Iterator[str]:
    yield f"{scenario.name}: {', '.join([*_load(scenario.executor), *_manners(scenario)])}"
    whole = sum(scenario.weights)
    for item in scenario.items:
        share = f"{100 * item.weight / whole:5.1f} %"
        if isinstance(item, Flow):
            yield f"  {share}  flow {item.name}: {item.run}, as many requests as it makes"
            continue
        timeout = duration_text(workload.timeout_of(scenario, item))
        words = [in_words(item.expected_statuses), *item.checks, f"within {timeout}"]
        yield f"  {share}  {item.name}: {'; '.join([*_asked(item), ' and '.join(words)])}"
        for name, value in masked(item.headers).items():
            yield f"           {name}: {value}"


def _load(executor: Executor) -> Iterator[str]:
    """Yield how much an executor asks, in words."""
    yield executor.name
    if executor.rate_per_second is not None:
        start = "from " if executor.stages else ""
        users = count_of(executor.max_users, "user")
        yield f"{start}{executor.rate_per_second:g}/s by at most {users}"
    else:
        yield count_of(executor.users, "user")
    for stage in executor.stages:
        yield f"to {stage.target} in {duration_text(stage.duration_us)}"
    if executor.iterations is not None:
        yield f"{executor.iterations:,} iterations"
    if not executor.stages:
        yield f"for {duration_text(executor.duration_us)}"
    if executor.ramp_us:
        yield f"after {duration_text(executor.ramp_us)} of ramp"


def _manners(scenario: Scenario) -> Iterator[str]:
    """Yield what else is said of a scenario."""
    if scenario.start_us:
        yield f"begins after {duration_text(scenario.start_us)}"
    if scenario.think is not None:
        yield f"thinks {_span(scenario.think)}"
    if scenario.pace is not None:
        yield f"one iteration each {_span(scenario.pace)}"
    if scenario.setup is not None:
        yield f"set up by {scenario.setup}"
    if scenario.fresh:
        yield "new for each iteration"


def _span(span: Span) -> str:
    least, most = duration_text(span.least_us), duration_text(span.most_us)
    return least if least == most else f"{least} to {most}"


def _asked(request: Request) -> Iterator[str]:
    """Yield what a request sends beside its headers."""
    shown = request.name if request.name.startswith(request.method) else f"GET {request.name}"
    line = masked_text(f"{request.method} {request.path}")
    if line != shown:
        yield line
    if request.query:
        yield "query " + masked_text("&".join(f"{name}={value}" for name, value in request.query))
    if request.redirects:
        yield f"up to {request.redirects} redirects"
    if len(request.rotate) > 1:
        yield f"{len(request.rotate)} sets of headers in turn"
    if request.body is not None:
        yield _body(request.body)


def _body(body: Body) -> str:
    """Return a body in a few words, what is named like a secret masked."""
    match body:
        case JsonBody(text=text) | TextBody(text=text):
            kind = "json" if isinstance(body, JsonBody) else "body"
            shown = masked_text(text[:_SHOWN_CHARS])
            return f"{kind} {shown}{'…' * (len(text) > _SHOWN_CHARS)}"
        case FormBody(fields=fields):
            return "form " + masked_text("&".join(f"{name}={value}" for name, value in fields))
        case MultipartBody(parts=parts):
            return f"multipart of {', '.join(name for name, _ in parts)}"
        case FileBody(file=file):
            return f"{file.path} ({len(file.content):,} bytes)"


def iteration_lines(iteration: Iteration) -> Iterator[str]:
    """Yield one iteration with its questions and answers."""
    requests = len(iteration.exchanges)
    word = "FAILED" if iteration.fault else "ok"
    what = f"flow {iteration.name}" if iteration.is_flow else iteration.name
    counted = f", {count_of(requests, 'request')}" if requests != 1 else ""
    yield f"{word}  {what}{counted}" + (f": {iteration.fault}" if iteration.fault else "")
    for exchange in iteration.exchanges:
        yield from _exchange_lines(exchange)


def _exchange_lines(exchange: Exchange) -> Iterator[str]:
    for line in exchange.asked:
        yield f"  > {line}".rstrip()
    for line in exchange.answered:
        yield f"  < {line}".rstrip()
    why = f": {exchange.fault}" if exchange.fault else ""
    yield f"  {exchange.name}, {exchange.elapsed_ms:.1f} ms{why}"
