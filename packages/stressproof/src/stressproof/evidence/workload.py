"""What was asked of the generator, in k6's terms."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from stressproof.evidence.fields import Amount, Text
from stressproof.evidence.measurements import Count, Row

AD_HOC = "ad-hoc"
"""The profile of what was named on a command line alone."""


DEFAULT_SCENARIO = "default"
"""The scenario that nobody named, as in k6."""


Kind = Literal["request", "flow", "step"]
"""What rows count: requests that are iterations, runs of a flow, or the requests of such runs."""


class WorkloadEndpoint(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request or flow of the workload, or a request that a flow turned out to make.

    Attributes:
        name: Method and path template, or as the profile names it; ``flow:checkout`` of a flow.
        method: Empty of a flow.
        path: Template of path and query; of a flow, its file and function.
        weight: Its share of the scenario's iterations; 0 of a step.
        expected_statuses: Any other is a failure; empty of a flow.
        checks: What the answer must hold.
        scenario: Which one asks it.
        kind: What its rows count.
        flow: The flow that it is, or that it is a step of; of a setup's steps, the setup's name.
        timeout_us: After which it is given up, null where the workload's holds.
        definition_sha256: Of what else is sent and followed (headers, query, body, redirects) as
            the file has it, before anything is taken from the environment; null where no file
            has it.
    """

    name: Text
    method: Text
    path: Text
    weight: Count
    expected_statuses: list[Count]
    checks: list[Text] = []
    scenario: Text = DEFAULT_SCENARIO
    kind: Kind = "request"
    flow: Text | None = None
    timeout_us: Count | None = None
    definition_sha256: Text | None = None


class Stage(Struct, frozen=True, forbid_unknown_fields=True):
    """A ramping executor's stage: reach ``target`` users, or arrivals over the time unit."""

    target: Count
    duration_seconds: Amount


class SpanRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A time drawn evenly from least to most."""

    least_us: Count
    most_us: Count


class ScenarioRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One scenario: an executor, in k6's terms, and what its users are like.

    ``rate`` and the stages' targets are exact: whole arrivals over ``time_unit_us``.

    Attributes:
        start_us: How long after the round's window its own begins; its ramp ends there.
        think: A user's pause after each iteration, null for none.
        pace: From one iteration's start to the next one's, null for none.
        fresh: Whether each iteration begins without cookies and state.
        cookies: Whether cookies are kept.
        redirects: How many hops the requests of flows follow.
        setup: What each user runs before the ramp, null for nothing.
        graceful_stop_us: What iterations under way get at the end of the window.
    """

    name: Text
    executor: Text
    closed_loop: bool
    users: Count
    max_users: Count
    rate: Count | None
    time_unit_us: Count | None
    rate_per_second: Amount | None
    stages: list[Stage]
    iterations: Count | None
    duration_seconds: Amount
    ramp_seconds: Amount
    start_us: Count = 0
    think: SpanRecord | None = None
    pace: SpanRecord | None = None
    fresh: bool = False
    cookies: bool = False
    redirects: Count = 0
    setup: Text | None = None
    graceful_stop_us: Count = 0


Role = Literal["flow", "module", "data", "body", "read"]


class WorkloadFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the project that decides what is sent.

    Attributes:
        path: Relative to the project.
        sha256: Of its bytes.
        role: ``flow``: a flow's file; ``module``: Python that flows import from the project;
            ``data``: a table; ``body``: sent as it is; ``read``: read by a flow.
        rows: Of a table.
    """

    path: Text
    sha256: Text
    role: Role
    rows: Count | None = None


class WorkloadRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What was asked of the generator.

    Attributes:
        duration_seconds: The measured window of a round, from its first scenario to its last.
        ramp_seconds: Before it.
        pause_seconds: Between rounds.
        timeout_us: Of a request that has none of its own.
        workers: Generator processes.
        seed: Of everything random.
        scenarios: Those that ran beside one another.
        endpoints: What they asked, scenario after scenario, then the steps of flows, sorted.
        files: What of the project decided it.
    """

    duration_seconds: Amount
    ramp_seconds: Amount
    pause_seconds: Amount
    timeout_us: Count
    workers: Count
    seed: Count
    scenarios: Annotated[list[ScenarioRecord], Meta(min_length=1, max_length=64)]
    endpoints: list[WorkloadEndpoint]
    files: list[WorkloadFile] = []

    @property
    def max_users(self) -> int:
        """The most users at any time."""
        return sum(one.max_users for one in self.scenarios)

    @property
    def closed_loop(self) -> bool:
        """Whether nobody is asked at a rate: corrected and uncorrected latency are the same."""
        return all(one.closed_loop for one in self.scenarios)

    @property
    def ends_early(self) -> bool:
        """Whether a round ends when its iterations are done, however long that takes."""
        return all(one.iterations is not None for one in self.scenarios)

    def is_flow(self, endpoint: int) -> bool:
        """Return whether an endpoint (by position) is a flow, whose rows are no requests."""
        return self.endpoints[endpoint].kind == "flow"

    def of_requests(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows of requests: a run of a flow is none, and its own are there."""
        return (row for row in rows if not self.is_flow(row.endpoint))

    def timeout_of(self, endpoint: int) -> int:
        """Return after which time, in µs, requests of an endpoint were given up."""
        own = self.endpoints[endpoint].timeout_us
        return self.timeout_us if own is None else own

    def scenario_of(self, endpoint: int) -> ScenarioRecord | None:
        """Return the scenario that asks an endpoint (by position), None where it names none."""
        name = self.endpoints[endpoint].scenario
        return next((one for one in self.scenarios if one.name == name), None)
