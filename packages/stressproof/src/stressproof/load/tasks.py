"""What iterations are: flows and declared requests, ready for users who add to them."""

from stressproof.load.composing import compiled_parts
from stressproof.load.flow_modules import FlowModules, Run
from stressproof.load.patterns import Pattern
from stressproof.load.requests import PreparedEndpoint, prepare_request
from stressproof.load.steps import FlowSteps, Step, StepRegistry, hops
from stressproof.workload.flows import Flow
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload


class PreparedFlow:
    """A flow, ready to be run.

    Attributes:
        index: Where its runs are counted; -1 for a setup, whose runs are not.
        name: As evidence has it.
        run: The coroutine function.
        steps: What it asks for.
    """

    __slots__ = ("index", "name", "run", "steps")

    def __init__(self, index: int, name: str, run: Run, steps: FlowSteps) -> None:
        self.index = index
        self.name = name
        self.run = run
        self.steps = steps

    def aim(self, target: Target) -> None:
        """Ask as somebody else from now on: a token was renewed."""
        self.steps.aim(target)


class PreparedRequest:
    """A declared request whose user adds to it.

    Attributes:
        index: Where it is counted.
        endpoint: How it is judged.
        step: How its redirects are named.
    """

    __slots__ = ("_next", "_patterns", "endpoint", "index", "step")

    def __init__(self, endpoint: PreparedEndpoint, patterns: list[Pattern], step: Step) -> None:
        self.index = endpoint.index
        self.endpoint = endpoint
        self.step = step
        self._patterns = patterns
        self._next = 0

    def pattern(self) -> Pattern:
        """Return how it is made this time: each time with the next set of rotated headers."""
        number = self._next
        self._next = (number + 1) % len(self._patterns)
        return self._patterns[number]

    def aim(self, target: Target) -> None:
        """Ask as somebody else from now on: a token was renewed."""
        for pattern in self._patterns:
            pattern.aim(target)


def prepare_flow(
    index: int,
    flow: Flow,
    scenario: Scenario,
    workload: Workload,
    registry: StepRegistry,
    modules: FlowModules,
) -> PreparedFlow:
    """Return a flow whose file was run.

    Raises:
        UsageError: It cannot be loaded.
    """
    steps = FlowSteps(flow.name, scenario, workload.timeout_of(scenario), workload.target, registry)
    return PreparedFlow(index, flow.name, modules.load(flow.run), steps)


def prepare_varying(
    index: int, request: Request, scenario: Scenario, workload: Workload
) -> PreparedRequest:
    """Return a declared request to which its user may add headers, cookies and rows."""
    timeout_us = workload.timeout_of(scenario, request)
    step = Step(
        scenario=scenario.name,
        flow=request.name,
        name=request.name,
        method=request.method,
        path=request.path,
        expected_statuses=request.expected_statuses,
        checks=request.checks,
        timeout_us=timeout_us,
    )
    endpoint = prepare_request(index, request, timeout_us, hops(step, request.redirects))
    endpoint.wants_answer = endpoint.wants_answer or scenario.cookies
    url, body = compiled_parts(request)
    patterns = [
        Pattern(workload.target, request.method, url, (request.headers, rotated), body)
        for rotated in (request.rotate or ({},))
    ]
    return PreparedRequest(endpoint, patterns, step)
