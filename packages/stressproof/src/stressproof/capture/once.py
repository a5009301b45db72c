"""Every request and flow of a workload once, one after another, with what was asked and answered.

What is sent is what the load sends, byte by byte; nothing of it is measured.
"""

import time
import warnings
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.flow.answer import Answer, Fields, RequestFailed
from stressproof.flow.asking import Ask, Pause
from stressproof.flow.user import User
from stressproof.load.client import Client, RequestError
from stressproof.load.composing import Composed
from stressproof.load.cookies import keep
from stressproof.load.flow_modules import FlowModules
from stressproof.load.flow_outcomes import close, described, foreign, located, outcome_of
from stressproof.load.patterns import Call, Pattern
from stressproof.load.redirects import FOLLOWED, REDIRECTS, LeadsAwayError, method_after, place_of
from stressproof.load.requests import PreparedEndpoint
from stressproof.load.steps import StepRegistry, call_of
from stressproof.load.tasks import PreparedFlow, prepare_flow, prepare_varying
from stressproof.load.tokens import authorised
from stressproof.load.unique_values import UniqueValues
from stressproof.load.values import RowsOf
from stressproof.workload.data import Data, first_user
from stressproof.workload.flows import Flow
from stressproof.workload.redaction import Redactor, is_secret, masked_text
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario
from stressproof.workload.statuses import in_words
from stressproof.workload.target import origin_of
from stressproof.workload.workload import Workload

MAX_SHOWN_CHARS = 2048
"""Of a body, on either side."""

Drive = Coroutine[Any, Any, object]

_LONGEST_THINK_S = 1.0


class Exchange(Struct, frozen=True):
    """One request and its answer; secrets are masked.

    Attributes:
        name: As evidence would have it.
        asked: Request line, headers and body, line by line.
        answered: Status, headers and body likewise; empty where there was no answer.
        status: None where there was no answer.
        elapsed_ms: From connecting to the last byte.
        fault: Why the answer will not do, empty where it does.
    """

    name: str
    asked: tuple[str, ...]
    answered: tuple[str, ...]
    status: int | None
    elapsed_ms: float
    fault: str


class Iteration(Struct, frozen=True):
    """One iteration of a scenario: a request, or a run of a flow.

    Attributes:
        scenario: Its name.
        name: Of the request or the flow.
        is_flow: Which of both.
        exchanges: What was asked, redirects as well.
        fault: Why the iteration has failed, empty where it has not.
    """

    scenario: str
    name: str
    is_flow: bool
    exchanges: tuple[Exchange, ...]
    fault: str

    @property
    def unanswered(self) -> bool:
        """Whether a request had no answer at all."""
        return any(one.status is None for one in self.exchanges)


def once(workload: Workload, stopped: Callable[[], bool] = lambda: False) -> Iterator[Iteration]:
    """Send everything of a workload once, and yield each iteration when it has ended.

    Raises:
        TargetError: No token was issued.
        UsageError: A placeholder means nothing, a flow cannot be loaded, or asks for what nobody
            could ever do.
    """
    target, keeper = authorised(workload.target)
    if keeper is not None:
        keeper.close()
    sender = Sender(msgspec.structs.replace(workload, target=target))
    for number, scenario in enumerate(workload.scenarios):
        if scenario.setup is not None and not stopped():
            setup = Flow(f"setup {scenario.setup}", scenario.setup)
            yield sender.iteration(number, scenario, setup, 0)
        for position, item in enumerate(scenario.items):
            if stopped():
                return
            yield sender.iteration(number, scenario, item, position)


