"""``stressproof.toml``: what is written there, as types.

What the texts in it mean is `stressproof.config.compile`'s affair.
"""

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from stressproof.config.plan_tables import DataTable, TargetTable
from stressproof.config.plan_tables import ProfileTable as Load

if TYPE_CHECKING:
    from stressproof.config.failures.plan import FailureFile

FILE_NAME = "stressproof.toml"
EVIDENCE_FOLDER = "stressproof-results/"
"""Where evidence is kept by default."""


class LongThreshold(Struct, frozen=True, forbid_unknown_fields=True):
    """A threshold that can end a run, spelled as k6 spells it."""

    threshold: Annotated[str, Meta(description="The expression, such as p(99) < 1s over 10s.")]
    abortOnFail: Annotated[  # noqa: N815  # k6's own name
        bool, Meta(description="End the run as soon as the threshold is crossed.")
    ] = False
    delayAbortEval: Annotated[  # noqa: N815  # k6's own name
        str, Meta(description="How long into a round that waits, such as 10s.")
    ] = "0s"


Expressions = str | LongThreshold | list[str | LongThreshold]
"""One expression or several; k6 has a list."""


class ProfileTable(Load, frozen=True, forbid_unknown_fields=True):
    """A named load, and what it is held to."""

    thresholds: Annotated[
        dict[str, Expressions],
        Meta(description="k6's: a metric with its tags, and expressions that must hold."),
    ] = {}  # noqa: RUF012  # a Struct's default is copied


class LimitsTable(Struct, frozen=True, forbid_unknown_fields=True):
    """The protocol's three limits, which each round must meet."""

    max_p95_seconds: Annotated[float | None, Meta(description="Greatest p95 of a round.")] = None
    max_error_rate_percent: Annotated[
        float | None, Meta(description="Greatest share of failed requests, in per cent.")
    ] = None
    min_throughput_rps: Annotated[
        float | None, Meta(description="Fewest completed requests a second.")
    ] = None


class PrometheusTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Where production counts the same events: instant selectors without a range."""

    total: Annotated[str, Meta(description='All events: http_requests_total{job="api"}.')]
    bad: Annotated[str, Meta(description="Events that spend the budget; this or good.")] = ""
    good: Annotated[str, Meta(description="Events that do not; this or bad.")] = ""


class SloTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A service level objective, for runs and for production."""

    name: Annotated[str, Meta(description="Unique in the file.", min_length=1, max_length=200)]
    objective: Annotated[str, Meta(description="The share of good events, such as 99.9%.")]
    latency: Annotated[
        str | None,
        Meta(description="A good event is a success within this time, such as 300ms."),
    ] = None
    on: Annotated[str, Meta(description="Which requests count, such as http_reqs{name:/path}.")] = (
        "http_reqs"
    )
    period: Annotated[
        str, Meta(description="The time that the error budget is for, such as 30d.")
    ] = "30d"
    description: Annotated[str, Meta(description="For people and for alerts.")] = ""
    prometheus: Annotated[
        PrometheusTable | None, Meta(description="Where production counts the same events.")
    ] = None


class CompareTable(Struct, frozen=True, forbid_unknown_fields=True):
    """How `stressproof compare` judges."""

    margin: Annotated[str, Meta(description="The slowdown that is tolerated.")] = "5%"
    error_margin: Annotated[str, Meta(description="The rise in failures tolerated.")] = "0.5pp"
    quantiles: Annotated[
        tuple[str, ...], Meta(description="Which quantiles are compared.", min_length=1)
    ] = ("p(50)", "p(95)", "p(99)")


