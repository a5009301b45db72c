"""``stressproof.toml``: what it may hold, and how faults are told."""

import json
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest

from stressproof.config.compile import Project, load_config, resolve
from stressproof.config.config_file import read_config
from stressproof.config.mistakes import ConfigError
from stressproof.config.reading import Source, read_source
from stressproof.config.whole_file import WholeFile, schema, schema_text
from stressproof.errors import UsageError
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.objectives.explaining import explain_slo, explain_threshold
from stressproof.objectives.objectives import Objectives
from stressproof.objectives.parser import parse_threshold
from stressproof.objectives.selection import Endpoint, Selection

pytestmark = pytest.mark.gate

ROOT = Path(__file__).parents[3]

GOOD = """\
[limits]
max_p95_seconds = 2.0
max_error_rate_percent = 1.0
min_throughput_rps = 0.5

[thresholds]
http_req_duration = ["p(95) < 2s", "p(99) < 3s over 10s n >= 300"]
http_req_failed = "rate < 1%"
"http_req_duration{name:/a,type:API}" = [
    { threshold = "p(99) < 10", abortOnFail = true, delayAbortEval = "10s" },
]
recovery = ["recovery(fault) < 10s"]

[[slo]]
name = "available"
objective = "99.9%"

[[slo]]
name = "fast"
objective = "99%"
latency = "300ms"
on = "http_reqs{name:/a}"
period = "4w"
prometheus = { total = "x_count", good = 'x_bucket{le="0.3"}' }

[compare]
margin = "10%"
quantiles = ["p(95)", "p(50)"]

[tags."/a"]
type = "API"

[[gate.steps]]
name = "tests"
run = ["pytest", "-q"]
timeout = "5m"
"""


def project(text: str) -> Project:
    """Return what a text says of its project."""
    source = Source("f.toml", text)
    return resolve(read_config(source), source)


def read(text: str) -> Objectives:
    """Return what a text asks of a run."""
    return project(text).objectives


def faults(text: str) -> dict[str, tuple[int, str]]:
    """Return the place of each fault with its line and its message and hint."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    return {
        fault.where: (fault.line, fault.message + fault.hint) for fault in caught.value.mistakes
    }


def test_a_whole_file_means_what_it_says() -> None:
    """Limits, thresholds, objectives, questions, tags and steps are all read."""
    found = read(GOOD)
    assert [str(threshold) for threshold in found.thresholds] == [
        "http_req_duration: p(95) <= 2s",
        "http_req_failed: rate <= 1%",
        "http_reqs: rate >= 0.5/s",
        "http_req_duration: p(95) < 2s",
        "http_req_duration: p(99) < 3s over 10s n >= 300",
        "http_req_failed: rate < 1%",
        "http_req_duration{name:/a,type:API}: p(99) < 10",
        "recovery(fault) < 10s",
    ]
    abort = found.thresholds[6]
    assert (abort.abort_on_fail, abort.delay_abort_us) == (True, 10**7)
    assert [(slo.name, slo.latency_us) for slo in found.slos] == [
        ("available", None),
        ("fast", 300_000),
    ]
    assert found.slos[1].period_s == 28 * 86_400
    assert found.question.margin == Fraction(1, 10)
    assert found.question.quantiles_ppm == (500_000, 950_000)
    assert found.tags == {"/a": (("type", "API"),)}
    (step,) = project(GOOD).steps
    assert (step.run, step.timeout_us) == (("pytest", "-q"), 300 * 10**6)


def test_tags_of_the_file_reach_the_endpoints() -> None:
    """The file may name an endpoint by its path or by its method and path, as evidence does."""
    for name, called in (("/a", "/a"), ("/a", "GET /a"), ("GET /a", "/a")):
        recorded = WorkloadEndpoint(name, "GET", "/a", 1, [200], "json")
        text = GOOD.replace('[tags."/a"]', f'[tags."{called}"]')
        [endpoint] = read(text).endpoints([recorded])
        assert endpoint == Endpoint(
            name, "GET", "/a", (200,), checked=True, tags=(("type", "API"),)
        )
        selector = parse_threshold(f"http_reqs{{name:{called}}}: count > 1").selector
        assert Selection.of(selector, [endpoint]).endpoints == {0}


def test_every_fault_is_told_at_once_with_its_line() -> None:
    """A file with many faults names all of them, each with its path, its line and a remedy."""
    found = faults(
        """\
