"""Objectives of production, as their usual files have them: OpenSLO v1 and Sloth's prometheus/v1.

For rules alone: their queries are PromQL, which no run can answer. What is read:

- OpenSLO (https://github.com/OpenSLO/OpenSLO): ``kind: SLO`` with a ratio of counters (``good`` or
  ``bad`` over ``total``) or a raw ratio, its indicator inline or as a ``kind: SLI`` of the file.
- Sloth (https://sloth.dev): ``version: prometheus/v1``, or a ``PrometheusServiceLevel`` of
  Kubernetes, with ``events`` or ``raw``.

A range in a query (``[5m]``, ``[{{.window}}]``, ``[$__rate_interval]``) stands for the window of
each rule. Everything that cannot be used is told at once.
"""

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NoReturn, TypeVar

from stressproof.errors import UsageError
from stressproof.objectives.slo import DAY_S, HOUR_S, MINUTE_S, WINDOW, PrometheusSource, Slo
from stressproof.objectives.yaml_documents import read_documents

_PROMQL = frozenset({"prometheus", "thanos", "cortex", "mimir", "victoriametrics", ""})
_BESIDE = frozenset(
    {"Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget", "SLI"}
)
_RANGE = re.compile(r"\[\s*(?:[0-9]+(?:ms|[smhdwy])|\$\w+|\$\{\w+\}|\{\{\s*\.window\s*\}\})\s*\]")
_SELECTOR = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*(?:\{[^{}]*\})?")
_UNIT_S = {
    "m": MINUTE_S,
    "h": HOUR_S,
    "d": DAY_S,
    "w": 7 * DAY_S,
    "M": 30 * DAY_S,
    "Q": 90 * DAY_S,
    "Y": 365 * DAY_S,
}
_PERCENT = 100

ValueT = TypeVar("ValueT")


class _Mistake(Exception):  # noqa: N818  # never leaves this module
    """One thing that cannot be used, and where."""


class _Attempts:
    """Reads one part after the other, and keeps every mistake.

    Args:
        where: What the mistakes begin with: file, document, objective.
    """

    def __init__(self, *where: str) -> None:
        self.where = [part for part in where if part]
        self.mistakes: list[str] = []

    def get(self, read: Callable[..., ValueT], *arguments: Any) -> ValueT | None:
        """Return what a part says, None where it cannot be used."""
        try:
            return read(*arguments)
        except _Mistake as mistake:
            self.mistakes.append(": ".join((*self.where, str(mistake))))
            return None


def read_production(data: bytes, name: str) -> list[Slo]:
    """Return the objectives of a file, with where production counts them.

    Args:
        data: The file's bytes.
        name: What to call it.

    Raises:
        UsageError: It is not YAML, holds no objective, or some that cannot be used; every mistake
            of each is named.
    """
    documents = read_documents(data)
    indicators = _indicators(documents)
    found: list[Slo] = []
    mistakes: list[str] = []
    for number, document in enumerate(documents, 1):
        attempts = _Attempts(name, f"document {number}" if len(documents) > 1 else "")
        found += _objectives(document, indicators, attempts)
        mistakes += attempts.mistakes
    names = [slo.name for slo in found]
    twice = sorted({each for each in names if names.count(each) > 1})
    mistakes += [f"{name}: {each}: is given twice" for each in twice]
    if mistakes:
        count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise UsageError("\n".join([*mistakes, f"{name}: {count}"]))
    if not found:
        raise UsageError(
            f"{name}: has no objectives",
            hint="Name an OpenSLO v1 file with kind: SLO, or Sloth's version: prometheus/v1.",
        )
    return found


def _indicators(documents: list[Any]) -> dict[str, Any]:
    """Return the indicators that OpenSLO files keep apart, by name."""
    return {
        str(_get(document, "metadata", "name")): _get(document, "spec")
        for document in documents
        if _get(document, "kind") == "SLI"
    }


