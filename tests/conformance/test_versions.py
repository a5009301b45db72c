"""Evidence of another version's shape is refused by name, by every command that reads it."""

import json
from pathlib import Path

import pytest
from forgeries.corpus import base
from forgeries.judging import judge

from stressproof.cli import check, compare, slo
from stressproof.cli.run import run
from stressproof.evidence.encoding import encode
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.exits import Exit

pytestmark = pytest.mark.gate

OLDER, NEWER = SCHEMA_VERSION - 1, SCHEMA_VERSION + 1
ASK = "--threshold|http_reqs: count > 0|--evidence"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Both kinds of evidence, of this version and of the one before, and a file of objectives."""
    made = {"toml": tmp_path / "stressproof.toml"}
    made["toml"].write_text('[[slo]]\nname = "answers"\nobjective = "95%"\non = "http_reqs"\n')
    for kind, name in (("stress", "full"), ("failure", "injection")):
        for label, version in (("current", SCHEMA_VERSION), ("older", OLDER)):
            made[f"{label} {kind}"] = tmp_path / f"{label}-{kind}.json"
            made[f"{label} {kind}"].write_bytes(encode({**base(name), "schema_version": version}))
    return made


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (check.command, f"{ASK}|older stress"),
        (check.command, f"{ASK}|current stress|--baseline|older stress"),
        (check.command, f"{ASK}|current stress|--failure-evidence|older failure"),
        (compare.command, "older stress|current stress"),
        (compare.command, "current stress|older stress"),
        (slo.command, "judge|toml|older stress"),
    ],
)
def test_commands_refuse_an_older_shape_with_the_remedy(
    command: object, arguments: str, files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 6, the version seen and the one read, and what to do; never 'no measurements'."""
    words = [str(files.get(word, word)) for word in arguments.split("|")]
    assert run(command, "stressproof", words) == Exit.EVIDENCE  # type: ignore[arg-type]
    told = capsys.readouterr().err
    assert f"schema_version is {OLDER}, expected {SCHEMA_VERSION}" in told
    assert "capture or inject again with this version" in told


@pytest.mark.parametrize(("name", "kind"), [("full", "stress"), ("injection", "failure")])
@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        (OLDER, f"Schema {OLDER} is an older stressproof's"),
        (NEWER, f"Schema {NEWER} is a newer stressproof's"),
        (float(SCHEMA_VERSION), "No version of stressproof writes this"),
        (0, "No version of stressproof writes this"),
    ],
)
def test_verdicts_name_another_version(name: str, kind: str, version: float, remedy: str) -> None:
    """The rule of its own says which stressproof the document is of, and the exit is 6."""
    verdict = judge(json.dumps({**base(name), "schema_version": version}).encode(), kind)
    assert verdict.exit_code is Exit.EVIDENCE
    [found] = [each for each in verdict.blocking if each.rule == f"{kind}.schema-version"]
    assert found.findings[0].remedy.startswith(remedy)