[limits]
max_p95_secs = 2.0
max_error_rate_percent = "1"

[thresholds]
http_req_duration = [
    "p(95) < 200 msec",
    { threshold = "p(95) < 1s", abortOnFial = true },
    { abortOnFail = true },
]
errors = ["rate < 1%"]

[[slo]]
name = "a"

[compare]
quantiles = []

[slos]
"""
    )
    assert found["limits.max_p95_secs"] == (
        2,
        "there is no key 'max_p95_secs' hereDid you mean 'max_p95_seconds'?",
    )
    assert found["limits.max_error_rate_percent"][0] == 3
    assert found["thresholds.http_req_duration[1].abortOnFial"][0] == 8
    assert "abortOnFail" in found["thresholds.http_req_duration[1].abortOnFial"][1]
    assert "missing" in found["thresholds.http_req_duration[2].threshold"][1]
    assert found["slo[0].objective"] == (13, "the key 'objective' is missing")
    assert found["compare.quantiles"][0] == 17
    assert "slo" in found["slos"][1]


def test_every_text_that_means_nothing_is_told_at_once() -> None:
    """Mistakes inside of texts point with a caret and name the line on which the text stands."""
    found = faults(
        """\
[thresholds]
http_req_duration = [
    "p(95) < 200ms",
    "p95 < 200ms",
]
errors = "rate < 1%"
http_reqs = { threshold = "rate > 1", delayAbortEval = "10" }
dropped_iterations = []

[[slo]]
name = "x"
objective = "99.9"
period = "30 days"
on = "iterations"
latency = "0s"

[[slo]]
name = "x"
objective = "100%"
prometheus = { total = "a" }

[compare]
margin = "ten"
quantiles = ["p(0)", "p95"]

[tags."/a"]
status = "200"

[[gate.steps]]
name = "n"
run = ["x"]
timeout = "soon"
"""
    )
    assert found["thresholds.http_req_duration[1]"][0] == 4
    assert "^^^" in found["thresholds.http_req_duration[1]"][1]
    assert "http_req_failed" in found["thresholds.errors"][1]
    assert set(found) == {
        "thresholds.http_req_duration[1]",
        "thresholds.errors",
        "thresholds.http_reqs",
        "thresholds.dropped_iterations",
        "slo[0].objective",
        "slo[0].period",
        "slo[0].on",
        "slo[0].latency",
        "slo[1].name",
        "slo[1].objective",
        "slo[1].prometheus",
        "compare.margin",
        "compare.quantiles[0]",
        "compare.quantiles[1]",
        'tags."/a".status',
        "gate.steps[0].timeout",
    }
    assert found["slo[1].objective"][0] == 19


@pytest.mark.parametrize(
    "text",
    ["a = ", "[thresholds", 'x = "', "a = 1\na = 2", "= 1", "[" * 2000, "x = " + "[" * 5000],
)
def test_what_is_not_toml_is_told_where(text: str) -> None:
    """A syntax error ends in words with the line, never in a traceback."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert "f.toml" in caught.value.message


@pytest.mark.parametrize(
    "limit", ["-1.0", "nan", "inf", "-inf"], ids=["negative", "nan", "infinite", "minus"]
)
def test_limits_are_finite_and_not_negative(limit: str) -> None:
    """A limit that nothing can miss, or nothing can meet, is a mistake."""
    assert "limits.max_p95_seconds" in faults(f"[limits]\nmax_p95_seconds = {limit}\n")


def test_files_that_cannot_be_read_are_usage_errors(tmp_path: Path) -> None:
    """Absent, huge, foreign and unreadable files are named with the reason."""
    for name, data in {"huge.toml": b"#" * 300_000, "latin.toml": b"\xff"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match=name):
            load_config(tmp_path / name)
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            read_source(path)


def test_an_empty_file_asks_nothing() -> None:
    """Every table may be left out."""
    assert project("") == Project()


