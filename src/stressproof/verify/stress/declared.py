"""The protocol's fields as an artifact declares them, typed; everything wrong is listed.

A value that is absent, null or of a wrong type is None here, so that every later rule can still
judge what is there. The types are exact: no text for a number, no boolean for an integer, no
``30.0`` where an integer belongs; an integer serves where a fraction is allowed (ruling 5).
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from stressproof.evidence.measurements import Count
from stressproof.evidence.stress import Text

Amount = Annotated[float, Meta(ge=0, le=1e12)]
"""A time in seconds, a rate or a percentage: never negative, and finite."""

ITEMS_MAX = 10_000
"""Of any list: rounds for a week, or an API with every route."""

Sample = Annotated[list[Text], Meta(max_length=10)]


class Figures(Struct, frozen=True):
    """Figures of a round, or of all."""

    total_requests: Count | None = None
    successful_requests: Count | None = None
    failed_requests: Count | None = None
    throughput_rps: Amount | None = None
    avg_response_time: Amount | None = None
    median_response_time: Amount | None = None
    p95_response_time: Amount | None = None
    p99_response_time: Amount | None = None
    min_response_time: Amount | None = None
    max_response_time: Amount | None = None
    errors_sample: Sample | None = None


class DeclaredRun(Struct, frozen=True):
    """One round."""

    run_index: Count | None = None
    captured_at: Text | None = None
    started_at: Text | None = None
    ended_at: Text | None = None
    elapsed_seconds: Amount | None = None
    results: Figures | None = None


class DeclaredCheck(Struct, frozen=True):
    """One attempt of the preflight."""

    endpoint: Text | None = None
    attempt: Count | None = None
    status_code: Count | None = None
    ok: bool | None = None
    latency_ms: Amount | None = None
    error: Text | None = None


class DeclaredFailure(Struct, frozen=True):
    """One endpoint that the preflight could not use."""

    endpoint: Text | None = None
    error: Text | None = None


class DeclaredPreflight(Struct, frozen=True):
    """The preflight."""

    enabled: bool | None = None
    passed: bool | None = None
    attempts_per_endpoint: Count | None = None
    request_timeout_seconds: Amount | None = None
    checks: list[DeclaredCheck] | None = None
    failures: list[DeclaredFailure] | None = None


class DeclaredRuntime(Struct, frozen=True):
    """The backend."""

    health_endpoint: Text | None = None
    database_engine: Text | None = None
    database_engine_source: Text | None = None
    health_status_code: Count | None = None
    status: Text | None = None
    probe_error: Text | None = None


class DeclaredThresholds(Struct, frozen=True):
    """The limits of the capture."""

    max_p95_seconds: Amount | None = None
    max_error_rate_percent: Amount | None = None
    min_throughput_rps: Amount | None = None


class DeclaredRound(Struct, frozen=True):
    """One round against the limits."""

    run_index: Count | None = None
    total_requests: Count | None = None
    successful_requests: Count | None = None
    failed_requests: Count | None = None
    error_rate_percent: Amount | None = None
    throughput_rps: Amount | None = None
    p95_response_time: Amount | None = None
    meets_p95: bool | None = None
    meets_error_rate: bool | None = None
    meets_throughput: bool | None = None
    meets_targets: bool | None = None
    thresholds: DeclaredThresholds | None = None


class DeclaredEvaluation(Struct, frozen=True):
    """All rounds against the limits."""

    rounds: list[DeclaredRound] | None = None
    overall_meets_targets: bool | None = None
    worst_p95_seconds: Amount | None = None
    min_throughput_rps: Amount | None = None


class DeclaredSubject(Struct, frozen=True):
    """The build."""

    git_commit: Text | None = None
    git_dirty: bool | None = None


class Declared(Struct, frozen=True):
    """The protocol's artifact."""

    profile: Text | None = None
    runner: Text | None = None
    status: Text | None = None
    started_at: Text | None = None
    captured_at: Text | None = None
    target_url: Text | None = None
    endpoints: Annotated[list[Text], Meta(max_length=ITEMS_MAX)] | None = None
    duration_seconds: Count | None = None
    concurrent_users: Count | None = None
    ramp_up_seconds: Count | None = None
    rounds: Count | None = None
    request_timeout: Amount | None = None
    preflight: DeclaredPreflight | None = None
    runtime: DeclaredRuntime | None = None
    subject: DeclaredSubject | None = None
    thresholds: DeclaredThresholds | None = None
    results: Figures | None = None
    runs: list[DeclaredRun] | None = None
    min_throughput_rps: Amount | None = None
    evaluation: DeclaredEvaluation | None = None
    meets_targets: bool | None = None


