"""Workloads: what cannot be meant is refused, and secrets are never shown."""

import re
from collections import Counter
from itertools import islice
from typing import Any

import msgspec
import pytest

from stressproof.errors import UsageError
from stressproof.load.requests import prepare
from stressproof.load.unique_values import UniqueValues
from stressproof.load.values import values_for
from stressproof.workload.bodies import JsonBody
from stressproof.workload.executors import (
    EXECUTORS,
    ConstantArrivalRate,
    ConstantVus,
    Executor,
    PerVuIterations,
    RampingArrivalRate,
    RampingVus,
    SharedIterations,
    Stage,
    make_executor,
    rate_at,
    users_at,
)
from stressproof.workload.order import WeightedOrder, word
from stressproof.workload.redaction import Redactor, masked_text
from stressproof.workload.requests import Request
from stressproof.workload.scenarios import Scenario
from stressproof.workload.target import Origin, Target, origin_of
from stressproof.workload.workload import Workload

pytestmark = pytest.mark.gate

S = 1_000_000
EXAMPLES: list[Executor] = [
    ConstantVus(10, 30 * S, ramp_us=5 * S),
    RampingVus(1, (Stage(S, 20), Stage(S, 0))),
    ConstantArrivalRate(1, S, max_users=3, time_unit_us=2 * S),
    RampingArrivalRate(10, (Stage(S, 50),), max_users=3, ramp_us=S),
    SharedIterations(2, 10, S),
    PerVuIterations(2, 10, S),
]


def workload(*endpoints: Request, url: str = "http://h:1", **settings: Any) -> Workload:
    """Return a small workload."""
    return Workload.of(Target(url), endpoints, SharedIterations(1, 1, S), **settings)


def rendered(endpoint: Request, url: str = "http://h:1", count: int = 1) -> list[bytes]:
    """Return the first requests of an endpoint."""
    (plan,) = prepare(workload(endpoint, url=url), UniqueValues(0, 1))
    return [next(plan.messages) for _ in range(count)]


@pytest.mark.parametrize("executor", EXAMPLES, ids=lambda e: e.name)
def test_a_workload_survives_the_way_to_its_worker(executor: Executor) -> None:
    """Every executor is read back as it was written."""
    one = Workload.of(Target("http://h"), (Request("/", "GET", "/"),), executor)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Workload) == one


def test_every_executor_says_what_evidence_asks() -> None:
    """Name, model, users, time and ramp are known of each."""
    names = {one.name for one in EXAMPLES}
    assert names == {
        "constant-vus",
        "ramping-vus",
        "constant-arrival-rate",
        "ramping-arrival-rate",
        "shared-iterations",
        "per-vu-iterations",
    }
    for one in EXAMPLES:
        assert one.closed_loop is ("arrival" not in one.name)
        assert one.users >= 0
        assert one.max_users >= one.users
        assert one.duration_us > 0
        assert one.ramp_us >= 0
        assert (one.rate_per_second is not None) is not one.closed_loop
        assert (one.iterations is not None) is ("iterations" in one.name)
        assert bool(one.stages) is ("ramping" in one.name)