def test_a_project_says_what_it_is() -> None:
    """Target, suite and folders of evidence are read; slashes at the end are nobody's affair."""
    found = project(
        """
        target.url = "http://127.0.0.1:8000/base/"
        suite = { use = "shop.suite:SUITE", package = "shop-suite" }
        gate.evidence = ["proof", "docs/evidence/"]
        """
    )
    assert found.plan.target is not None
    assert found.plan.target.url == "http://127.0.0.1:8000/base/"
    assert (found.suite, found.suite_package) == ("shop.suite:SUITE", "shop-suite")
    assert found.evidence == ("proof/", "docs/evidence/")
    assert project("").evidence == ("stressproof-results/",)


@pytest.mark.parametrize(
    "folder", ["", "/", "/etc", "..", "a/../b", ".", "a//b", "./a", "a\\u0000b"]
)
def test_evidence_is_kept_in_a_folder_of_the_repository(folder: str) -> None:
    """A folder that is none, or everything, would hide every difference of the build."""
    assert "gate.evidence[0]" in faults(f'gate.evidence = ["{folder}"]')


@pytest.mark.parametrize(
    "url", ["", "shop.example", "ftp://shop.example", "http://u:p@shop.example"]
)
def test_a_target_is_a_url(url: str) -> None:
    """What no request could be sent to is refused where it is written."""
    assert "target.url" in faults(f'target.url = "{url}"')


def test_the_published_schema_is_current() -> None:
    """docs/schemas holds what `stressproof check --schema` prints."""
    published = ROOT / "docs" / "schemas" / "stressproof-toml.json"
    assert published.read_text() == schema_text()


def test_the_schema_is_a_schema_and_accepts_what_is_accepted() -> None:
    """Editors that follow the schema agree with the tool about the good file."""
    import tomllib  # noqa: PLC0415  # beside its use

    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    validator.validate(json.loads(json.dumps(tomllib.loads(GOOD))))
    assert not validator.is_valid({"threshold": {}})
    assert not validator.is_valid({"slo": [{"name": "x"}]})


@pytest.mark.parametrize(
    ("key", "value"), [("kind", "latencies"), ("lasts", 3), ("id", "no name"), ("lats", "2s")]
)
def test_the_schema_knows_every_key_of_a_fault(key: str, value: object) -> None:
    """What kinds share, what one has of its own, and that there is no other key."""
    import tomllib  # noqa: PLC0415  # beside its use

    validator = jsonschema.Draft202012Validator(schema())
    file = tomllib.loads((ROOT / "tests/unit/config/shop/stressproof.toml").read_text())
    validator.validate(file)
    file["failure"][0]["fault"][0][key] = value
    assert not validator.is_valid(file)


def test_every_key_is_described_in_the_schema() -> None:
    """The schema is the reference: no key stands in it without a word of explanation."""
    for definition in schema()["$defs"].values():
        for name, key in definition.get("properties", {}).items():
            # A fault's own keys stand in its table, those of every fault once for all.
            assert "description" in key or key["$ref"].endswith(f"/FaultTable/properties/{name}")
    assert set(WholeFile.__struct_fields__) == set(schema()["$defs"]["WholeFile"]["properties"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http_req_duration{name:/a}: p(95) < 200", ["95 %", "name /a", "below 200 ms", "59"]),
        ("http_req_failed: rate <= 1% over 10s", ["share", "at most 1 %", "every 10s"]),
        ("http_reqs: rate > 10 n >= 5", ["number a second", "above 10/s", "5 samples"]),
        ("http_req_duration: med vs baseline + 10%", ["at most 10% more than the baseline's"]),
        ("http_req_waiting: avg < 1", ["not recorded"]),
        ("recovery(FI-001) < 10s", ["the fault FI-001", "below 10 s"]),
        ("recovery(fault) < 10s", ["every fault"]),
    ],
)
def test_a_threshold_is_explained_in_words(text: str, words: list[str]) -> None:
    """The sentence names the measure, the requests, the limit, the window and the samples."""
    sentence = explain_threshold(parse_threshold(text))
    assert all(word in sentence for word in words), sentence


def test_an_objective_is_explained_in_words() -> None:
    """Each window pair is named with its burn rate and its fewest events."""
    head, *pairs = explain_slo(read(GOOD).slos[0])
    assert "99.9 %" in head
    assert [pair.split(":")[0] for pair in pairs] == ["page", "page", "ticket"]
    assert "14.4" in pairs[0]
    assert "70 events" in pairs[0]
