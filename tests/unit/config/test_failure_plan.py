"""Failures of ``stressproof.toml``: what they compile to."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from stressproof.config.compile import Project, resolve
from stressproof.config.config_file import read_config
from stressproof.config.failures.plan import FailurePlan
from stressproof.config.file_failures import plan_failures
from stressproof.config.reading import Source
from stressproof.errors import UsageError
from stressproof.failures.fault_kinds import fault_problems
from stressproof.failures.sendings import stream_per_s, streamed_by
from stressproof.failures.spec import CheckSpec, ScenarioSpec
from stressproof.suite import suite_of

pytestmark = pytest.mark.gate

S = 1_000_000
FOLDER = Path(__file__).parent / "shop"
SHOP = (FOLDER / "stressproof.toml").read_text()


def project(text: str, folder: Path = Path()) -> Project:
    """Read a file."""
    source = Source("stressproof.toml", text)
    return resolve(read_config(source), source, folder)


def plan(
    text: str = SHOP, folder: Path = FOLDER, environment: Mapping[str, str] | None = None
) -> FailurePlan:
    """Read the failures of a file."""
    found = plan_failures(project(text, folder), environment)
    assert found is not None
    return found


def checks(scenario: ScenarioSpec, name: str) -> list[CheckSpec]:
    """Return the checks of a kind."""
    return [one for one in scenario.checks if one.id == name]


def test_a_testbed_is_what_it_says() -> None:
    """Everything that stands, in an order in which it can start."""
    testbed = plan().testbed
    assert (testbed.target, testbed.attach, testbed.secrets) == ("shop", False, ("token",))
    assert testbed.target_kinds == {
        "db": "postgres",
        "bank": "process",
        "shop": "process",
        "charges": "proxy:http",
    }
    order = testbed.order
    assert sorted(order) == sorted(testbed.target_kinds)
    assert order.index("bank") < order.index("charges") < order.index("shop")
    assert order.index("db") < order.index("shop")
    shop, db = testbed.process["shop"], testbed.postgres["db"]
    assert (shop.workers, shop.ready.http, shop.ready.within_us) == (2, "/health", 20 * S)
    assert (db.disk_bytes, db.database, db.load) == (160 * 2**20, "db", ("schema.sql",))


def test_secrets_reach_what_is_driven_and_no_spec() -> None:
    """Two environments make the same specs, and what is sent differs."""
    one, other = (plan(environment={"KEY": key}) for key in ("aaa-secret", "bbb-secret"))
    assert one.scenarios == other.scenarios == plan().scenarios
    assert b"secret" not in msgspec.json.encode(one.scenarios)
    assert one.testbed.process["shop"].env["K"] == "aaa-secret"
    sent = one.loads["SHOP-001"].requests[0]
    assert sent.headers["x-api-key"] == "aaa-secret"
    assert [table.name for table in one.loads["SHOP-001"].tables] == ["skus"]


def test_requests_are_kinds_with_what_their_answers_mean() -> None:
    """The load's own come first; what faults send follows, each batch for itself."""
    first, second = plan().scenarios
    assert [(one.kind, one.weight, one.keyed) for one in first.requests] == [
        ("order", 3, True),
        ("product", 1, False),
    ]
    order = first.requests[0]
    assert (order.expect, order.definite) == ((200, 201), (503,))
    assert order.classify(503, "retry") == "rejected"
    assert first.requests[1].classify(200, "stale") == "degraded"
    kinds = {one.kind: one for one in second.requests}
    assert list(kinds) == ["order", "product", "order_1", "order_2", "order_3", "cancel"]
    assert [kinds[f"order_{batch}"].sent for batch in (1, 2, 3)] == [(0, 1)] * 3
    flood = streamed_by(second.faults, "product")
    assert flood is not None
    assert (kinds["cancel"].rows_of, stream_per_s(flood)) == ("bad", 40)
    assert streamed_by(second.faults, "order") is None
    sent = plan().loads["SHOP-002"].requests
    assert [one.name for one in sent] == ["order", "product", *["order"] * 3, "cancel"]


def test_answers_of_a_profile_are_those_of_requests_that_name_none() -> None:
    """Also of a profile that starts from it; what a request says itself goes before."""
    rules = 'answers = [{ note = "cached", when = "header:age", class = "degraded" }]'
    base = f'[profile.base]\nrate = "1/s"\n{rules}\n[[profile.base.request]]\npath = "/"\n'
    own = 'answers = [{ note = "stale", when = "header:x-cache=stale", class = "degraded" }]'
    text = base + SHOP.replace("[profile.shop]", '[profile.shop]\nextends = "base"').replace(
        own, ""
    )
    kinds = {one.kind: one for one in plan(text).scenarios[0].requests}
    assert [rule.note for rule in kinds["product"].answers] == ["cached"]
    assert kinds["product"].classify(200, "cached") == "degraded"
    assert [rule.note for rule in kinds["order"].answers] == ["replayed", "retry"]