def test_one_table_makes_every_executor() -> None:
    """What flags, files and evidence say of an executor makes it again, and nothing else does."""
    assert set(EXECUTORS) == {one.name for one in EXAMPLES}
    fields = {field for made in EXECUTORS.values() for field in made.__struct_fields__}
    for one in EXAMPLES:
        facts = {field: getattr(one, field) for field in fields}
        assert make_executor(one.name, facts) == one


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConstantVus(0, S),
        lambda: ConstantVus(1, 0),
        lambda: ConstantVus(1, S, ramp_us=-1),
        lambda: ConstantVus(10**6, S),
        lambda: RampingVus(0, ()),
        lambda: RampingVus(0, (Stage(S, 0),)),
        lambda: RampingVus(0, (Stage(0, 5),)),
        lambda: ConstantArrivalRate(0, S, max_users=1),
        lambda: ConstantArrivalRate(1, S, max_users=1, time_unit_us=0),
        lambda: ConstantArrivalRate(10**7, S, max_users=1),
        lambda: ConstantArrivalRate(1, S, max_users=0),
        lambda: RampingArrivalRate(1, (), max_users=1),
        lambda: SharedIterations(1, 0, S),
        lambda: PerVuIterations(1, -1, S),
        workload,
        lambda: workload(Request("/", "GET", "/"), timeout_us=0),
        lambda: Request("/", "GET /", "/"),
        lambda: Request("/", "CONNECT", "/"),
        lambda: Request("/", "GET", "no-slash"),
        lambda: Request("/", "GET", "/a b"),
        lambda: Request("/", "GET", "/a\r\nHost: evil"),
        lambda: Request("/", "GET", "/ä"),
        lambda: Request("/", "GET", "/", weight=-1),
        lambda: Scenario(ConstantVus(1, S), (Request("/", "GET", "/", weight=0),)),
        lambda: Request("/", "GET", "/", expected_statuses=()),
        lambda: Request("/", "GET", "/", expected_statuses=(100,)),
        lambda: Request("/", "GET", "/", checks=("xml",)),
        lambda: Request("/", "GET", "/", headers={"A": "b\r\nC: d"}),
        lambda: Request("/", "GET", "/", headers={"A b": "c"}),
        lambda: Request("/", "GET", "/", headers={"Content-Length": "5"}),
        lambda: Request("/", "GET", "/", rotate=({"Host": "other"},)),
        lambda: Target("h:1"),
        lambda: Target("ftp://h"),
        lambda: Target("http://"),
        lambda: Target("http://h:99999"),
        lambda: Target("http://h:0"),
        lambda: Target("http://h/?q=1"),
        lambda: Target("http://user:secret@h"),
        lambda: Target("http://h", {"A": "\n"}),
        lambda: prepare(
            workload(Request("/", "GET", "/", headers={"A": "{{uid}}"})), UniqueValues(0, 1)
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Any) -> None:
    """Each refusal is a usage error that says what to do, and repeats no secret."""
    with pytest.raises(UsageError) as caught:
        make()
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://h", Origin(secure=False, host="h", port=80, base="", authority="h")),
        ("https://h/", Origin(secure=True, host="h", port=443, base="", authority="h")),
        (
            "https://H:8443/api/",
            Origin(secure=True, host="h", port=8443, base="/api", authority="h:8443"),
        ),
        (
            "http://[::1]:80",
            Origin(secure=False, host="::1", port=80, base="", authority="[::1]:80"),
        ),
        (
            "http://bücher.example",
            Origin(
                secure=False,
                host="xn--bcher-kva.example",
                port=80,
                base="",
                authority="xn--bcher-kva.example",
            ),
        ),
    ],
)
def test_a_url_is_taken_apart(url: str, origin: Origin) -> None:
    """Scheme, host, port and base path are what the URL says, with their defaults."""
    assert origin_of(url) == origin


