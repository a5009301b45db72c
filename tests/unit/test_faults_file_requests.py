"""Requests of a file's failure scenario: what is sent, for which effect, and what came of it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from stressproof.config.failures.plan import FailureLoad
from stressproof.errors import RunError
from stressproof.failures.spec import AnswerRule, FaultSpec, RequestSpec, Send
from stressproof.faults.client import Answer
from stressproof.faults.file_requests import EffectNumbers, FileRequests
from stressproof.workload.bodies import JsonBody
from stressproof.workload.requests import Request
from stressproof.workload.tables import Table
from stressproof.workload.target import Target

pytestmark = pytest.mark.gate

SKUS = Table("skus", "skus.csv", b"sku,price\na,1\nb,2\n")
ORDER = Request(
    "order",
    "POST",
    "/orders/{{skus.sku}}?run={{run}}",
    headers={"Idempotency-Key": "{{effect}}", "X-Token": "{{secret.token}}"},
    body=JsonBody('{"reference": "{{effect}}", "price": "{{skus.price}}", "id": "{{uuid}}"}'),
)
SPEND = Request("spend", "POST", "/spend", body=JsonBody('{"token": "{{tokens.text}}"}'))
TOKENS = [{"text": "t1", "effect": "r-t1"}, {"text": "t2", "effect": "r-t2"}]


def requests(
    *kinds: tuple[RequestSpec, Request, str],
    prepared: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> FileRequests:
    """Return what makes requests of some kinds."""
    specs, sent, effects = zip(*kinds, strict=True)
    return FileRequests(
        specs,
        FailureLoad(sent, effects, (SKUS,)),
        Target("http://127.0.0.1:8080/base"),
        EffectNumbers("r"),
        prepared or {},
        {"token": "sesame"},
        seed=1,
    )


def orders(**more: Any) -> FileRequests:
    """Return what makes orders."""
    return requests((RequestSpec("order", 3, keyed=True, **more), ORDER, "{{effect}}"))


def spendings(**tables: Any) -> FileRequests:
    """Return what spends tokens, each of which is one effect."""
    return requests(
        (RequestSpec("order", 1, keyed=True), ORDER, "{{effect}}"),
        (RequestSpec("spend", 1, keyed=True), SPEND, "{{tokens.effect}}"),
        prepared={"tokens": TOKENS, **tables},
    )


def test_a_request_names_its_effect_wherever_it_is_written() -> None:
    """Header, body and key are of one effect; the next request has the next row and another."""
    maker = orders()
    first, second, third = (maker.make("order") for _ in range(3))
    assert first.path == "/base/orders/a?run=r"
    assert [one.path for one in (second, third)] == ["/base/orders/b?run=r", first.path]
    assert [one.key for one in (first, second, third)] == [1, 2, 3]
    for number, one in enumerate((first, second, third), 1):
        assert one.headers["idempotency-key"] == f"r-{number}"
        assert one.headers["x-token"] == "sesame"
        assert json.loads(one.body)["reference"] == f"r-{number}"
    assert json.loads(first.body)["price"] == "1"
    assert len({json.loads(one.body)["id"] for one in (first, second, third)}) == 3
    assert maker.effects.known("r-3") == 3
    assert maker.effects.known("r-4") is None


def test_rows_that_are_effects_are_asked_for_once() -> None:
    """Then the load cannot go on."""
    maker = spendings()
    made = [maker.make("spend") for _ in range(2)]
    assert [json.loads(one.body)["token"] for one in made] == ["t1", "t2"]
    assert [one.key for one in made] == [1, 2]
    with pytest.raises(RunError, match="no row of tokens is left for spend"):
        maker.make("spend")


def test_a_batch_is_for_one_effect_or_each_for_its_own() -> None:
    """One row and one effect for all, or what any other request has."""
    same = spendings().batch("spend", 3, same=True)
    assert {(one.key, one.body) for one in same} == {(1, b'{"token": "t1"}')}
    apart = orders().batch("order", 3, same=False)
    assert [one.key for one in apart] == [1, 2, 3]


def test_batches_of_faults_are_kinds_of_their_own() -> None:
    """What the load asks for as well is numbered, so that nothing is taken for an arrival."""
    fault = FaultSpec("race", "race", 1, parameters={"batches": 2}, send=(Send("order", 2),))
    maker = requests(
        (RequestSpec("order", 1, keyed=True), ORDER, "{{effect}}"),
        (RequestSpec("order_1", keyed=True), ORDER, "{{effect}}"),
        (RequestSpec("order_2", keyed=True), ORDER, "{{effect}}"),
    )
    first, second = (make() for make in maker.batches(fault))
    assert [(one.kind, one.key) for one in (*first, *second)] == [
        ("order_1", 1),
        ("order_1", 1),
        ("order_2", 2),
        ("order_2", 2),
    ]


def test_each_row_of_a_table_is_sent_under_its_own_name() -> None:
    """A word of the row tells operations apart, and must be one."""
    fault = FaultSpec(
        "forged",
        "send_each",
        1,
        parameters={"table": "forged", "kind_from": "name"},
        send=(Send("spend"),),
    )
    sent = Request("spend", "POST", "/spend", body=JsonBody('{"token": "{{forged.text}}"}'))

    def of(rows: Sequence[Mapping[str, str]]) -> list[tuple[str, bytes]]:
        maker = requests(
            (RequestSpec("spend", rows_of="forged"), sent, ""),
            prepared={"forged": rows},
        )
        return [(one.kind, one.body) for one in maker.of_rows(fault)]

    rows = [{"name": "cut", "text": "x"}, {"name": "old", "text": "y"}]
    assert of(rows) == [("spend_cut", b'{"token": "x"}'), ("spend_old", b'{"token": "y"}')]
    with pytest.raises(RunError, match="names operations by name, which is 'a b'"):
        of([{"name": "a b", "text": "x"}])


def test_a_table_without_rows_is_told_before_anything_is_sent() -> None:
    """Also one that nobody made."""
    with pytest.raises(RunError, match="spend needs a row of tokens, which has none"):
        spendings(tokens=[])


def test_texts_of_faults_take_the_first_row() -> None:
    """With the trial's name and secrets; what is not there is an error."""
    maker = spendings()
    assert maker.text("{{tokens.text}} {{run}} {{secret.token}}") == "t1 r sesame"
    with pytest.raises(RunError, match="tokens has text, effect"):
        maker.text("{{tokens.id}}")


