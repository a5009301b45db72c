"""OpenSLO v1 files: the subset that can be evaluated on a run; everything else refused by name.

https://github.com/OpenSLO/OpenSLO. An indicator is evaluated where its metric sources have the type
``stressproof``, whose specification names a selector::

    metricSource: { type: stressproof, spec: { selector: "http_req_failed{name:/orders}" } }

A ratio is ``bad`` = ``http_req_failed`` (or ``good`` = ``checks``) over ``total`` = ``http_reqs``;
a threshold is ``http_req_duration`` with ``op: lte`` and a ``value`` in seconds.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from stressproof.errors import UsageError
from stressproof.objectives.expression import Selector
from stressproof.objectives.selectors import parse_selector
from stressproof.objectives.slo import DAY_S, HOUR_S, MINUTE_S, Slo
from stressproof.objectives.syntax import did_you_mean
from stressproof.objectives.yaml_documents import read_documents

_VERSION = "openslo/v1"
_US_PER_S = 1_000_000
_PERIODS = {"m": MINUTE_S, "h": HOUR_S, "d": DAY_S, "w": 7 * DAY_S}
_ALLOWED: dict[str, frozenset[str]] = {
    "": frozenset({"apiVersion", "kind", "metadata", "spec"}),
    "metadata": frozenset({"name", "displayName", "labels", "annotations"}),
    "spec": frozenset(
        {"description", "service", "indicator", "timeWindow", "budgetingMethod", "objectives"}
    ),
    "spec.indicator": frozenset({"metadata", "spec"}),
    "spec.indicator.spec": frozenset({"description", "ratioMetric", "thresholdMetric"}),
    "spec.timeWindow[0]": frozenset({"duration", "isRolling"}),
    "spec.objectives[0]": frozenset({"displayName", "op", "value", "target", "targetPercent"}),
    "ratioMetric": frozenset({"counter", "good", "bad", "total"}),
    "thresholdMetric": frozenset({"metricSource"}),
    "metric": frozenset({"metricSource"}),
    "metricSource": frozenset({"type", "spec"}),
    "metricSource.spec": frozenset({"selector"}),
}


class OpenSloError(UsageError):
    """Part of an OpenSLO file that is not evaluated; names where it is."""

    def __init__(self, where: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{where}: {reason}", hint=hint)
        self.where = where


def read_openslo(data: bytes) -> list[Slo]:
    """Return the objectives of an OpenSLO file.

    Raises:
        OpenSloError: It holds anything that is not evaluated, or is no OpenSLO.
        UsageError: It is not YAML, or too large.
    """
    documents = read_documents(data)
    if not documents:
        raise OpenSloError("file", "holds no document")
    found = [_slo(document, f"document {at}") for at, document in enumerate(documents, 1)]
    names = [slo.name for slo in found]
    for name in names:
        if names.count(name) > 1:
            raise OpenSloError("metadata.name", f"{name!r} is given twice")
    return found


def _slo(document: Any, at: str) -> Slo:
    top = _mapping(document, at)
    if top.get("apiVersion") != _VERSION:
        raise OpenSloError("apiVersion", f"{top.get('apiVersion')!r} is not read, {_VERSION!r} is")
    if top.get("kind") != "SLO":
        raise OpenSloError(
            "kind",
            f"{top.get('kind')!r} is not evaluated, 'SLO' is",
            hint="Put the indicator into the SLO; alerts come from `stressproof slo rules`.",
        )
    _only(top, "", at)
    metadata = _mapping(top.get("metadata"), "metadata")
    _only(metadata, "metadata", "metadata")
    name = _text(metadata.get("name"), "metadata.name")
    spec = _mapping(top.get("spec"), "spec")
    _only(spec, "spec", "spec")
    if spec.get("budgetingMethod", "Occurrences") != "Occurrences":
        raise OpenSloError(
            "spec.budgetingMethod",
            f"{spec['budgetingMethod']!r} is not evaluated, 'Occurrences' is",
        )
    objective = _single(spec.get("objectives"), "spec.objectives")
    _only(objective, "spec.objectives[0]", "spec.objectives[0]")
    selector, is_latency = _indicator(spec.get("indicator"))
    return Slo(
        name=name,
        objective=_target(objective),
        selector=selector,
        latency_us=_latency(objective, is_latency=is_latency),
        period_s=_period(spec.get("timeWindow")),
        description=str(spec.get("description", "")),
    )


def _indicator(value: Any) -> tuple[Selector, bool]:
    where = "spec.indicator"
    indicator = _mapping(value, where)
    _only(indicator, where, where)
    spec = _mapping(indicator.get("spec"), f"{where}.spec")
    _only(spec, f"{where}.spec", f"{where}.spec")
    if "thresholdMetric" in spec and "ratioMetric" not in spec:
        at = f"{where}.spec.thresholdMetric"
        metric = _mapping(spec["thresholdMetric"], at)
        _only(metric, "thresholdMetric", at)
        return _source(metric, at, ("http_req_duration",)), True
    at = f"{where}.spec.ratioMetric"
    if "ratioMetric" not in spec or "thresholdMetric" in spec:
        raise OpenSloError(f"{where}.spec", "needs one of ratioMetric and thresholdMetric")
    ratio = _mapping(spec["ratioMetric"], at)
    _only(ratio, "ratioMetric", at)
    if ("good" in ratio) == ("bad" in ratio):
        raise OpenSloError(at, "needs total, and one of good and bad")
    part = "good" if "good" in ratio else "bad"
    selected = _metric(ratio[part], f"{at}.{part}", ("checks",) if part == "good" else _BAD)
    total = _metric(ratio.get("total"), f"{at}.total", ("http_reqs",))
    if selected.tags != total.tags:
        raise OpenSloError(at, f"{part} and total must have the same tags")
    return selected if part == "good" else total, False


_BAD = ("http_req_failed",)


def _metric(value: Any, where: str, metrics: tuple[str, ...]) -> Selector:
    metric = _mapping(value, where)
    _only(metric, "metric", where)
    return _source(metric, where, metrics)


def _source(metric: Mapping[str, Any], where: str, metrics: tuple[str, ...]) -> Selector:
    at = f"{where}.metricSource"
    source = _mapping(metric.get("metricSource"), at)
    if source.get("type") != "stressproof":
        raise OpenSloError(
            f"{at}.type",
            f"queries of type {source.get('type')!r} are not evaluated on a run",
            hint="Use type: stressproof with spec.selector, such as http_req_failed{name:/path}; "
            "`stressproof slo rules` turns PromQL into rules.",
        )
    _only(source, "metricSource", at)
    spec = _mapping(source.get("spec"), f"{at}.spec")
    _only(spec, "metricSource.spec", f"{at}.spec")
    selector = parse_selector(_text(spec.get("selector"), f"{at}.spec.selector"))
    if selector.metric not in metrics:
        raise OpenSloError(
            f"{at}.spec.selector", f"{selector.metric!r} cannot stand here, {metrics[0]!r} can"
        )
    return selector


def _target(objective: Mapping[str, Any]) -> Fraction:
    where = "spec.objectives[0]"
    if ("target" in objective) == ("targetPercent" in objective):
        raise OpenSloError(where, "needs one of target and targetPercent")
    key = "target" if "target" in objective else "targetPercent"
    share = _number(objective[key], f"{where}.{key}") / (1 if key == "target" else 100)
    if not 0 < share < 1:
        raise OpenSloError(f"{where}.{key}", "lies between nothing and everything, exclusive")
    return share


def _latency(objective: Mapping[str, Any], *, is_latency: bool) -> int | None:
    where = "spec.objectives[0]"
    if not is_latency:
        for key in ("op", "value"):
            if key in objective:
                raise OpenSloError(f"{where}.{key}", "belongs to a thresholdMetric")
        return None
    if objective.get("op") != "lte":
        raise OpenSloError(f"{where}.op", f"{objective.get('op')!r} is not evaluated, 'lte' is")
    latency_us = _number(objective.get("value"), f"{where}.value") * _US_PER_S
    if latency_us.denominator != 1 or latency_us <= 0:
        raise OpenSloError(f"{where}.value", "is a positive number of whole microseconds")
    return int(latency_us)


def _period(value: Any) -> int:
    where = "spec.timeWindow"
    window = _single(value, where)
    _only(window, f"{where}[0]", f"{where}[0]")
    if window.get("isRolling") is not True:
        raise OpenSloError(f"{where}[0].isRolling", "only rolling windows are evaluated")
    text = _text(window.get("duration"), f"{where}[0].duration")
    if not text[:-1].isdecimal() or not text.isascii() or text[-1] not in _PERIODS:
        raise OpenSloError(f"{where}[0].duration", f"{text!r} is not a number with m, h, d or w")
    seconds = int(text[:-1]) * _PERIODS[text[-1]]
    if not 0 < seconds <= 366 * DAY_S:
        raise OpenSloError(f"{where}[0].duration", "lies within a year")
    return seconds


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OpenSloError(where, f"expected a mapping, found {type(value).__name__}")
    return value


def _single(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 1:
        raise OpenSloError(where, "expected a list of exactly one")
    return _mapping(value[0], f"{where}[0]")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise OpenSloError(where, "expected a text")
    return value


def _number(value: Any, where: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OpenSloError(where, f"expected a number, found {value!r}")
    exact = Decimal(repr(value))
    if not exact.is_finite():
        raise OpenSloError(where, f"expected a number, found {value!r}")
    return Fraction(exact)


def _only(mapping: Mapping[str, Any], place: str, where: str) -> None:
    for key in mapping:
        if key not in _ALLOWED[place]:
            path = key if where.startswith("document") else f"{where}.{key}"
            raise OpenSloError(path, "is not evaluated", hint=did_you_mean(key, _ALLOWED[place]))
