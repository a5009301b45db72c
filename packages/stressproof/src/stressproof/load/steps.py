"""The requests that flows turn out to make: discovered, named, and prepared once each."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET, Struct

from stressproof.errors import UsageError
from stressproof.flow.asking import Ask, Expect
from stressproof.load.multipart import encode_multipart
from stressproof.load.patterns import Call, Pattern
from stressproof.load.requests import PreparedEndpoint
from stressproof.workload.checks import Checks
from stressproof.workload.names import demand_name
from stressproof.workload.requests import (
    demand_redirects,
    demand_statuses,
    demand_timeout,
)
from stressproof.workload.scenarios import Scenario
from stressproof.workload.target import PATH, Target
from stressproof.workload.templates import Place, Template

MAX_STEPS = 256
"""Names of one scenario: more are no names but values."""
ANY_STATUS = tuple(range(200, 600))

_BRACES = re.compile(r"\{[^{}]*\}")
_VALUE = re.compile(
    r"[0-9]+|[0-9a-f]{16,}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    re.IGNORECASE,
)
_MAX_KEYS = 4096
_ONE = int | str  # made once: it is looked at for each request
_HOP = " +redirect"
_encode = msgspec.json.Encoder().encode


class Step(Struct, frozen=True):
    """One request of a flow, as evidence names it.

    Attributes:
        scenario: In which.
        flow: Of which; the name of a declared request where this is a hop of its redirects.
        name: Method and path template, or what the flow calls it.
        method: As it is sent.
        path: The template.
        expected_statuses: Any other is a failure.
        checks: What its answers must hold.
        timeout_us: After which it is given up.
    """

    scenario: str
    flow: str
    name: str
    method: str
    path: str
    expected_statuses: tuple[int, ...]
    checks: tuple[str, ...]
    timeout_us: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is told apart by, and sorted."""
        return self.scenario, self.flow, self.name


class StepRegistry:
    """Numbers the steps that a worker discovers, behind the declared endpoints.

    Args:
        first: The number of the first.
        opened: Called for each new number.
    """

    def __init__(self, first: int, opened: Callable[[], None]) -> None:
        self._first = first
        self._opened = opened
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._variants: set[Step] = set()
        self._new: list[Step] = []

    def number(self, step: Step) -> int:
        """Return where a step is counted.

        Raises:
            UsageError: There are too many.
        """
        number = self._numbers.get(step.key)
        if number is None:
            if len(self._numbers) >= MAX_STEPS:
                raise UsageError(
                    f"flows ask for more than {MAX_STEPS} different names, the last {step.name!r}",
                    hint='put what varies into braces: user.get("/orders/{id}", 7)',
                )
            number = self._numbers[step.key] = self._first + len(self._numbers)
            self._opened()
        if step not in self._variants:
            self._variants.add(step)
            self._new.append(step)
        return number

    def drain(self) -> list[Step]:
        """Return what was discovered since last time."""
        new, self._new = self._new, []
        return new


class PreparedStep:
    """A request of a flow: how it is judged and how it is made.

    Attributes:
        endpoint: How it is judged.
        step: How evidence names it.
        pattern: How it is made.
        holes: The names of its path's values.
    """

    __slots__ = ("endpoint", "holes", "pattern", "step")

    def __init__(
        self, endpoint: PreparedEndpoint, step: Step, pattern: Pattern, holes: tuple[str, ...]
    ) -> None:
        self.endpoint = endpoint
        self.step = step
        self.pattern = pattern
        self.holes = holes


