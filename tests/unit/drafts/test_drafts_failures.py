"""The failure that a drafted file ends with, as comments."""

import pytest

from stressproof.config.compile import resolve
from stressproof.config.config_file import read_config
from stressproof.config.file_failures import plan_failures
from stressproof.config.reading import Source
from stressproof.drafts.draft import Draft, DraftRequest
from stressproof.drafts.writing import written

pytestmark = pytest.mark.gate


def test_what_is_offered_compiles_once_it_is_no_comment() -> None:
    """Whoever takes the signs away has a failure scenario of the service."""
    draft = Draft(
        source="a test", url="http://127.0.0.1:8080", requests=(DraftRequest("GET", "/orders"),)
    )
    text = written(draft, profile="shop").text
    first, last = text.index("# [testbed]"), text.index("# [gate]")
    block = "\n".join(line.removeprefix("# ") for line in text[first:last].splitlines())
    source = Source("stressproof.toml", text[:first] + block)
    plan = plan_failures(resolve(read_config(source), source))
    assert plan is not None
    (scenario,) = plan.scenarios
    assert [request.kind for request in scenario.requests] == ["GET /orders"]
    assert [(fault.kind, fault.target) for fault in scenario.faults] == [("latency", "db")]
    assert plan.testbed.order == ("db", "service")
