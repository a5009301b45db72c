"""A user of a scenario: runs one iteration at a time, a declared request or a flow.

A flow is driven by hand: between an answer and the next request lies one `send` into its coroutine,
inside of `data_received`. There is no task, no future and no other turn of the event loop.
"""

from asyncio import TimerHandle
from collections.abc import Callable, Coroutine, Iterator
from time import monotonic_ns
from typing import Any

from stressproof.errors import UsageError
from stressproof.flow.answer import Answer, CheckFailedError, RequestFailed
from stressproof.flow.asking import Ask, Pause
from stressproof.flow.user import User
from stressproof.load.cookies import keep
from stressproof.load.flow_modules import Run
from stressproof.load.patterns import Call, Pattern
from stressproof.load.recorder import Cursor, LiveRow
from stressproof.load.redirects import FOLLOWED, method_after, place_of
from stressproof.load.requests import PreparedEndpoint
from stressproof.load.samples import ErrorSample
from stressproof.load.scenario_context import ScenarioContext
from stressproof.load.steps import FlowSteps, Step, call_of
from stressproof.load.virtual_user import Engine, MakeUser, Task, VirtualUser

Drive = Coroutine[Any, Any, object]


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

    def aim(self, patterns: list[Pattern]) -> None:
        """Be made in another way from now on: a token was renewed."""
        self._patterns = patterns
