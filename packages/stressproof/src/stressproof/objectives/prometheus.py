"""Recording and alerting rules for production, from the same objectives that a run is judged on.

The alerts are the SRE workbook's (multiwindow, multi-burn-rate) with one condition more: the long
window must hold so many events that a single error is no alert.
"""

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from stressproof.errors import UsageError
from stressproof.objectives.expression import plain
from stressproof.objectives.slo import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    PAIRS,
    WINDOW,
    Pair,
    PrometheusSource,
    Slo,
    one_error_trips_below,
)

RATIO = "slo:sli_error:ratio_rate"
EVENTS = "slo:sli_events:increase"
_COUNTER = "http_server_requests_total"
_HISTOGRAM = "http_server_request_duration_seconds"
_US_PER_S = 1_000_000
_LABELS = {
    "name": "http_route",
    "endpoint": "http_route",
    "url": "http_route",
    "method": "http_request_method",
    "status": "http_response_status_code",
}
_SEVERITIES = ("page", "ticket")


def rules(slos: Sequence[Slo]) -> str:
    """Return a Prometheus rule file as YAML.

    Raises:
        UsageError: An objective cannot be expressed in the generator's default metrics and names
            no others.
    """
    lines = [
        "# Made by `stressproof slo rules`; edit the objectives, not this file.",
        "groups:",
    ]
    for slo in slos:
        source = slo.prometheus or default_source(slo)
        lines += [
            f"  - name: {_quoted(f'slo-{slo.name}-recording')}",
            "    rules:",
        ]
        for window_s in windows_s():
            window = window_text(window_s)
            lines += _record(f"{RATIO}{window}", _ratio(source, window), slo)
            if source.total:
                lines += _record(f"{EVENTS}{window}", _events(source.total, window_s), slo)
        lines += [f"  - name: {_quoted(f'slo-{slo.name}-alerts')}", "    rules:"]
        for severity in _SEVERITIES:
            lines += _alert(severity, slo, counted=bool(source.total))
    return "\n".join(lines) + "\n"


def windows_s() -> list[int]:
    """Return every window of the table in seconds, each once."""
    return sorted({window for pair in PAIRS for window in (pair.long_s, pair.short_s)})


def window_text(window_s: int) -> str:
    """Return a window as Prometheus spells it: ``5m``, ``6h``, ``3d``."""
    for size, unit in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "m")):
        if window_s % size == 0:
            return f"{window_s // size}{unit}"
    return f"{window_s}s"


def default_source(slo: Slo) -> PrometheusSource:
    """Return the metrics of a service that counts as OpenTelemetry names it.

    Raises:
        UsageError: A tag has no label there.
    """
    labels = []
    for tag, value in slo.selector.tags:
        if tag not in _LABELS:
            raise UsageError(
                f"objective {slo.name!r}: the tag {tag!r} has no Prometheus label",
                hint="Name the metrics: prometheus = { total = …, bad = … }.",
            )
        route = value.split("?")[0] if _LABELS[tag] == "http_route" else value
        labels.append(f"{_LABELS[tag]}={json.dumps(route, ensure_ascii=False)}")
    if slo.latency_us is None:
        return PrometheusSource(
            total=_selector(_COUNTER, labels),
            bad=_selector(_COUNTER, [*labels, 'http_response_status_code=~"5.."']),
        )
    bound = plain(Decimal(slo.latency_us) / _US_PER_S)
    succeeded = 'http_response_status_code!~"5.."'
    return PrometheusSource(
        total=_selector(f"{_HISTOGRAM}_count", labels),
        good=_selector(f"{_HISTOGRAM}_bucket", [*labels, succeeded, f'le="{bound}"']),
    )


def _selector(metric: str, labels: Sequence[str]) -> str:
    return f"{metric}{{{','.join(labels)}}}" if labels else metric


def _ratio(source: PrometheusSource, window: str) -> str:
    if source.ratio:
        return source.ratio.replace(WINDOW, window)
    total = _rate(source.total, window)
    if source.bad:
        return f"{_rate(source.bad, window)} / {total}"
    return f"1 - {_rate(source.good, window)} / {total}"


def _rate(query: str, window: str) -> str:
    """Return events a second, or a whole query over the window."""
    if WINDOW in query:
        return f"({query.replace(WINDOW, window)})"
    return f"sum(rate({query}[{window}]))"


def _events(query: str, window_s: int) -> str:
    """Return how many events there were in a window."""
    window = window_text(window_s)
    if WINDOW not in query:
        return f"sum(increase({query}[{window}]))"
    whole = query.replace(WINDOW, window)
    return whole if "increase(" in query else f"({whole}) * {window_s}"


def _record(name: str, expression: str, slo: Slo) -> list[str]:
    return [
        f"      - record: {name}",
        f"        expr: {_quoted(expression)}",
        "        labels:",
        f"          slo: {_quoted(slo.name)}",
    ]


def _alert(severity: str, slo: Slo, *, counted: bool) -> list[str]:
    pairs = [pair for pair in PAIRS if pair.severity == severity]
    condition = " or ".join(f"({condition_of(pair, slo, counted=counted)})" for pair in pairs)
    burns = ", ".join(
        f"{_number(pair.factor(slo.period_s))} over {window_text(pair.long_s)}" for pair in pairs
    )
    summary = f"{_literal(slo.name)} spends its error budget too fast (burn rate above {burns})"
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", slo.name))
    # The name of an alert is that of a metric: it begins with no digit.
    name = name if name[:1].isalpha() else f"Slo{name}"
    lines = [
        f"      - alert: {name}BudgetBurn{severity.capitalize()}",
        f"        expr: {_quoted(condition)}",
        "        labels:",
        f"          severity: {severity}",
        f"          slo: {_quoted(_literal(slo.name))}",
        "        annotations:",
        f"          summary: {_quoted(summary)}",
    ]
    if slo.description:
        lines.append(f"          description: {_quoted(_literal(slo.description))}")
    return lines


def condition_of(pair: Pair, slo: Slo, *, counted: bool = True) -> str:
    """Return the condition of one row of the workbook's table.

    Args:
        pair: The row.
        slo: The objective.
        counted: Whether production counts events; where it does not, one error may be an alert.
    """
    label = f"{{slo={json.dumps(slo.name)}}}"
    factor = pair.factor(slo.period_s)
    limit = f"({_number(factor)} * {_number(slo.budget)})"
    long, short = window_text(pair.long_s), window_text(pair.short_s)
    burns = f"{RATIO}{long}{label} > {limit} and {RATIO}{short}{label} > {limit}"
    if not counted:
        return burns
    return f"{burns} and {EVENTS}{long}{label} >= {one_error_trips_below(factor, slo.budget)}"


def _number(value: Fraction) -> str:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return plain(exact.normalize())


def _literal(text: str) -> str:
    """Return text that Prometheus's templates leave alone."""
    return text.replace("{{", '{{ "{{" }}')


def _quoted(text: str) -> str:
    """Return a YAML scalar; every JSON string is one."""
    return json.dumps(text, ensure_ascii=False)
