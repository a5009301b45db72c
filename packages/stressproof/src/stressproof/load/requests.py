"""What is asked, made ready before the load starts, and how its answers are judged."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle

from stressproof.flow.answer import Answer
from stressproof.load.composing import Composed, Message, compose_request
from stressproof.load.http1 import CHECKED_BODY_BYTES, SAMPLED_BODY_BYTES, HeadCache
from stressproof.load.unique_values import UniqueValues
from stressproof.load.values import RowsOf, values_for
from stressproof.workload.checks import Checks
from stressproof.workload.data import Data, first_user
from stressproof.workload.requests import Request
from stressproof.workload.tables import Row
from stressproof.workload.workload import Workload


class PreparedEndpoint:
    """One endpoint, ready to be sent and judged.

    Args:
        index: Where it is counted.
        name: As evidence has it.
        method: As it is sent.
        expected: Statuses that are no failure.
        checks: What an answer must hold.
        timeout_us: After which a request is given up.
        wants_answer: Whether who sends it is handed its answers.
        hop: What asks for the place that an answer redirects to, None where none is followed.

    Attributes:
        index: Position in ``workload.items``, or behind them.
        name: The endpoint's name.
        method: As it is sent.
        messages: What is sent, one request after another, without end; of an endpoint whose
            requests are the same for all users.
        expected: Statuses that are no failure.
        check: What the answer must hold, None for anything.
        timeout_ns: After which a request is given up.
        bodyless: Whether its answers have no body, as those to HEAD.
        heads: Known header blocks of its answers.
        accepted: The last answer that came in one piece and was found good, head and body: what
            equals it is good too, and leaves the connection open. Empty before there is one.
        answer: The same for who wants answers.
        wants_answer: Whether who sends it is handed its answers.
        hop: What asks for the place that an answer redirects to, None where none is followed.
        trailed: Whether bytes have followed one of its answers that belong to none: its connections
            are not used again.
    """

    __slots__ = (
        "accepted",
        "answer",
        "bodyless",
        "check",
        "expected",
        "heads",
        "hop",
        "index",
        "messages",
        "method",
        "name",
        "timeout_ns",
        "trailed",
        "wants_answer",
    )

    messages: Iterator[Message]

    def __init__(
        self,
        index: int,
        name: str,
        method: str,
        *,
        expected: Iterable[int],
        checks: Checks | None,
        timeout_us: int,
        wants_answer: bool = False,
        hop: "PreparedEndpoint | None" = None,
    ) -> None:
        self.index = index
        self.name = name
        self.method = method
        self.expected = frozenset(expected)
        self.check = checks
        self.timeout_ns = timeout_us * 1000
        self.accepted = b""
        self.answer: Answer | None = None
        self.hop = hop
        self.trailed = False
        self.bodyless = method == "HEAD"
        reads_headers = checks is not None and checks.reads_headers
        self.wants_answer = wants_answer or reads_headers or hop is not None
        checked = wants_answer or checks is not None
        self.heads = HeadCache(
            bodyless=self.bodyless, keep=CHECKED_BODY_BYTES if checked else SAMPLED_BODY_BYTES
        )


def prepare_request(
    index: int, request: Request, timeout_us: int, hop: PreparedEndpoint | None = None
) -> PreparedEndpoint:
    """Return a declared request, without what is sent."""
    return PreparedEndpoint(
        index,
        request.name,
        request.method,
        expected=request.expected_statuses,
        checks=Checks.of(request.checks),
        timeout_us=timeout_us,
        hop=hop,
    )


def endless(
    variants: Sequence[Composed], unique: UniqueValues, rows: Mapping[str, Row]
) -> Iterator[Message]:
    """Yield an endpoint's requests without end, where all users send the same ones."""
    if any(one.needs for one in variants):
        return (one.message(values_for(one.needs, unique, rows)) for one in cycle(variants))
    return cycle([one.message() for one in variants])


def prepare(workload: Workload, unique: UniqueValues) -> list[PreparedEndpoint]:
    """Return the declared requests of a workload, as the first user's first iteration has them.

    Raises:
        UsageError: A placeholder is unknown, or a table is none.
    """
    data = Data(workload)
    prepared = []
    index = 0
    for number, scenario in enumerate(workload.scenarios):
        rows = RowsOf(data, number, 0, first_user(workload, number))
        for item in scenario.items:
            if isinstance(item, Request):
                endpoint = prepare_request(index, item, workload.timeout_of(scenario, item))
                variants = compose_request(workload.target, item)
                endpoint.messages = endless(variants, unique, rows)
                prepared.append(endpoint)
            index += 1
    return prepared
