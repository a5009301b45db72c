"""What is published follows from the code: rules, schemas, templates."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from forgeries import honest
from forgeries.corpus import base
from forgeries.honest import Plan
from forgeries.judging import judge

from enforcement_suite.templates import STRESS_TEMPLATE
from stressproof.evidence.encoding import encode
from stressproof.evidence.fields import TEMPLATE_MARKER
from stressproof.exits import Exit
from stressproof.report.schemas import PUBLISHED
from stressproof.report.verdict_json import as_data
from stressproof.verify.failure.verifier import RULES as FAILURE_RULES
from stressproof.verify.stress.verifier import RULES as STRESS_RULES

pytestmark = pytest.mark.gate

ROOT = Path(__file__).parents[2]


def schema(name: str) -> jsonschema.Draft202012Validator:
    """A validator for a published schema."""
    loaded = json.loads((ROOT / "docs" / "schemas" / f"{name}.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(loaded)
    return jsonschema.Draft202012Validator(loaded)


def test_generated_documents_are_current() -> None:
    """``scripts/generate_docs.py --check`` finds nothing to write."""
    ended = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"],
        check=False,
        capture_output=True,
    )
    assert ended.stderr.decode() == ""
    assert ended.returncode == 0


def test_every_rule_has_a_name_of_its_own_and_everything_that_is_told() -> None:
    """A rule can be referred to, traced to what it serves, and acted upon."""
    rules = [*STRESS_RULES, *FAILURE_RULES]
    assert len({each.id for each in rules}) == len(rules)
    for each in rules:
        assert each.clause
        assert each.title
        assert each.remedy.endswith((".", "FILE", "NAME")) or each.remedy
        assert each.judge.__doc__
    page = (ROOT / "docs" / "rules.md").read_text()
    assert all(f"`{each.id}`" in page for each in rules)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_published_schema_is_valid(name: str) -> None:
    """Each is a JSON Schema of its dialect."""
    schema(name)


def test_artifacts_fit_their_schemas_and_forged_types_do_not() -> None:
    """What the verifiers' types take, other people's validators take too."""
    stress, failure = schema("stress-artifact"), schema("failure-artifact")
    stress.validate(base("full"))
    stress.validate(base("open"))
    failure.validate(base("injection"))
    for validator, name in ((stress, "full"), (failure, "injection")):
        for change in ({"schema_version": 2}, {"note": 1}, {"captured_at": 5}):
            assert not validator.is_valid({**base(name), **change})


def test_verdicts_fit_their_schema() -> None:
    """On good, bad and unreadable evidence of both kinds."""
    validator = schema("verdict")
    for raw, kind in (
        (encode(base("full")), "stress"),
        (encode(base("minimal")), "stress"),
        (encode(honest.full(Plan(failures=0.1))), "stress"),
        (b"{", "stress"),
        (b"{}", "stress"),
        (b"{}", "failure"),
        (encode(base("failure")), "failure"),
        (encode(base("injection")), "failure"),
    ):
        validator.validate(json.loads(json.dumps(as_data(judge(raw, kind)))))


def test_the_template_is_rejected_as_what_it_is() -> None:
    """Its marker is seen first, and without the marker it is no evidence either."""
    raw = (ROOT / STRESS_TEMPLATE).read_bytes()
    verdict = judge(raw)
    assert verdict.exit_code is Exit.EVIDENCE
    assert verdict.blocking[0].rule == "stress.template"
    data = json.loads(raw)
    del data[TEMPLATE_MARKER]
    assert judge(encode(data)).exit_code is Exit.EVIDENCE


def test_a_good_artifact_with_the_marker_is_rejected() -> None:
    """Filling a template in does not make evidence of it."""
    for name, kind in (("full", "stress"), ("plain", "stress"), ("failure", "failure")):
        data = {**base(name), TEMPLATE_MARKER: None}
        rules = {result.rule for result in judge(encode(data), kind).blocking}
        assert f"{kind}.template" in rules
