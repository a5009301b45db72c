"""Tags to rows: which requests a threshold is about.

Rows count outcomes per endpoint and second, and hold one histogram for all of them. So a tag of an
endpoint (``name``, ``method``, …) selects whole rows, while a tag of an answer (``status``) selects
some requests of a row: how many is known, which of its latencies are theirs is not. What follows is
therefore an interval, exact wherever a row has one kind of outcome.
"""

from collections.abc import Sequence

from msgspec import Struct

from stressproof.evidence.endpoint_names import names_of
from stressproof.evidence.measurements import Row
from stressproof.evidence.workload import DEFAULT_SCENARIO, Kind, WorkloadEndpoint
from stressproof.objectives.expression import Selector
from stressproof.objectives.selectors import suggest_tag

ENDPOINT_TAGS = ("name", "endpoint", "url", "method", "scenario", "flow", "group")
ANSWER_TAGS = ("status", "expected_response", "outcome")
_OF_ITERATIONS = frozenset({"iteration_duration", "iterations", "dropped_iterations"})
"""Metrics of what is an iteration, a request or a run of a flow; others are of all requests."""
_TRUE = "true"
_FALSE = "false"


class Endpoint(Struct, frozen=True):
    """What thresholds need to know of one request of the workload.

    Attributes:
        name: As evidence has it.
        method: Upper case.
        path: With its query string.
        expected_statuses: Those that count as success.
        checked: Whether its answers have a check beyond their status.
        tags: The user's own tags.
        scenario: Which one asks it.
        kind: What its rows count.
        flow: The flow that it is or is a step of, empty for none.
    """

    name: str
    method: str = "GET"
    path: str = ""
    expected_statuses: tuple[int, ...] = (200,)
    checked: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    scenario: str = DEFAULT_SCENARIO
    kind: Kind = "request"
    flow: str = ""

    @classmethod
    def of(cls, endpoint: WorkloadEndpoint, tags: tuple[tuple[str, str], ...] = ()) -> "Endpoint":
        """Return the facts of an endpoint of an artifact's workload."""
        return cls(
            name=endpoint.name,
            method=endpoint.method,
            path=endpoint.path,
            expected_statuses=tuple(endpoint.expected_statuses),
            checked=bool(endpoint.checks),
            tags=tags,
            scenario=endpoint.scenario,
            kind=endpoint.kind,
            flow=endpoint.flow or "",
        )

    def values(self, tag: str) -> tuple[str, ...]:
        """Return the values that a tag has for this endpoint; none where it lacks the tag."""
        own = tuple(value for name, value in self.tags if name == tag)
        names = (self.name, *names_of(self.method, self.path))
        built_in: dict[str, tuple[str, ...]] = {
            "name": names,
            "endpoint": names,
            "url": names,
            "method": (self.method,),
            "scenario": (self.scenario,),
            "flow": (self.flow,) if self.flow else (),
            "group": ("",),
        }
        return own or built_in.get(tag, ())


class Selection(Struct, frozen=True):
    """The requests that a selector is about.

    Attributes:
        endpoints: Positions of the endpoints.
        answers: The tags of answers that narrow it further.
        facts: All endpoints of the workload.
        empty_because: Why nothing can match, empty where something can.
    """

    endpoints: frozenset[int]
    answers: tuple[tuple[str, str], ...]
    facts: tuple[Endpoint, ...]
    empty_because: str = ""

    @classmethod
    def of(cls, selector: Selector, endpoints: Sequence[Endpoint]) -> "Selection":
        """Return what a selector selects in a workload."""
        unmeant = "step" if selector.metric in _OF_ITERATIONS else "flow"
        chosen = {at for at, each in enumerate(endpoints) if each.kind != unmeant}
        answers = []
        reason = "" if endpoints else "the workload has no endpoints"
        for tag, value in selector.tags:
            if tag in ANSWER_TAGS:
                answers.append((tag, value))
                continue
            known = tuple(dict.fromkeys(one for each in endpoints for one in each.values(tag)))
            chosen &= {at for at, each in enumerate(endpoints) if value in each.values(tag)}
            if value not in known:
                reason = reason or _nothing(tag, value, known)
        if not chosen and not reason:
            reason = f"no endpoint has all of {selector}"
        if selector.metric == "checks" and chosen and not reason:
            chosen = {at for at in chosen if endpoints[at].checked}
            reason = "" if chosen else "no endpoint has a check"
        return cls(frozenset(chosen), tuple(answers), tuple(endpoints), reason)

    def takes(self, row: Row) -> bool:
        """Return whether a row can hold requests of this selection."""
        return row.endpoint in self.endpoints

    def matched(self, row: Row) -> dict[str, tuple[int, int]]:
        """Return, for each outcome of a row, the fewest and most requests that are selected."""
        if not self.answers:
            return {outcome: (count, count) for outcome, count in row.outcomes.items()}
        expected = self.facts[row.endpoint].expected_statuses
        found = {}
        for outcome, count in row.outcomes.items():
            certain = possible = True
            for tag, value in self.answers:
                sure, maybe = _answer_matches(tag, value, outcome, expected)
                certain = certain and sure
                possible = possible and maybe
            if possible and count:
                found[outcome] = (count if certain else 0, count)
        return found


def _answer_matches(
    tag: str, value: str, outcome: str, expected: tuple[int, ...]
) -> tuple[bool, bool]:
    """Return whether requests of an outcome surely, and possibly, carry a tag of an answer."""
    if tag == "outcome":
        return (outcome == value,) * 2
    if tag == "expected_response":
        # k6's tag speaks of the status alone: a failed check is still an expected response.
        return (value == (_TRUE if outcome in {"ok", "body_check"} else _FALSE),) * 2
    if outcome.startswith("status_"):
        return (outcome == f"status_{value}",) * 2
    if outcome in {"ok", "body_check"}:
        possible = value in {str(status) for status in expected}
        return possible and len(expected) == 1, possible
    # k6 has status 0 where there was no answer; a redirect's own status is not recorded.
    if outcome == "redirect":
        return False, value in {"301", "302", "303", "307", "308"}
    return (value == "0",) * 2


def _nothing(tag: str, value: str, known: tuple[str, ...]) -> str:
    if not known:
        own = f"no endpoint has the tag {tag!r}"
        near = suggest_tag(tag, ENDPOINT_TAGS + ANSWER_TAGS)
        return f"{own}; {near}" if near else own
    near = suggest_tag(value, known)
    own = f"no endpoint has {tag} {value!r}"
    return f"{own}; {near}" if near else own