def _objectives(document: Any, indicators: Mapping[str, Any], attempts: _Attempts) -> list[Slo]:
    """Return the objectives of a document that can be used."""
    version = str(_get(document, "apiVersion") or _get(document, "version"))
    kind = _get(document, "kind")
    if document is None or (version == "openslo/v1" and kind in _BESIDE):
        return []
    if version == "prometheus/v1":
        return _sloth(document, attempts)
    if version.startswith("sloth.slok.dev/"):
        return _sloth(_get(document, "spec"), attempts)
    if version == "openslo/v1" and kind == "SLO":
        return _openslo(document, indicators, attempts)
    seen = f"kind {kind!r} of {version}" if version == "openslo/v1" else f"version {version!r}"
    attempts.get(_refuse, f"{seen} is neither an SLO of openslo/v1 nor prometheus/v1")
    return []


def _refuse(reason: str) -> NoReturn:
    raise _Mistake(reason)


def _sloth(spec: Any, attempts: _Attempts) -> list[Slo]:
    slos = _get(spec, "slos")
    if not isinstance(slos, list) or not slos:
        attempts.get(_refuse, "slos: is no list of objectives")
        return []
    service = str(_get(spec, "service") or "")
    found = []
    for at, entry in enumerate(slos):
        inner = _Attempts(*attempts.where, f"slos[{at}]")
        name = inner.get(_text, entry, "name")
        share = inner.get(_share, _get(entry, "objective"), "objective", _PERCENT)
        source = _sloth_source(_get(entry, "sli"), inner)
        attempts.mistakes += inner.mistakes
        if name is not None and share is not None and source is not None:
            described = str(_get(entry, "description") or "")
            full = f"{service}-{name}" if service else name
            found.append(Slo(full, share, description=described, prometheus=source))
    return found


def _sloth_source(sli: Any, attempts: _Attempts) -> PrometheusSource | None:
    events, raw = _get(sli, "events"), _get(sli, "raw")
    if events is not None:
        totals = _either(events, "total_query", "totalQuery")
        errors = _either(events, "error_query", "errorQuery")
        total = attempts.get(_query, totals, "sli.events.total_query")
        bad = attempts.get(_query, errors, "sli.events.error_query")
        return PrometheusSource(total, bad) if total and bad else None
    if raw is not None:
        text = _either(raw, "error_ratio_query", "errorRatioQuery")
        ratio = attempts.get(_query, text, "sli.raw.error_ratio_query")
        return PrometheusSource(total="", ratio=ratio) if ratio else None
    attempts.get(_refuse, "sli: a plugin's queries are not here; write events or raw")
    return None


def _openslo(document: Any, indicators: Mapping[str, Any], attempts: _Attempts) -> list[Slo]:
    spec = _get(document, "spec")
    name = attempts.get(_text, _get(document, "metadata"), "name")
    if name is not None:
        attempts.where.append(name)
    method = _get(spec, "budgetingMethod") or "Occurrences"
    if method != "Occurrences":
        reason = f"{method!r} has no rules here, 'Occurrences' has"
        attempts.get(_refuse, f"spec.budgetingMethod: {reason}")
    source = _ratio(spec, indicators, attempts)
    period_s = attempts.get(_period, _get(spec, "timeWindow"))
    objectives = _get(spec, "objectives")
    if not isinstance(objectives, list) or not objectives:
        attempts.get(_refuse, "spec.objectives: is no list of objectives")
        return []
    found = []
    for at, objective in enumerate(objectives):
        share = attempts.get(_objective, objective, f"spec.objectives[{at}]")
        suffix = f"-{_get(objective, 'displayName') or at + 1}" if len(objectives) > 1 else ""
        if name is not None and share is not None and source is not None and period_s is not None:
            described = str(_get(spec, "description") or "")
            slo = Slo(
                name=name + suffix,
                objective=share,
                period_s=period_s,
                description=described,
                prometheus=source,
            )
            found.append(slo)
    return found