class StepTable(Struct, frozen=True, forbid_unknown_fields=True):
    """One quality step of a release gate."""

    name: Annotated[
        str,
        Meta(
            description="What the gate calls it; unique in the file.",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}$",
        ),
    ]
    run: Annotated[
        tuple[str, ...],
        Meta(
            description="The command and its arguments, never a shell line; a first word python "
            "is the gate's own interpreter.",
            min_length=1,
        ),
    ]
    timeout: Annotated[str, Meta(description="When it is ended and has failed, such as 10m.")] = (
        "10m"
    )
    needs: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], ...],
        Meta(description="Python modules it cannot run without, beside that of python -m MODULE."),
    ] = ()
    inconclusive_exit_codes: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=255)], ...],
        Meta(description="Exit codes that say: there was nothing to judge. They block as well."),
    ] = ()
    pass_env: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], ...],
        Meta(
            description="Environment variables it is given; others, beside PATH, HOME and the like,"
            " are not passed."
        ),
    ] = ()
    path: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[^/\x00][^\x00]*$")], ...],
        Meta(
            description="Folders of the project, such as '.', that its Python imports from; the "
            "working directory is none of them by itself."
        ),
    ] = ()


class SuiteTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Which suite says what is asked of the service."""

    use: Annotated[
        str,
        Meta(
            description="An installed suite by its name, package.module:SUITE, or a file beside "
            "this one as suite.py:SUITE (which no gate takes)."
        ),
    ] = ""
    package: Annotated[
        str, Meta(description="The package to install where the suite is absent, for messages.")
    ] = ""


class GateTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What a release gate asks: evidence of a profile, and steps."""

    profile: Annotated[str, Meta(description="Whose evidence is asked for.")] = ""
    target: Annotated[
        tuple[str, ...], Meta(description="Targets that it may be of; any named here if empty.")
    ] = ()
    rounds: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None, Meta(description="Fewest rounds; the profile's.")
    ] = None
    duration: Annotated[
        str | None, Meta(description="Shortest round, such as 30s; the profile's.")
    ] = None
    users: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Fewest users of closed executors.")
    ] = None
    required: Annotated[
        tuple[str, ...],
        Meta(description='Each by itself: "POST /orders", "flow:checkout"; all of the profile\'s.'),
    ] = ()
    max_age: Annotated[str, Meta(description="Oldest evidence, such as 24h.")] = "24h"
    thresholds: Annotated[
        dict[str, Expressions],
        Meta(description="What evidence must hold beside the profile's own thresholds."),
    ] = {}
    steps: Annotated[tuple[StepTable, ...], Meta(description="In the order they run.")] = ()
    failures: Annotated[
        bool, Meta(description="Whether evidence of the file's failures is demanded too.")
    ] = True
    evidence: Annotated[
        tuple[str, ...],
        Meta(
            description="Folders, from the top of the repository, in which a difference is none "
            "of the build.",
            min_length=1,
        ),
    ] = (EVIDENCE_FOLDER,)


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The file without failures. Every table may be left out."""

    target: Annotated[TargetTable | None, Meta(description="The service under load.")] = None
    targets: Annotated[
        dict[str, TargetTable],
        Meta(description="Environments: what differs from [target], by --target NAME."),
    ] = {}
    data: Annotated[dict[str, DataTable], Meta(description="Tables, by name.")] = {}
    profile: Annotated[dict[str, ProfileTable], Meta(description="Loads, by name.")] = {}
    suite: Annotated[
        SuiteTable | None, Meta(description="What is asked of the service, and where it is said.")
    ] = None
    limits: Annotated[
        LimitsTable | None, Meta(description="The protocol's three limits, for each round.")
    ] = None
    thresholds: Annotated[
        dict[str, Expressions],
        Meta(description="k6's: a metric with its tags, and expressions that must hold."),
    ] = {}
    slo: Annotated[tuple[SloTable, ...], Meta(description="Service level objectives.")] = ()
    compare: Annotated[CompareTable | None, Meta(description="How builds are compared.")] = None
    tags: Annotated[
        dict[str, dict[str, str]],
        Meta(description="Tags of endpoints by their name, for use in thresholds."),
    ] = {}
    gate: Annotated[GateTable | None, Meta(description="What a release gate runs.")] = None

    @property
    def failures(self) -> "FailureFile | None":
        """What it says of failures."""
        return None