class FlowSteps:
    """The requests of one flow.

    Args:
        flow: Its name.
        scenario: Whose settings hold where a call does not say.
        timeout_us: Likewise.
        target: Whom it asks.
        registry: Numbers them.
    """

    def __init__(
        self, flow: str, scenario: Scenario, timeout_us: int, target: Target, registry: StepRegistry
    ) -> None:
        self._flow = flow
        self._scenario = scenario
        self._timeout_us = timeout_us
        self._target = target
        self._registry = registry
        self._prepared: dict[tuple[object, ...], PreparedStep] = {}

    def aim(self, target: Target) -> None:
        """Ask as somebody else from now on: a token was renewed."""
        self._target = target
        for step in self._prepared.values():
            step.pattern.aim(target)

    def find(self, ask: Ask) -> PreparedStep:
        """Return a request that is ready to be made.

        Raises:
            UsageError: It is none that could ever be made.
        """
        expect = ask.expect
        if expect is not None and not isinstance(expect, _ONE):
            expect = tuple(expect)
        key = (ask.method, ask.path, ask.name, expect, ask.check, ask.timeout, ask.redirects)
        found = self._prepared.get(key)
        if found is None:
            if len(self._prepared) >= _MAX_KEYS:
                self._prepared.clear()
            found = self._prepared[key] = self._prepare(ask, expect)
        return found

    def _prepare(self, ask: Ask, expect: Expect | None) -> PreparedStep:
        pieces = demand_path(ask)
        defaults = self._scenario.steps
        redirects = self._scenario.redirects if ask.redirects is None else ask.redirects
        demand_redirects(ask.path, redirects)
        timeout_us = self._timeout_us if ask.timeout is None else _microseconds(ask)
        checks = defaults.checks if ask.check is None else (ask.check,)
        name = ask.name or f"{ask.method} {ask.path.partition('?')[0]}"
        demand_name(name)
        step = Step(
            scenario=self._scenario.name,
            flow=self._flow,
            name=name,
            method=ask.method,
            path=ask.path,
            expected_statuses=_statuses(name, expect, defaults.expected_statuses),
            checks=checks,
            timeout_us=timeout_us,
        )
        endpoint = PreparedEndpoint(
            self._registry.number(step),
            step.name,
            ask.method,
            expected=step.expected_statuses,
            checks=Checks.of(checks),
            timeout_us=timeout_us,
            wants_answer=True,
            hop=hops(step, redirects),
        )
        url = Template.joined(pieces)
        holes = tuple(f"_v{number}" for number in range(len(pieces) // 2))
        pattern = Pattern(self._target, ask.method, url, (defaults.headers,), None)
        return PreparedStep(endpoint, step, pattern, holes)


def hop_of(step: Step) -> Step:
    """Return what evidence calls the hops of a step's redirects: no request's name or path."""
    path = f"{step.path.partition('?')[0]}{_HOP}"
    return msgspec.structs.replace(step, name=f"{step.name}{_HOP}", path=path)


def hops(step: Step, redirects: int) -> PreparedEndpoint | None:
    """Return what asks for the places that a step's answers redirect to, counted nowhere yet."""
    if not redirects:
        return None
    return PreparedEndpoint(
        -1,
        f"{step.name}{_HOP}",
        "HEAD" if step.method == "HEAD" else "GET",
        expected=step.expected_statuses,
        checks=Checks.of(step.checks),
        timeout_us=step.timeout_us,
        wants_answer=True,
        hop=hops(step, redirects - 1),
    )


def call_of(ask: Ask, step: PreparedStep) -> Call:
    """Return what one call of a flow adds to its pattern.

    Raises:
        TypeError: It has more than one body, or values of a kind that has no text.
        ValueError: It has too few or too many values.
    """
    if len(ask.values) != len(step.holes):
        raise ValueError(
            f"{ask.path!r} has {len(step.holes)} braces and {len(ask.values)} values beside it"
        )
    values: dict[str, Any] = dict(zip(step.holes, ask.values, strict=True)) if ask.values else {}
    query = "" if not ask.query else urlencode(_as_texts(ask.query))
    return Call(values, ask.headers, query, _body_of(ask))


def demand_path(ask: Ask) -> list[Template]:
    """Return a path's pieces: literals and, between them, holes.

    Raises:
        UsageError: It is no path, or a value stands in it that belongs into braces.
    """
    literals = _BRACES.split(ask.path)
    joined = "0".join(literals)
    if not PATH.fullmatch(joined) or set("#{}") & set(joined):
        raise UsageError(
            f"the path is {ask.path!r}, expected /… in plain ASCII without fragment",
            hint='write values apart: user.get("/orders/{id}", 7)',
        )
    path = ask.path.partition("?")[0]
    value = next((part for part in path.split("/") if _VALUE.fullmatch(part)), None)
    if value is not None and ask.name is None:
        template = path.replace(value, "{id}", 1)
        method = ask.method.lower()
        raise UsageError(
            f"{ask.method} {path} has the value {value!r} in its path, so that each value would be "
            "a name of its own",
            hint=f'write user.{method}("{template}", value), or give it a name=',
        )
    pieces = []
    for number, literal in enumerate(literals):
        if number:
            pieces.append(Template.of(f"{{{{_v{number - 1}}}}}", Place.QUERY))
        pieces.append(Template([literal.encode()]))
    return pieces


def _microseconds(ask: Ask) -> int:
    try:
        timeout_us = round(float(ask.timeout or 0) * 1_000_000)
    except (TypeError, ValueError, OverflowError):
        timeout_us = -1
    demand_timeout(ask.path, timeout_us)
    return timeout_us


def _statuses(name: str, expect: Expect | None, default: tuple[int, ...]) -> tuple[int, ...]:
    if expect is None:
        return default
    if isinstance(expect, str):
        if expect == "any":
            return ANY_STATUS
        raise UsageError(f"{name}: expect is {expect!r}", hint='write statuses, or "any"')
    statuses = (expect,) if isinstance(expect, int) else tuple(sorted(set(expect)))
    demand_statuses(name, statuses)
    return statuses


def _as_texts(pairs: Mapping[str, Any]) -> dict[str, str]:
    texts = {}
    for name, value in pairs.items():
        if not isinstance(value, str | int | float):
            raise TypeError(f"{name} is a {type(value).__name__}, expected a text or a number")
        texts[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts


def _body_of(ask: Ask) -> tuple[bytes, str] | None:
    """Return a call's body and its type, None for none."""
    form, multipart, body = ask.form, ask.multipart, ask.body
    others = (form is not None) + (multipart is not None) + (body is not None)
    if others + (ask.json is not UNSET) > 1:
        raise TypeError("a request carries one of json, form, multipart and body, not several")
    if ask.json is not UNSET:
        return _encode(ask.json), "application/json"
    if form is not None:
        return _form(form)
    if multipart is not None:
        return encode_multipart(multipart)
    return None if body is None else _plain(body)


def _form(fields: Mapping[str, Any]) -> tuple[bytes, str]:
    return urlencode(_as_texts(fields)).encode(), "application/x-www-form-urlencoded"


def _plain(body: bytes | str) -> tuple[bytes, str]:
    if isinstance(body, str):
        return body.encode(), ""
    if not isinstance(body, bytes):
        raise TypeError(f"body is a {type(body).__name__}, expected bytes or a text")
    return body, ""