REQUIRED: dict[str, str] = {
    "profile": "1",
    "preflight": "2",
    "preflight.enabled": "2",
    "preflight.passed": "2",
    "preflight.failures": "2",
    "runner": "3",
    "captured_at": "4",
    "evaluation": "5",
    "evaluation.overall_meets_targets": "5",
    "runs": "6",
    "runs[].run_index": "6",
    "runs[].captured_at": "6",
    "runs[].results": "6",
    "duration_seconds": "8",
    "concurrent_users": "8",
    "endpoints": "9",
    "results": "10",
    "results.total_requests": "10",
    "results.successful_requests": "10",
    "results.failed_requests": "10",
    "runs[].results.total_requests": "10",
    "runs[].results.successful_requests": "10",
    "runs[].results.failed_requests": "10",
    "results.throughput_rps": "11",
    "results.p95_response_time": "11",
    "results.p99_response_time": "11",
    "min_throughput_rps": "11",
    "runs[].results.throughput_rps": "11",
    "runs[].results.p95_response_time": "11",
    "runs[].results.p99_response_time": "11",
    "thresholds": "12",
    "thresholds.max_p95_seconds": "12",
    "thresholds.max_error_rate_percent": "12",
    "thresholds.min_throughput_rps": "12",
    "evaluation.worst_p95_seconds": "12",
    "evaluation.min_throughput_rps": "12",
    "evaluation.rounds": "12",
    "rounds": "12",
}
"""Fields that the protocol's contract cannot be judged without, each with its clause.

``runtime`` is missing here on purpose: without an engine an artifact is a legacy one,
which has a rule of its own.
"""

_NULL_WITHOUT_SUCCESS = (
    "avg_response_time",
    "median_response_time",
    "p95_response_time",
    "p99_response_time",
    "min_response_time",
    "max_response_time",
)

NULLABLE = frozenset(
    {
        *(f"results.{name}" for name in _NULL_WITHOUT_SUCCESS),
        *(f"runs[].results.{name}" for name in _NULL_WITHOUT_SUCCESS),
        "evaluation.worst_p95_seconds",
        "evaluation.rounds[].p95_response_time",
        "evaluation.rounds[].error_rate_percent",
        "preflight.passed",
        "preflight.checks[].status_code",
        "runtime.status",
        "runtime.health_status_code",
        "runtime.probe_error",
        "subject.git_commit",
        "subject.git_dirty",
        *(
            f"{where}thresholds.{name}"
            for where in ("", "evaluation.rounds[].")
            for name in ("max_p95_seconds", "max_error_rate_percent", "min_throughput_rps")
        ),
    }
)
"""Fields where null says something: nothing succeeded, not asked, not known."""

StructT = TypeVar("StructT", bound=Struct)


class Problem(Struct, frozen=True):
    """A field that is not what it must be.

    Attributes:
        where: Its path.
        seen: Its value.
        expected: The type that it must have.
    """

    where: str
    seen: Any
    expected: str


class Gathering:
    """Reads plain JSON values into structs of optional fields, and lists what does not fit.

    Args:
        required: Path templates (``runs[].results``) that must be there.
        nullable: Path templates where null is a value.
    """

    def __init__(self, required: Mapping[str, str], nullable: frozenset[str]) -> None:
        self.required = required
        self.nullable = nullable
        self.problems: list[Problem] = []
        self.unknown: list[str] = []

    def struct(
        self, kind: type[StructT], data: Any, where: str = "", template: str = ""
    ) -> StructT | None:
        """Return the struct, with None for every field that does not fit; None for no object."""
        if not isinstance(data, dict):
            self.problems.append(Problem(where or "$", data, "an object"))
            return None
        prefix, pattern = (f"{where}." if where else ""), (f"{template}." if template else "")
        values: dict[str, Any] = {}
        for name, optional in kind.__annotations__.items():
            path, shape = prefix + name, pattern + name
            if name not in data:
                if shape in self.required:
                    self.problems.append(
                        Problem(path, _ABSENT, f"a value (clause {self.required[shape]})")
                    )
                continue
            value = data[name]
            if value is None and shape in self.nullable:
                continue
            values[name] = self._value(get_args(optional)[0], value, path, shape)
        self.unknown.extend(prefix + name for name in data if name not in kind.__annotations__)
        return kind(**values)

    def _value(self, kind: Any, value: Any, path: str, shape: str) -> Any:
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self.struct(kind, value, path, shape)
        item = get_args(kind)[0] if get_origin(kind) is list else None
        if isinstance(item, type) and issubclass(item, Struct):
            if not isinstance(value, list):
                self.problems.append(Problem(path, value, "an array"))
                return None
            if len(value) > ITEMS_MAX:
                self.problems.append(Problem(path, value, f"at most {ITEMS_MAX} entries"))
                return None
            read = [
                self.struct(item, each, f"{path}[{place}]", f"{shape}[]")
                for place, each in enumerate(value)
            ]
            return [one or item() for one in read]
        try:
            return msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError as error:
            self.problems.append(Problem(path, value, _expectation(str(error))))
            return None


class _Absent:
    """Shown where a field is not there at all, which differs from null."""


_ABSENT = _Absent()


def is_absent(value: Any) -> bool:
    """Return whether a problem's value stands for a field that is not there."""
    return value is _ABSENT


def _expectation(message: str) -> str:
    """Return what msgspec expected: ``Expected `int`, got `str``` says ``int``."""
    return message.removeprefix("Expected ").split(", got", 1)[0].replace("`", "")


def read_declared(data: dict[str, Any]) -> tuple[Declared, Gathering]:
    """Return the protocol's fields of an artifact, and what was wrong or unknown about them."""
    gathering = Gathering(REQUIRED, NULLABLE)
    declared = gathering.struct(Declared, data)
    return declared or Declared(), gathering
