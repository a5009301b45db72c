"""The most expensive bytes that reading lets through, or nearly: each is dear in another place."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from forgeries.corpus import base

from stressproof.evidence.json_text import MAX_BYTES

_NOTHING = {"n": 0, "sum_us": 0, "min_us": None, "max_us": None, "buckets": []}
_COUNTED = dict.fromkeys(("endpoint", "second", "intended", "started", "late", "dropped"), 0)
_ROW = _COUNTED | {"outcomes": {}, "corrected": _NOTHING, "uncorrected": None}
Made = Callable[[], bytes]
BYTES: dict[str, Made] = {}
STRESS: dict[str, Made] = {}
FAILURE: dict[str, Made] = {}


def _full(of: str, make: Callable[[dict[str, Any]], None]) -> Made:
    def made() -> bytes:
        data = base(of)
        make(data)
        return _encode(data)

    return made


def _stress(name: str) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    return lambda make: STRESS.update({name: _full("full", make)})


def _failure(name: str) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    return lambda make: FAILURE.update({name: _full("injection", make)})


def _encode(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _many(item: Any, share: float = 0.95, most: int = 2**60) -> list[Any]:
    """So many of one thing as a share of the largest file holds."""
    return [item] * min(int(MAX_BYTES * share) // (len(_encode(item)) + 1), most)


def _array(item: bytes, most: int, before: bytes = b"") -> Made:
    """An array of one thing, as long as bytes and ``most`` let it be."""
    count = min((MAX_BYTES - 100) // (len(item) + 1), most)
    return lambda: b'{"a":[' + before + b",".join([item] * count) + b"]}"


# As many of each as weigh just less than what is refused, and where only bytes bound them, so many.
BYTES.update(
    {
        "integers": _array(b"300", 2**60),
        "long integers": _array(b"9223372036854775807", 2**60),
        "fractions": _array(b"1.5", 2**60),
        "fractions for the careful parser": _array(b"1.5e-007", 2**60, b'"\\n",'),
        "objects": _array(b'{"a":300}', 800_000),
        "objects for the careful parser": _array(b'{"a":300}', 800_000, b'"\\n",'),
        "arrays": _array(b"[999,1.5,1]", 1_000_000),
        "texts": _array(b'"abcd"', 1_800_000),
        "texts for the careful parser": _array(b'"abcd"', 1_700_000, b'"\xc3\xa9",'),
        "deep arrays": _array(b"[" * 60 + b"]" * 60, 16_000),
        "keys": lambda: b'{"\xc3\xa9":1,%s}' % b",".join(b'"%x":300' % n for n in range(1_000_000)),
        "a wide text": lambda: b'{"a":"' + "😀".encode() + b"x" * (MAX_BYTES - 20) + b'"}',
        "escapes": lambda: b'{"a":"' + b"\\u00e9" * 999_999 + b'"}',
        "quotes alone": lambda: b'{"a":' + b'"' * 3_000_000,
        "blanks": lambda: b'{"a":1' + b" " * (MAX_BYTES - 10) + b"}",
        "digits": _array(b"1." + b"1" * 396, 2**60),
    }
)


@_stress("endpoints")
def _(data: dict[str, Any]) -> None:
    count = 9_900
    first = data["workload"]["endpoints"][0]
    names = [f"/{place}" for place in range(count)]
    data["workload"]["endpoints"] = [first | {"name": name, "path": name} for name in names]
    data["endpoints"] = names
    data["target"]["counters"] = [{"endpoint": name, "before": 0, "after": 0} for name in names]
    rows = [_ROW | {"endpoint": place} for place in range(count)]
    ran = {"run_index": 1, "elapsed_us": 1, "ramp": [], "rows": rows}
    data["measurements"]["runs"] = [ran] * 4


@_stress("rows, and stages to count arrivals by")
def _(data: dict[str, Any]) -> None:
    row = _ROW | {"uncorrected": _NOTHING}
    for run in data["measurements"]["runs"]:
        run["rows"] = [row | {"endpoint": at % 7, "second": at} for at in range(16_000)]
    stages = [{"target": 1, "duration_seconds": 10.0}] * 1000
    workload = data["workload"]
    workload |= {"executor": "ramping-arrival-rate", "closed_loop": False, "stages": stages}
    workload |= {"rate": 1, "rate_per_second": 1.0, "time_unit_us": 1_000_000}
    workload["duration_seconds"] = 10_000.0


@_stress("rounds")
def _(data: dict[str, Any]) -> None:
    ran = {"run_index": 1, "elapsed_us": 1, "ramp": [], "rows": [_ROW] * 7}
    data["measurements"]["runs"] = [ran] * 6_000
    data["runs"] = [data["runs"][0] | {"endpoints": []}] * 6_000


@_stress("rounds measured")
def _(data: dict[str, Any]) -> None:
    data["workload"]["endpoints"][1:] = []
    ran = {"run_index": 1, "elapsed_us": 1, "ramp": [], "rows": [_ROW]}
    data["measurements"]["runs"] = [ran] * 45_000


@_stress("buckets")
def _(data: dict[str, Any]) -> None:
    filled = 27_000
    counts = [number for bucket in range(filled) for number in (bucket, 999)]
    held = {"n": filled * 999, "sum_us": 10**12, "min_us": 0, "max_us": 2**36 - 1}
    rows = _many(
        _ROW | {"started": filled, "intended": filled, "corrected": held | {"buckets": counts}}
    )
    data["workload"]["endpoints"][1:] = []
    data["measurements"]["runs"] = [{"run_index": 1, "elapsed_us": 1, "ramp": [], "rows": rows}]


@_stress("outcomes")
def _(data: dict[str, Any]) -> None:
    outcomes = {f"x{number}": 0 for number in range(1_000_000)}
    data["measurements"]["runs"][0]["rows"][0]["outcomes"] = outcomes


@_stress("a weight")
def _(data: dict[str, Any]) -> None:
    data["workload"]["endpoints"][0]["weight"] = 2**53 - 1


@_stress("weights")
def _(data: dict[str, Any]) -> None:
    for place, endpoint in enumerate(data["workload"]["endpoints"]):
        endpoint["weight"] = 10_000 - place


@_stress("unknown fields")
def _(data: dict[str, Any]) -> None:
    results = data["runs"][0]["results"] | {f"z{number}": 0 for number in range(400)}
    data["runs"] = _many(data["runs"][0] | {"results": results}, most=2_500)


@_stress("stages")
def _(data: dict[str, Any]) -> None:
    data["workload"]["stages"] = _many({"target": 1, "duration_seconds": 1.0}, 0.9, 400_000)


@_stress("preflight checks")
def _(data: dict[str, Any]) -> None:
    data["preflight"]["checks"] = _many(data["preflight"]["checks"][0], most=150_000)


@_stress("counters")
def _(data: dict[str, Any]) -> None:
    data["target"]["counters"] = _many(data["target"]["counters"][0], most=240_000)


@_stress("reasons")
def _(data: dict[str, Any]) -> None:
    data["runs"][0]["generator"]["saturated_reasons"] = [f"{n:09d}" for n in range(1_300_000)]


def _scenarios(data: dict[str, Any]) -> Sequence[dict[str, Any]]:
    found: list[dict[str, Any]] = data["scenarios"]
    return found


@_failure("operations")
def _(data: dict[str, Any]) -> None:
    for scenario in _scenarios(data):
        for name in ("baseline", "trial"):
            rows = scenario[name]["operations"]["rows"]
            rows += [rows[-1]] * (10_000 - len(rows))


@_failure("operations of one trial")
def _(data: dict[str, Any]) -> None:
    rows = _scenarios(data)[0]["trial"]["operations"]["rows"]
    rows += [rows[-1]] * 550_000


@_failure("scenarios")
def _(data: dict[str, Any]) -> None:
    first = _scenarios(data)[0]
    for name in ("baseline", "trial"):
        rows = first[name]["operations"]["rows"]
        rows += [rows[-1]] * (9_000 - len(rows))
    data["scenarios"] = _many(first)


@_failure("checks")
def _(data: dict[str, Any]) -> None:
    trial = _scenarios(data)[0]["trial"]
    trial["checks"] = _many(trial["checks"][0], most=80_000)


@_failure("faults")
def _(data: dict[str, Any]) -> None:
    trial = _scenarios(data)[0]["trial"]
    trial["faults"] = _many(trial["faults"][0], most=20_000)


@_failure("effects")
def _(data: dict[str, Any]) -> None:
    effects = _scenarios(data)[0]["trial"]["effects"]
    effects["rows"] = [[number, 1] for number in range(950_000)]


@_failure("codes")
def _(data: dict[str, Any]) -> None:
    operations = _scenarios(data)[0]["trial"]["operations"]
    operations["codes"] = [f"200/{number}" for number in range(1_000_000)]


def _references(name: str, listed: Callable[[], list[str]]) -> None:
    @_failure(name)
    def _(data: dict[str, Any]) -> None:
        _scenarios(data)[0]["evidence_refs"] = listed()


_references("pointers", lambda: ["#/" + "/".join(["scenarios", "0"] * 300)] * 3_800)
_references("a node", lambda: ["pyproject.toml::" + "a::" * (MAX_BYTES // 4)])
_references("nodes", lambda: [f"a{n}.py::" + "::".join(["x"] * 1000) for n in range(5_000)])
_references("nodes of a file", lambda: [f"conftest.py::{'x' * 3000}::{n}" for n in range(5_000)])
_references("paths", lambda: ["/".join(["a"] * 2000) + f"/{n}" for n in range(3_900)])
_references("digests", lambda: [f"sha256:{number:064x}" for number in range(200_000)])


def _lines(line: Callable[[int], str], head: str = "") -> bytes:
    """A configuration of as many lines as one may have."""
    text = [head]
    left = 255 * 1024 - len(head)
    while left > 0:
        text.append(line(len(text)))
        left -= len(text[-1]) + 1
    return "\n".join(text[:-1]).encode()


_MOST = 255 * 1024
TOML: dict[str, Made] = {
    "keys": lambda: _lines("k{}=1".format),
    "names nearly known": lambda: _lines('ur{}="x"'.format, "[target]"),
    "metrics nearly known": lambda: _lines('http_req_{}=["p(95)<2"]'.format, "[thresholds]"),
    "thresholds": lambda: (
        b'[thresholds]\nhttp_req_duration=["%s"]' % b'","'.join([b"p(95)<2"] * 20_000)
    ),
    "a threshold": lambda: b'[thresholds]\nhttp_req_duration=["%s"]' % (b"p(" * 120_000),
    "a dotted key": lambda: b"a" + b".a" * (_MOST // 2) + b"=1",
    "a dotted table": lambda: b"[a" + b' . "a"' * (_MOST // 7) + b"]",
    "tables": lambda: _lines("[a.b{}]".format),
    "arrays of tables": lambda: _lines(lambda _: "[[slos]]"),
    "steps": lambda: _lines('[[gate.steps]]\nname="s{}"\nrun=["true"]'.format),
    "nested arrays": lambda: b"a=" + b"[" * (_MOST // 2) + b"]" * (_MOST // 2),
    "nested tables": lambda: b"a=" + b"{a=" * (_MOST // 4) + b"1" + b"}" * (_MOST // 4),
    "digits": lambda: b"a=" + b"9" * _MOST,
    "a text": lambda: b'a="' + b"x" * _MOST,
}
YAML: dict[str, Made] = {
    "keys": lambda: b"{" + b",".join(b"a%d" % number for number in range(_MOST // 7)) + b"}",
    "sequences": lambda: b"- a\n" * (_MOST // 4),
    "a flow": lambda: b"[" + b"a," * (_MOST // 2) + b"]",
    "nested": lambda: b"[" * (_MOST // 2) + b"]" * (_MOST // 2),
    "dashes": lambda: b"- " * (_MOST // 2),
    "question marks": lambda: b"? " * (_MOST // 2),
    "anchors": lambda: _lines("- &a{} x".format),
    "aliases": lambda: b"a: &a [x]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n",
    "merges": lambda: b"a: " + b"{<<: " * (_MOST // 7) + b"{}" + b"}" * (_MOST // 7),
    "minutes and seconds": lambda: b"a: 1" + b":59" * (_MOST // 3),
    "documents": lambda: b"--- a\n" * (_MOST // 6),
    "objectives": lambda: _lines(
        lambda _: "    - target: 0.9",
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n  objectives:",
    ),
}