def test_how_many_workers_there_are_may_be_left_open() -> None:
    """Where the command says {{workers}}, whoever injects may say how many."""
    open_text = SHOP.replace('"--port", "{{port}}"', '"--port", "{{port}}", "-w", "{{workers}}"')
    testbed = plan(open_text).testbed.with_workers(5)
    assert (testbed.process["shop"].workers, plan(open_text).testbed.process["shop"].workers) == (
        5,
        2,
    )
    with pytest.raises(UsageError, match="is the file's to say"):
        plan().testbed.with_workers(5)


def test_what_is_sent_is_bound_by_its_digest() -> None:
    """Path, body, headers and checks are of the definition; what the environment says is not."""
    changes = (
        ("", ""),
        ('path = "/orders"', 'path = "/v2/orders"'),
        ('method = "POST"\npath = "/orders"', 'method = "PUT"\npath = "/orders"'),
        ('sku = "{{skus.sku}}" }', 'sku = "A" }'),
        ("idempotency-key", "x-key"),
        ("definite = [503]", 'definite = [503]\ncheck = "json"'),
        ("definite = [503]", 'definite = [503]\ntimeout = "2s"'),
    )
    digests = set()
    for old, new in changes:
        assert old in SHOP
        changed = plan(SHOP.replace(old, new, 1)).scenarios[0]
        digests.add(changed.requests[0].definition_sha256)
    assert len(digests) == len(changes)


def test_faults_are_complete_and_of_their_kind() -> None:
    """Every parameter is there, with its unit; recovery is the failure's or the fault's own."""
    scenarios = plan().scenarios
    assert not [
        problem for one in scenarios for fault in one.faults for problem in fault_problems(fault)
    ]
    slow, killed, charged = scenarios[0].faults
    assert slow.parameters == {"latency_us": 1_500_000, "jitter_us": 0, "stream": "upstream"}
    assert (slow.lasts_us, slow.target_kind) == (4 * S, "postgres")
    assert (slow.objectives.rto_service_us, killed.objectives.rto_service_us) == (3 * S, 5 * S)
    assert (slow.objectives.window_operations, slow.objectives.bad_ppm) == (5, 10_000)
    assert (slow.watch_us, killed.watch_us) == (5_500_000, 10 * S)
    assert (charged.parameters["status"], charged.parameters["deliver"]) == (503, True)
    race, bad, flood, own = scenarios[1].faults
    assert race.parameters == {"batches": 3}
    assert [(one.request, one.times, one.same) for one in race.send] == [("order", 20, True)]
    assert flood.parameters == {"rate_per_s": 40, "over": 100}
    assert (bad.target_kind, own.target_kind) == ("callers", "callers")
    assert [(one.name, one.needs, one.run) for one in own.witnesses] == [("away", 2, ("echo", "1"))]


def test_defaults_demand() -> None:
    """Effects in both trials, recovery of every fault, and of those nothing but what is off."""
    first, second = plan().scenarios
    effects = ["every_key_read", "acknowledged_durable", "no_double_effect", "failed_absent"]
    assert [one.id for one in second.checks[:4]] == effects
    assert all(one.baseline and not one.about for one in second.checks[:4])
    assert [one.id for one in first.checks[:3]] == effects[:3]
    assert not checks(first, "failed_absent")
    assert first.off == {"failed_absent": "a 503 is sent before anything is known"}
    for name in ("recovered", "healthy_after_recovery"):
        assert [one.about for one in checks(first, name)] == ["slow", "killed", "charged"]


def test_without_effects_nothing_is_asked_of_them() -> None:
    """A load that asks for none is held to recovery alone, and reads nothing of effects."""
    text = SHOP.replace("{{effect}}", "{{uuid}}").replace('{ happens = "retried" },', "")
    text = text.replace('{ one_wins = "201", attempts = 20, each = ["order_1..3"] },', "")
    before, _, after = text.partition("[effects]")
    first, second = plan(before + after[after.index("[[invariant]]") :]).scenarios
    assert {one.id for one in second.checks} == {"never", "recovered", "healthy_after_recovery"}
    assert (first.effects, second.effects) == (None, None)