class Sender:
    """Sends what one user of each scenario would.

    Args:
        workload: Whose target is authorised already.
    """

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._client = Client(workload.target)
        self._origin = origin_of(workload.target.url)
        self._data = Data(workload)
        self._unique = UniqueValues(0, 1)
        self._registry = StepRegistry(len(workload.items), lambda: None)
        self._modules = FlowModules(Path(workload.folder))
        self._redactor = workload.redactor()
        self._users: dict[int, User] = {}
        self._exchanges: list[Exchange] = []

    def iteration(
        self, number: int, scenario: Scenario, item: Request | Flow, position: int
    ) -> Iteration:
        """Run one iteration of a scenario's first user."""
        user = self._users.get(number)
        if user is None:
            seed = f"{self._workload.seed}/{scenario.name}/{self._workload.round_number}"
            user = User(first_user(self._workload, number), seed, self._unique.uuid)
            self._users[number] = user
        if scenario.fresh:
            user.forget()
        user.begin(position, RowsOf(self._data, number, position, user.number))
        self._exchanges = []
        if isinstance(item, Request):
            prepared = prepare_varying(0, item, scenario, self._workload)
            _, fault = self._ask(prepared.endpoint, prepared.pattern(), Call({}), user, scenario)
        else:
            flow = prepare_flow(0, item, scenario, self._workload, self._registry, self._modules)
            fault = self._run(flow, user, scenario)
        return Iteration(
            scenario.name, item.name, isinstance(item, Flow), tuple(self._exchanges), fault
        )

    def _run(self, flow: PreparedFlow, user: User, scenario: Scenario) -> str:
        """Run a flow to its end; returns why it failed, with its line."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            error = self._driven(flow.run(user), flow, user, scenario)
        where = "" if error is None else self._modules.line_of(error)
        if isinstance(error, RuntimeError) and "no running event loop" in str(error):
            raise located(foreign(None), where) from error
        for warning in caught:
            if "never awaited" in str(warning.message):
                place = f"{Path(warning.filename).name}:{warning.lineno}"
                return f"{place}: an await is missing: {warning.message}"
        if outcome_of(error, user.failed_check) is None:
            return ""
        return self._redactor.clean(described(error, user.failed_check, where))

    def _driven(
        self, coroutine: Drive, flow: PreparedFlow, user: User, scenario: Scenario
    ) -> BaseException | None:
        """Drive a flow by hand and return what it raised, None for nothing."""
        step: Callable[[Any], Any] = coroutine.send
        value: Any = None
        while True:
            try:
                asked = step(value)
            except StopIteration:
                return None
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # a user's code may raise anything
                return error
            try:
                step, value = coroutine.send, self._taken(asked, flow, user, scenario)
            except UsageError as refusal:
                with suppress(BaseException):  # its own line is in the refusal's traceback by then
                    coroutine.throw(refusal)
                close(coroutine)
                raise located(refusal, self._modules.line_of(refusal)) from None
            except Exception as refused:  # noqa: BLE001  # as the load hands it to the flow
                step, value = coroutine.throw, refused

    def _taken(self, asked: object, flow: PreparedFlow, user: User, scenario: Scenario) -> object:
        """Do what a flow asks for and return what it is told."""
        if isinstance(asked, Pause):
            time.sleep(min(asked.seconds, _LONGEST_THINK_S))
            return None
        if not isinstance(asked, Ask):
            raise foreign(asked)
        prepared = flow.steps.find(asked)
        call = call_of(asked, prepared)
        answer, fault = self._ask(prepared.endpoint, prepared.pattern, call, user, scenario)
        if fault:
            outcome = _outcome(prepared.endpoint, answer, fault)
            raise RequestFailed(prepared.endpoint.name, outcome, answer)
        return answer

    def _ask(
        self,
        endpoint: PreparedEndpoint,
        pattern: Pattern,
        call: Call,
        user: User,
        scenario: Scenario,
    ) -> tuple[Answer | None, str]:
        """Send a request, follow its redirects, and return the last answer and what is wrong."""
        method = endpoint.method
        while True:
            composed = pattern.compose(call, user, self._unique)
            answer, fault = self._send(endpoint, composed, call)
            if answer is not None and scenario.cookies:
                keep(user.cookies, answer.cookies())
            hop = endpoint.hop
            if fault or answer is None or hop is None or not _leads_on(endpoint, answer):
                return answer, fault
            after = method_after(answer.status, method)
            if after != method:
                method = call.method = after
                call.bodyless, call.body = True, None
            endpoint = hop

    def _send(
        self, endpoint: PreparedEndpoint, composed: Composed, call: Call
    ) -> tuple[Answer | None, str]:
        """Send one request, take note of it, and return its answer and what is wrong with that."""
        asked = self._shown_request(composed.whole(call.values))
        began_ns = time.perf_counter_ns()
        try:
            found = self._client.send(
                composed.message(call.values),
                timeout_s=endpoint.timeout_ns / 1e9,
                bodyless=endpoint.bodyless,
            )
        except RequestError as error:
            fault = self._redactor.clean(str(error))
            self._note(endpoint.name, asked, (), None, began_ns, fault)
            return None, fault
        names = b"\r\n".join(name for name, _ in found.fields)

        def fields(block: bytes) -> Fields:
            del block
            return found.fields

        answer = Answer(found.status, found.body, len(found.body), names, fields)
        fault = self._judged(endpoint, answer, composed, call)
        answered = self._shown_answer(found.status, found.headers, found.body)
        self._note(endpoint.name, asked, answered, found.status, began_ns, fault)
        return answer, fault

    def _judged(
        self, endpoint: PreparedEndpoint, answer: Answer, composed: Composed, call: Call
    ) -> str:
        """Return what is wrong with an answer, empty where nothing is; a redirect is aimed at."""
        if _leads_on(endpoint, answer):
            try:
                place = composed.url.fill(call.values).decode("latin-1")
                call.place = place_of(answer, self._origin, place)
            except LeadsAwayError as error:
                return self._redactor.clean(str(error))
            return ""
        if answer.status not in endpoint.expected:
            return f"status {answer.status}, expected {in_words(endpoint.expected)}"
        problem = None
        if endpoint.check is not None:
            problem = endpoint.check(answer.body, answer.headers)
        return self._redactor.clean(problem or "")

    def _note(
        self,
        name: str,
        asked: tuple[str, ...],
        answered: tuple[str, ...],
        status: int | None,
        began_ns: int,
        fault: str,
    ) -> None:
        elapsed_ms = (time.perf_counter_ns() - began_ns) / 1e6
        self._exchanges.append(Exchange(name, asked, answered, status, elapsed_ms, fault))

    def _shown_request(self, whole: bytes) -> tuple[str, ...]:
        """Return a request as HTTP/1.1 would have it, whatever it is sent with."""
        head, _, body = whole.partition(b"\r\n\r\n")
        first, *headers = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in headers)
        shown = [_header(name, value, self._redactor) for name, _, value in pairs]
        return (self._redactor.clean(masked_text(first)), *shown, *self._shown_body(body))

    def _shown_answer(
        self, status: int, headers: Mapping[str, str], body: bytes
    ) -> tuple[str, ...]:
        shown = [_header(name, value, self._redactor) for name, value in headers.items()]
        return (str(status), *shown, *self._shown_body(body))

    def _shown_body(self, body: bytes) -> Iterator[str]:
        text = body[: 4 * MAX_SHOWN_CHARS].decode(errors="replace")[:MAX_SHOWN_CHARS]
        for line in masked_text(text).splitlines():
            yield self._redactor.clean(line)
        if len(body) > len(text.encode(errors="replace")):
            yield f"… {len(body):,} bytes in all"


def _outcome(endpoint: PreparedEndpoint, answer: Answer | None, fault: str) -> str:
    """Return how the load would count a request that failed: flows may branch on it."""
    if answer is None:
        return fault.partition(":")[0]
    if answer.status in endpoint.expected:
        return "body_check"
    return "redirect" if answer.status in REDIRECTS else f"status_{answer.status}"


def _header(name: str, value: str, redactor: Redactor) -> str:
    return f"{name}: ***" if is_secret(name) else f"{name}: {redactor.clean(value)}"


def _leads_on(endpoint: PreparedEndpoint, answer: Answer) -> bool:
    """Whether an answer is a redirect that is followed."""
    followed = endpoint.hop is not None and answer.status in FOLLOWED
    return followed and answer.status not in endpoint.expected