def _ratio(
    spec: Any, indicators: Mapping[str, Any], attempts: _Attempts
) -> PrometheusSource | None:
    """Return the source of an objective's indicator."""
    reference = _get(spec, "indicatorRef")
    indicator = _get(spec, "indicator", "spec")
    if reference is not None:
        if str(reference) not in indicators:
            attempts.get(_refuse, f"spec.indicatorRef: {reference!r} is not in this file")
            return None
        indicator = indicators[str(reference)]
    at = "indicator.spec.ratioMetric"
    ratio = _get(indicator, "ratioMetric")
    if ratio is None:
        attempts.get(_refuse, f"{at}: is absent; rules count events, so write a ratio of them")
        return None
    if _get(ratio, "raw") is not None:
        text = attempts.get(_metric, _get(ratio, "raw"), f"{at}.raw")
        success = _get(ratio, "rawType") == "success"
        if text is None:
            return None
        return PrometheusSource("", ratio=f"1 - ({text})" if success else text)
    total = attempts.get(_metric, _get(ratio, "total"), f"{at}.total")
    part = "good" if _get(ratio, "good") is not None else "bad"
    if part == "good" and _get(ratio, "bad") is not None:
        attempts.get(_refuse, f"{at}: has both good and bad")
        return None
    counted = attempts.get(_metric, _get(ratio, part), f"{at}.{part}")
    return PrometheusSource(total, **{part: counted}) if total and counted else None


def _metric(metric: Any, where: str) -> str:
    source = _get(metric, "metricSource")
    kind = str(_get(source, "type") or "")
    if kind.lower() not in _PROMQL:
        raise _Mistake(f"{where}.metricSource.type: queries of type {kind!r} are no PromQL")
    spec = _get(source, "spec")
    text = next((_get(spec, key) for key in ("query", "promql", "promQL") if _get(spec, key)), None)
    return _query(text, f"{where}.metricSource.spec.query")


def _query(text: Any, where: str) -> str:
    """Return a query whose ranges are the window, or a plain selector as it is."""
    if not isinstance(text, str) or not text.strip():
        raise _Mistake(f"{where}: expected a query")
    query = " ".join(text.split())
    windowed, ranges = _RANGE.subn(f"[{WINDOW}]", query)
    if ranges or _SELECTOR.fullmatch(query):
        return windowed
    raise _Mistake(f"{where}: has no range such as [5m], and is no plain selector: {query[:80]}")


def _objective(objective: Any, where: str) -> Fraction:
    if _get(objective, "targetPercent") is not None:
        return _share(_get(objective, "targetPercent"), f"{where}.targetPercent", _PERCENT)
    return _share(_get(objective, "target"), f"{where}.target", 1)


def _share(value: Any, where: str, of: int) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Mistake(f"{where}: expected a number, found {value!r}")
    share = Fraction(repr(value)) / of if math.isfinite(value) else Fraction(0)
    if not 0 < share < 1:
        raise _Mistake(f"{where}: {value} does not lie between 0 and {of}, both exclusive")
    return share


def _period(windows: Any) -> int:
    window = windows[0] if isinstance(windows, list) and windows else None
    text = str(_get(window, "duration") or "")
    match = re.fullmatch(r"([0-9]{1,4})([mhdwMQY])", text, re.ASCII)
    seconds = int(match[1]) * _UNIT_S[match[2]] if match else 0
    if not 0 < seconds <= 366 * DAY_S:
        raise _Mistake(f"spec.timeWindow: {text!r} is no time within a year, such as 30d or 4w")
    return seconds


def _text(mapping: Any, key: str) -> str:
    value = _get(mapping, key)
    if not isinstance(value, str) or not value.strip():
        raise _Mistake(f"{key}: expected a text")
    return value


def _either(mapping: Any, first: str, second: str) -> Any:
    value = _get(mapping, first)
    return _get(mapping, second) if value is None else value


def _get(value: Any, *keys: str) -> Any:
    """Return what lies below keys, None where anything on the way is absent or no mapping."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
