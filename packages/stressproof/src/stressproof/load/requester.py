"""Sends a user's requests one at a time: follows their redirects, keeps their cookies."""

from collections.abc import Callable

from stressproof.flow.answer import Answer
from stressproof.flow.user import User
from stressproof.load.composing import Message
from stressproof.load.cookies import keep
from stressproof.load.patterns import Call, Pattern
from stressproof.load.recorder import Cursor, LiveRow
from stressproof.load.redirects import FOLLOWED, method_after, place_of
from stressproof.load.requests import PreparedEndpoint
from stressproof.load.scenario_context import ScenarioContext
from stressproof.load.steps import Step, hop_of
from stressproof.load.virtual_user import Engine, MakeUser, VirtualUser

Ended = Callable[[Answer | None, str | None, int], None]
"""Told of an answer, or how there came to be none that will do, and when."""


class Requester:
    """What a user asks, on what carries it.

    Args:
        number: Which user of this worker's it is, from 0.
        engine: What requests share.
        context: What the scenario's users share.
        make_user: Makes what carries requests.
        user: Whose headers and cookies are sent.
        ended: Told whenever a request has ended, the hops of its redirects with it.

    Attributes:
        carrier: What carries requests.
        cursor: Where hops are counted.
        sent: Requests that were sent, hops too.
    """

    __slots__ = (
        "_call",
        "_context",
        "_ended",
        "_endpoint",
        "_message",
        "_method",
        "_origin",
        "_pattern",
        "_step",
        "_user",
        "carrier",
        "cursor",
        "sent",
    )

    _call: Call
    _endpoint: PreparedEndpoint
    _message: Message
    _pattern: Pattern
    _step: Step

    def __init__(
        self,
        number: int,
        engine: Engine,
        context: ScenarioContext,
        make_user: MakeUser,
        user: User,
        ended: Ended,
    ) -> None:
        self.carrier: VirtualUser = make_user(number, engine, self._answered)
        self.cursor: Cursor = context.steps
        self.sent = 0
        self._context = context
        self._origin = engine.connector.origin
        self._user = user
        self._ended = ended
        self._method = ""

    @property
    def name(self) -> str:
        """What was asked last."""
        return self._endpoint.name

    def prepare(self, endpoint: PreparedEndpoint, step: Step, pattern: Pattern, call: Call) -> None:
        """Make a request ready to be sent.

        Args:
            endpoint: How it is judged.
            step: How its hops are named.
            pattern: How it is made.
            call: What it adds to that.

        Raises:
            UsageError: A header would break the request.
            ValueError: A value cannot stand where it is to stand.
        """
        composed = pattern.compose(call, self._user, self._context.unique)
        self._message = composed.message(call.values)
        if endpoint.hop is not None:
            self._method = call.method or endpoint.method
            self._step, self._pattern, self._call = step, pattern, call
            self.carrier.place = composed.url.fill(call.values).decode("latin-1")
        self._endpoint = endpoint

    def send(self, row: LiveRow, intended_ns: int, now_ns: int) -> None:
        """Send what was made ready.

        Args:
            row: Where it is counted, as started already.
            intended_ns: When it was due.
            now_ns: What time it is.
        """
        self.sent += 1
        self.carrier.begin(self._endpoint, row, intended_ns, now_ns, self._message)

    def _answered(self, carrier: VirtualUser, now_ns: int) -> None:
        endpoint = self._endpoint
        failure = carrier.failure
        if failure is not None:
            carrier.failure = None
            self._ended(carrier.answer, failure, now_ns)
            return
        answer = carrier.answer or endpoint.answer
        if answer is not None:
            if self._context.keeps_cookies:
                fields = answer.cookies()
                if fields:
                    keep(self._user.cookies, fields)
            status = answer.status
            if endpoint.hop is not None and status in FOLLOWED and status not in endpoint.expected:
                self._follow(endpoint.hop, answer, now_ns)
                return
        self._ended(answer, None, now_ns)

    def _follow(self, hop: PreparedEndpoint, answer: Answer, now_ns: int) -> None:
        """Ask for the place that an answer redirects to, which was found to be one of ours."""
        call = self._call
        call.place = place_of(answer, self._origin, self.carrier.place)
        method = method_after(answer.status, self._method)
        if method != self._method:
            call.method, call.bodyless, call.body = method, True, None
        if hop.index < 0:
            hop.index = self._context.registry.number(hop_of(self._step))
        self.prepare(hop, self._step, self._pattern, call)
        row = self._context.step_row(self.cursor, hop.index, now_ns)
        self.send(row, now_ns, now_ns)