RULES = (
    AnswerRule("replayed", "json:replayed=true"),
    AnswerRule("safe:{mode}:{why.-1}:{none}", "json:mode", "degraded", "ids=json:id"),
    AnswerRule("retry", "header:retry-after"),
)


def code(body: str, status: int = 200, **headers: str) -> tuple[str, FileRequests]:
    """Return the code of an answer to an order, and what made the order."""
    sent = Request("order", "GET", "/", checks=("json:id",))
    maker = requests((RequestSpec("order", 1, answers=RULES), sent, ""))
    request = maker.make("order")
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return request.read(Answer(status, given, body.encode(), 0)), maker


def test_a_check_is_of_expected_answers() -> None:
    """Another status has failed by itself, and its rules still name it."""
    assert code("{}", 503, retry_after="1")[0] == "503/retry"
    assert code("{}", 503)[0] == "503"


def test_a_check_is_of_what_was_asked_for() -> None:
    """A refusal that is expected says why, and has nothing of it."""
    sent = Request("order", "GET", "/", checks=("json:id",))
    spec = RequestSpec("order", 1, expect=(200, 409), answers=RULES)
    request = requests((spec, sent, "")).make("order")
    assert request.read(Answer(409, {}, b'{"title": "taken"}', 0)) == "409"
    assert request.read(Answer(200, {}, b'{"title": "taken"}', 0)) == "200/check_failed"


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ('{"id": 1}', {}, "200"),
        ('{"id": 1, "replayed": true, "mode": "x"}', {}, "200/replayed"),
        ('{"id": 1, "mode": "h d", "why": ["a", "b"]}', {}, "200/safe:h_d:b:-"),
        ('{"id": 1}', {"retry_after": "1"}, "200/retry"),
        ("{}", {"retry_after": "1"}, "200/check_failed"),
        ("no JSON", {}, "200/check_failed"),
    ],
)
def test_the_first_rule_that_holds_names_an_answer(
    body: str, headers: dict[str, str], expected: str
) -> None:
    """A check that fails goes before all rules; what a note refers to may be missing."""
    assert code(body, **headers)[0] == expected


def test_rules_keep_values_for_invariants() -> None:
    """Only the rule that held keeps."""
    assert code('{"id": 7, "mode": "x"}')[1].kept == {"ids": [7]}
    assert code('{"id": 7, "mode": "x", "replayed": true}')[1].kept == {}