def test_checks_expand() -> None:
    """During every fault and each of a range; parameters have their units and defaults."""
    first, second = plan().scenarios
    answered = checks(first, "answered_in")
    assert [one.about for one in answered] == ["slow", "killed", "charged"]
    assert answered[0].parameters == {
        "of": ("order", "product"),
        "within_us": 3_500_000,
        "settle_us": 0,
    }
    assert [one.parameters["of"] for one in checks(second, "one_wins")] == [
        ("order_1",),
        ("order_2",),
        ("order_3",),
    ]
    (share,) = checks(first, "share")
    assert (share.parameters["least_ppm"], share.parameters["settle_us"]) == (995_000, 200_000)
    (slower,) = checks(first, "no_slower")
    assert (slower.parameters["factor_ppm"], slower.parameters["p_ppm"]) == (1_500_000, 990_000)


def test_what_is_read_in_the_end() -> None:
    """Effects and invariants; a failure may choose among the latter."""
    first, second = plan().scenarios
    assert first.effects is not None
    assert first.effects.from_ == "db"
    stock, audit = first.invariants
    assert (stock.title, stock.at_least, stock.settle_us) == (
        "What left the stock is what was ordered",
        "effects",
        10 * S,
    )
    assert (audit.http, audit.compared, audit.at_least) == ("/audit", "json:seen", 1)
    assert [one.id for one in second.invariants] == ["stock"]


def test_files_are_bound_by_their_digests(tmp_path: Path) -> None:
    """What another file would do is another scenario."""
    for name in ("schema.sql", "skus.csv", "failures.py"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    before = plan(folder=tmp_path).scenarios
    assert before == plan().scenarios
    assert sorted(before[1].files) == ["failures.py", "schema.sql", "skus.csv"]
    (tmp_path / "failures.py").write_text("pass")
    after = plan(folder=tmp_path).scenarios
    assert after[0] == before[0]
    assert after[1].files != before[1].files


def test_generated_data_is_no_part_of_a_scenario() -> None:
    """No commit holds it, so that nobody could compare it."""
    text = SHOP.replace('file = "skus.csv"', 'file = "skus.csv"\ngenerated = true')
    assert [sorted(one.files) for one in plan(text).scenarios] == [
        ["schema.sql"],
        ["failures.py", "schema.sql"],
    ]


def test_one_batch_of_what_the_load_asks_is_told_from_it() -> None:
    """Its kind is numbered; of what only faults send it is the request's own name."""
    text = SHOP.replace("batches = 3", "batches = 1").replace("order_1..3", "order_1")
    (race,) = [one for one in plan(text).scenarios[1].requests if one.kind.startswith("order_")]
    assert (race.kind, race.weight, race.sent) == ("order_1", 0, (0, 1))
    cut = 'kind = "lose_answer"\ntarget = "db"\nsend = { request = "cancel", times = 2 }'
    sent = SHOP.replace('kind = "kill"\ntarget = "db"', cut).replace("{{bad.id}}", "{{skus.sku}}")
    kinds = {one.kind: one for one in plan(sent).scenarios[0].requests}
    assert kinds["cancel"].sent == (0, 2)


def test_a_requests_header_goes_before_the_targets() -> None:
    """However it is spelt."""
    own = SHOP.replace(
        "headers = { idempotency-key", 'headers = { X-API-Key = "own", idempotency-key'
    )
    sent = plan(own, environment={"KEY": "target's"}).loads["SHOP-001"].requests[0]
    assert {key.lower(): text for key, text in sent.headers.items()} == {
        "x-api-key": "own",
        "idempotency-key": "{{effect}}",
    }


def test_the_file_is_a_suite_with_failures() -> None:
    """Whoever has a file needs no suite; the spec survives being evidence."""
    suite = suite_of(project(SHOP, FOLDER))
    asked = suite.failure_requirements()
    assert [one.id for one in asked.scenarios] == ["SHOP-001", "SHOP-002"]
    raw = msgspec.json.encode(asked.scenarios)
    assert msgspec.json.decode(raw, type=tuple[ScenarioSpec, ...]) == asked.scenarios


def test_a_load_leaves_out_what_only_faults_send() -> None:
    """The same profile is a load of its own: a request of weight 0 is never part of it."""
    suite = suite_of(project(SHOP, FOLDER))
    (scenario,) = suite.profile("shop").scenarios
    assert [item.name for item in scenario.items] == ["order", "product"]
    assert "cancel" not in suite.stress_requirements().required_endpoints


def test_a_baseline_asks_for_an_effect_where_only_faults_do() -> None:
    """Once, and of the first kind that does; where the load asks for effects, for none beside."""
    head, _, tail = SHOP.partition('[[failure]]\nid = "SHOP-001"')
    second = tail[tail.index("[[failure]]\n") :]
    text = head.replace("weight = 3\n", "weight = 0\n") + second
    kinds = {one.kind: one.sent for one in plan(text).scenarios[0].requests}
    assert (kinds["order_1"], kinds["order_2"]) == ((1, 1), (0, 1))
    kinds = {one.kind: one.sent for one in plan().scenarios[1].requests}
    assert kinds["order_1"] == (0, 1)
