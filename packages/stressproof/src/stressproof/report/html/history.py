"""Many builds on one page: how each objective went from build to build, with limits and spread."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from msgspec import Struct

from stressproof.objectives.evaluating import Answers
from stressproof.objectives.judging import show
from stressproof.objectives.metrics import METRICS
from stressproof.objectives.parser import parse_judged
from stressproof.objectives.results import ThresholdResult
from stressproof.report.html.charts import Chart, Drawing, Limit, Point, Series, draw
from stressproof.report.html.parts import Page, Section, Table
from stressproof.report.html.scales import Scale, fitting

_TICKS = 10
_SHORT = 7
_LEAST = 2
"""A line needs two builds."""


class Build(Struct, frozen=True, kw_only=True):
    """One artifact among others.

    Attributes:
        href: Where its page is, relative to the history's.
        profile: What was asked; builds are compared where it is the same.
        commit: The build, shortened.
        captured: When.
        page: Its report.
        answers: Its limits and objectives judged; None where there is nothing to judge them on.
        rounds: The same of each round by itself.
    """

    href: str
    profile: str
    commit: str
    captured: str
    page: Page
    answers: Answers | None = None
    rounds: Sequence[Answers] = ()

    def named(self, figure: str) -> ThresholdResult | None:
        """Return how a figure came out against its limit, whatever that was."""
        found = self.answers.thresholds if self.answers is not None else ()
        return next((one for one in found if figure_of(one) == figure), None)

    def spread(self, figure: str) -> tuple[float, float] | None:
        """Return the least and the greatest value that a figure had in a round."""
        values = [
            one.observed_value
            for answers in self.rounds
            for one in answers.thresholds
            if figure_of(one) == figure and one.observed_value is not None
        ]
        return (min(values), max(values)) if values else None


def figure_of(result: ThresholdResult) -> str:
    """Return what a threshold is about, without its limit: that may change from build to build."""
    asked = parse_judged(result.threshold)
    return f"{asked.selector}: {asked.expression.measure}"


def trends(builds: Sequence[Build]) -> list[Section]:
    """Return a section for each profile that several builds were asked for.

    Args:
        builds: The oldest first.
    """
    profiles = dict.fromkeys(build.profile for build in builds if build.answers is not None)
    sections = []
    for number, profile in enumerate(profiles):
        of_profile = [one for one in builds if one.profile == profile and one.answers is not None]
        drawings = list(_trends(of_profile, f"trend-{number}"))
        if drawings:
            sections.append(
                Section(
                    id=f"trend-{number}",
                    title=f"From build to build: {profile}",
                    lead="The better and the worse round of each build; between them lies what "
                    "the same build gives when it is asked again.",
                    charts=drawings,
                )
            )
    return sections


def _trends(builds: Sequence[Build], prefix: str) -> Iterator[Drawing]:
    names = dict.fromkeys(
        figure_of(one)
        for build in builds
        for one in (build.answers.thresholds if build.answers is not None else ())
    )
    for number, name in enumerate(names):
        spreads = [build.spread(name) for build in builds]
        if sum(one is not None for one in spreads) >= _LEAST:
            yield _trend(builds, name, spreads, f"{prefix}-{number}")


def _trend(
    builds: Sequence[Build],
    name: str,
    spreads: Sequence[tuple[float, float] | None],
    id: str,  # noqa: A002  # SVG's own name
) -> Drawing:
    low: list[Point] = [(at, one[0] if one else None) for at, one in enumerate(spreads)]
    high: list[Point] = [(at, one[1] if one else None) for at, one in enumerate(spreads)]
    results = [build.named(name) for build in builds]
    last = next(one for one in reversed(results) if one is not None)
    seen = [value for spread in spreads if spread is not None for value in spread]
    limits = []
    if last.limit_value is not None and last.limit_value <= 5 * max(seen):
        limits.append(Limit(last.limit_value, f"limit {last.limit}"))
    step = -(-len(builds) // _TICKS)
    ticks = tuple(float(at) for at in range(0, len(builds), step))
    text = _unit(last)
    return draw(
        Chart(
            id=id,
            title=name,
            description=f"{len(builds)} builds; the latest has {last.observed or 'no figure'}, "
            f"and its limit is {last.limit}.",
            x=Scale(-0.5, len(builds) - 0.5, ticks),
            y=fitting([*seen, *(one.value for one in limits)]),
            x_text=lambda tick: builds[round(tick)].commit[:_SHORT],
            y_text=text,
            x_name="build, the oldest first",
            series=[Series("lowest round", low, 0), Series("highest round", high, 1)],
            limits=limits,
        )
    )


def _unit(result: ThresholdResult) -> Callable[[float], str]:
    """Return what names a tick of a threshold's figure."""
    asked = parse_judged(result.threshold)
    dimension = METRICS[asked.selector.metric].dimension(asked.expression.measure.name)
    return lambda tick: show(Fraction(tick), dimension)


def beside(before: Build, now: Build) -> Section:
    """Return two builds side by side."""
    rows = []
    for result in now.answers.thresholds if now.answers is not None else ():
        earlier = before.named(figure_of(result))
        rows.append(
            [
                result.threshold,
                "not asked" if earlier is None else earlier.observed or "no data",
                result.observed or "no data",
                result.limit,
            ]
        )
    columns = ["Objective", f"Before ({before.commit[:_SHORT]})", "Now", "Limit"]
    table = Table(f"Beside the capture of {before.captured}", columns, rows)
    return Section(
        id=f"{now.page.id}-beside",
        title="Beside the build before",
        lead="Whether a difference is more than chance, stressproof compare says: it takes "
        "captures of both builds in turns.",
        tables=[table],
    )
