"""Charts as SVG: lines over a scale, limits, and bands for what was done meanwhile.

Colours come from the page (`page.css`), so that one chart serves light, dark and paper; every line
has a dash pattern of its own beside its colour, and a description in words.
"""

from collections.abc import Callable, Sequence
from html import escape

from msgspec import Struct

from stressproof.quantities import latency
from stressproof.report.html.scales import Scale, linear

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 26, 40
_PLOT_WIDTH = _WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT = _HEIGHT - _TOP - _BOTTOM
_LEGEND_GAP = 18
_CHARACTER = 6.6  # of the legend's type, about

Point = tuple[float, float | None]
"""Where on the horizontal scale, and the value; None where there is no data."""


class Series(Struct, frozen=True):
    """One line.

    Attributes:
        name: In the legend.
        points: In order; a value that is None breaks the line.
        style: Which of the page's styles, from 0: colour and dashes.
    """

    name: str
    points: Sequence[Point]
    style: int = 0


class Band(Struct, frozen=True):
    """A stretch in which something was done: a fault.

    Attributes:
        begin: On the horizontal scale.
        end: Likewise.
        name: What was done.
    """

    begin: float
    end: float
    name: str


class Limit(Struct, frozen=True):
    """A horizontal line that the values are held against."""

    value: float
    name: str


class Chart(Struct, frozen=True, kw_only=True):
    """A chart with its words.

    Attributes:
        id: Unique on the page.
        title: What it shows, for everybody.
        description: What is to be seen on it, for whoever does not see it.
        x: The horizontal scale.
        y: The vertical scale.
        x_text: Names a tick of the horizontal scale.
        y_text: Names a tick of the vertical scale.
        x_name: What the horizontal scale is.
        series: The lines.
        bands: What was done meanwhile.
        limits: What the values are held against.
        breaks: Where a round ends and the next one begins.
    """

    id: str
    title: str
    description: str
    x: Scale
    y: Scale
    x_text: Callable[[float], str]
    y_text: Callable[[float], str]
    x_name: str
    series: Sequence[Series]
    bands: Sequence[Band] = ()
    limits: Sequence[Limit] = ()
    breaks: Sequence[float] = ()


def over_time(length_s: float) -> Scale:
    """Return the scale of a stretch of time from 0, with round seconds named."""
    length_s = max(length_s, 1.0)
    named = tuple(tick for tick in linear(length_s).ticks if tick <= length_s)
    return Scale(0.0, length_s, named)


def seconds_text(tick: float) -> str:
    """Return the name of a tick of time."""
    return f"{tick:g} s"


def latency_text(tick_ms: float) -> str:
    """Return the name of a tick of a latency in milliseconds."""
    return latency(round(tick_ms * 1000))


class Drawing(Struct, frozen=True):
    """A finished chart.

    Attributes:
        title: What it shows.
        svg: The element.
    """

    title: str
    svg: str


def draw(chart: Chart) -> Drawing:
    """Return a chart as an SVG element."""
    parts = [
        _opening(chart.id),
        f'<title id="{chart.id}-t">{escape(chart.title)}</title>',
        f'<desc id="{chart.id}-d">{escape(chart.description)}</desc>',
        *_bands(chart),
        *_axes(chart),
        *(_break(chart, at) for at in chart.breaks),
        *(_limit(chart, limit) for limit in chart.limits),
        *(_line(chart, series) for series in chart.series),
        *_legend(chart.series),
        "</svg>",
    ]
    return Drawing(chart.title, "".join(parts))


def _opening(id: str) -> str:  # noqa: A002  # SVG's own name
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'aria-labelledby="{id}-t {id}-d">'
    )


def _x(chart: Chart, value: float) -> str:
    return f"{_LEFT + _PLOT_WIDTH * chart.x.place(value):.1f}"


def _y(chart: Chart, value: float) -> str:
    return f"{_TOP + _PLOT_HEIGHT * (1 - chart.y.place(value)):.1f}"


def _axes(chart: Chart) -> list[str]:
    bottom = _TOP + _PLOT_HEIGHT
    parts = []
    for tick in chart.y.ticks:
        at = _y(chart, tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>'
        )
        parts.append(
            f'<text class="tick" x="{_LEFT - 6}" y="{at}" dy="4" text-anchor="end">'
            f"{escape(chart.y_text(tick))}</text>"
        )
    for tick in chart.x.ticks:
        at = _x(chart, tick)
        parts.append(
            f'<text class="tick" x="{at}" y="{bottom + 16}" text-anchor="middle">'
            f"{escape(chart.x_text(tick))}</text>"
        )
    middle = _LEFT + _PLOT_WIDTH / 2
    parts.append(
        f'<text class="tick" x="{middle:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(chart.x_name)}</text>"
    )
    return parts


def _bands(chart: Chart) -> list[str]:
    parts = []
    for number, band in enumerate(chart.bands):
        left, right = float(_x(chart, band.begin)), float(_x(chart, band.end))
        parts.append(
            f'<rect class="band" x="{left:.1f}" y="{_TOP}" width="{max(right - left, 1.5):.1f}" '
            f'height="{_PLOT_HEIGHT}"><title>{escape(band.name)}</title></rect>'
        )
        # Neighbours are named at two heights, so that short bands do not write over each other.
        parts.append(
            f'<text class="bandname" x="{left + 3:.1f}" y="{_TOP + 12 + 13 * (number % 3)}">'
            f"{escape(band.name)}</text>"
        )
    return parts


def _break(chart: Chart, at: float) -> str:
    x = _x(chart, at)
    return f'<line class="break" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_TOP + _PLOT_HEIGHT}"/>'


def _limit(chart: Chart, limit: Limit) -> str:
    y = _y(chart, limit.value)
    return (
        f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text class="limitname" x="{_WIDTH - _RIGHT - 4}" y="{y}" dy="-4" text-anchor="end">'
        f"{escape(limit.name)}</text>"
    )


def _line(chart: Chart, series: Series) -> str:
    """Return a path; a point without neighbours is a dot."""
    path: list[str] = []
    pen_down = False
    points = list(series.points)
    for number, (x, y) in enumerate(points):
        if y is None:
            pen_down = False
            continue
        place = f"{_x(chart, x)} {_y(chart, y)}"
        path.append(f"{'L' if pen_down else 'M'}{place}")
        alone = not pen_down and (number + 1 == len(points) or points[number + 1][1] is None)
        if alone:
            path.append("h0")
        pen_down = True
    return f'<path class="line s{series.style}" d="{"".join(path)}"/>' if path else ""


def _legend(series: Sequence[Series]) -> list[str]:
    parts = []
    x = float(_LEFT)
    for one in series:
        parts.append(
            f'<path class="line s{one.style}" d="M{x:.1f} 12h22"/>'
            f'<text class="tick" x="{x + 27:.1f}" y="16">{escape(one.name)}</text>'
        )
        x += 27 + len(one.name) * _CHARACTER + _LEGEND_GAP
    return parts