def test_a_request_is_what_it_says() -> None:
    """Base path, headers and body are sent; later headers replace earlier ones of any case."""
    endpoint = Request("/x", "POST", "/x?y=1", headers={"accept": "a/b"}, body=JsonBody("{}"))
    (request,) = rendered(endpoint, url="http://h:1/base")
    head, body = request.split(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /base/x?y=1 HTTP/1.1"
    assert b"Host: h:1" in lines
    assert b"accept: a/b" in lines
    assert b"Accept: */*" not in lines
    assert b"Content-Length: 2" in lines
    assert b"Content-Type: application/json" in lines
    assert body == b"{}"


def test_a_body_is_measured_in_bytes_after_it_is_filled_in() -> None:
    """The length is that of the bytes sent, whatever stands in for what."""
    endpoint = Request("/x", "POST", "/x", body=JsonBody('"ä {{seq}} {{uuid}}"'))
    for number, request in enumerate(rendered(endpoint, count=12)):
        head, body = request.split(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head.split(b"\r\n")
        assert body.startswith('"ä %d '.encode().replace(b"%d", b"%d" % number))


def test_a_post_without_a_body_says_so() -> None:
    """A method that may have a body announces an empty one; GET announces none."""
    assert b"Content-Length: 0\r\n" in rendered(Request("/", "POST", "/"))[0]
    assert b"Content-Length" not in rendered(Request("/", "GET", "/"))[0]


def test_weights_are_exact_and_seeds_repeat() -> None:
    """Each whole run through the weights holds every endpoint by its weight, in a seed's order."""
    weights = [6, 2, 4]
    first = list(islice(WeightedOrder(weights, 7), 6000))
    again = list(islice(WeightedOrder(weights, 7), 6000))
    other = list(islice(WeightedOrder(weights, 8), 6000))
    assert first == again != other
    for at in range(0, 1020, 6):
        assert Counter(first[at : at + 6]) == {0: 3, 1: 1, 2: 2}


@pytest.mark.parametrize("requests", [0, 1, 7, 1019, 1020, 1021, 5000])
def test_counts_follow_from_seed_and_weights(requests: int) -> None:
    """How many requests each endpoint gets is known without sending any."""
    order = WeightedOrder([6, 2, 4, 1], 2**70 + 3)
    taken = Counter(islice(order, requests))
    assert order.counts(requests) == [taken[at] for at in range(4)]


def test_random_words_are_the_published_ones() -> None:
    """The generator agrees with the reference values that circulate for SplitMix64."""
    assert [word(1234567, number) for number in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_an_order_is_the_same_everywhere_and_for_ever() -> None:
    """A seed's order is pinned: evidence made by one Python is computed again by another."""
    first = list(islice(WeightedOrder([3, 2, 1], 42), 18))
    assert first == [1, 1, 0, 0, 2, 0, 0, 0, 1, 2, 0, 1, 2, 0, 0, 1, 0, 1]


def test_nothing_fresh_comes_twice() -> None:
    """UUIDs are of version 4 and never repeat, not even for the same worker of another run."""
    first, again, second = UniqueValues(0, 2), UniqueValues(0, 2), UniqueValues(1, 2)
    values = [
        tuple(values_for(("uuid", "seq", "effect"), source, {}).values())
        for source in (first, again, second)
        for _ in range(500)
    ]
    uuids = {uuid for uuid, _, _ in values}
    assert len(uuids) == 1500
    assert all(uuid[14] == "4" and uuid[19] in "89ab" for uuid in uuids)
    assert len({number for _, number, _ in (*values[:500], *values[1000:])}) == 1000
    effects = {effect for _, _, effect in values}
    assert len(effects - uuids) == 1500
    assert all(re.fullmatch("[a-z0-9-]{1,32}", effect) for effect in effects)


def test_secrets_are_not_shown() -> None:
    """Neither a target nor an endpoint shows credentials when printed."""
    headers = {"Authorization": "Bearer abc123", "X-Api-Key": "def456", "Accept": "text/html"}
    shown = repr(workload(Request("/", "GET", "/", headers=headers, rotate=(headers,))))
    shown += repr(Target("http://h", headers))
    assert "abc123" not in shown
    assert "def456" not in shown
    assert "text/html" in shown


def test_the_value_of_any_header_may_be_a_secret() -> None:
    """A key under a name that says nothing is masked; what says how to talk is not."""
    redactor = Redactor([{"X-Shop": "hush-4711", "Content-Type": "text/html"}])
    assert redactor.clean("no hush-4711 in text/html") == "no *** in text/html"


def test_what_looks_like_a_secret_is_cleaned_too() -> None:
    """Known values, bearer tokens and JWTs disappear from kept text; control characters too."""
    redactor = Redactor([{"Authorization": "Token mine-1234", "Accept": "text/html"}])
    text = "mine-1234 Bearer other5678 eyJhbGciOi.eyJzdWIi.c2ln text/html\r\n\x1b[31m"
    cleaned = redactor.clean(text)
    for secret in ("mine-1234", "other5678", "eyJ"):
        assert secret not in cleaned
    assert "text/html" in cleaned
    assert cleaned.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /x?api_key=abc&page=1", "GET /x?api_key=***&page=1"),
        ('{"password": "a\\"b", "author": "x"}', '{"password": ***, "author": "x"}'),
        ('{"a": {"accessToken":"x"}}', '{"a": {"accessToken":***}}'),
        ("user=ada&client_secret=x;y", "user=ada&client_secret=***;y"),
        ('{"password": "cut her', '{"password": ***'),
        ("a" * 200_000, "a" * 200_000),
        ("no secret: here", "no secret: ***"),
    ],
    ids=["query", "JSON", "nested", "form", "cut", "long", "words"],
)
def test_what_is_named_like_a_secret_is_masked_in_any_text(text: str, shown: str) -> None:
    """Queries, forms and JSON, also where a text was cut; nothing takes long."""
    assert masked_text(text) == shown


@pytest.mark.parametrize(
    ("executor", "at_s", "users", "rate"),
    [
        (ConstantVus(10, 30 * S, ramp_us=5 * S), -2.5, 5, None),
        (ConstantVus(10, 30 * S, ramp_us=5 * S), 29.9, 10, None),
        (ConstantVus(10, 30 * S, ramp_us=5 * S), 30, 0, None),
        (ConstantVus(10, 30 * S), -1, 0, None),
        (RampingVus(0, (Stage(10 * S, 20), Stage(10 * S, 0))), 5, 10, None),
        (PerVuIterations(4, 100, 60 * S), 1, 4, None),
        (ConstantArrivalRate(1, 60 * S, max_users=3, time_unit_us=60 * S), 30, 3, 1 / 60),
        (ConstantArrivalRate(50, 10 * S, max_users=9, ramp_us=4 * S), -1, 9, 37.5),
        (ConstantArrivalRate(50, 10 * S, max_users=9), 10, 0, 0.0),
        (RampingArrivalRate(10, (Stage(S, 50), Stage(2 * S, 50)), 3, ramp_us=S), 0.5, 3, 30.0),
        (RampingArrivalRate(10, (Stage(S, 50), Stage(2 * S, 50)), 3, ramp_us=S), 2, 3, 50.0),
        (RampingArrivalRate(10, (Stage(S, 50), Stage(2 * S, 50)), 3, ramp_us=S), -0.5, 3, 5.0),
    ],
    ids=str,
)
def test_what_is_asked_at_a_moment(
    executor: Executor, at_s: float, users: int, rate: float | None
) -> None:
    """Users and rate are those of the ramp, of the stage, and of nobody before and after."""
    at_us = round(at_s * S)
    assert users_at(executor, at_us) == users
    assert rate_at(executor, at_us) == (None if rate is None else pytest.approx(rate))
