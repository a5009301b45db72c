"""``verify --policy``: a file and who signed it, judged by the spine alone."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from attested_release import Release, hours_ago
from made_artifacts import Plan, honest
from signing_people import Team

pytestmark = pytest.mark.gate

HEAVY = (
    *("asyncio", "rich", "httpx", "uvloop", "jinja2", "psycopg", "litestar", "sqlalchemy"),
    *("subprocess", "multiprocessing", "socket", "ssl", "tempfile", "json", "pathlib"),
    *("cryptography.x509", "cryptography.hazmat.primitives.serialization"),
    # Of loads and of objectives, which the trust policy's file has none of.
    *("stressproof.workload.rates", "stressproof.workload.scenarios", "fractions"),
    *("stressproof.objectives.parser", "stressproof.config.amounts", "stressproof.failures"),
)


@pytest.fixture
def signed(tmp_path: Path, team: Team) -> list[str]:
    """The arguments that verify a signed artifact with its bundle and ledger."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    release = Release(folder, team, team.policy())
    data = honest.full(replace(Plan(rate_per_user=5.0), captured=hours_ago(1)))
    path = release.approve(release.sign(release.run(data, plan=True)))
    for name, text in team.files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return ["--evidence-path", str(path), "--policy", str(tmp_path / "trust" / "policy.toml")]


def verify(arguments: list[str], *, expected: int = 0) -> tuple[str, str]:
    """Run the verifier in a process of its own, and return stdout and what it had imported."""
    program = (
        "import os, sys\n"
        "os.environ.pop('STRESSPROOF_LEDGER', None)\n"
        "from stressproof.cli.run import run\n"
        "from stressproof.cli.verify_stress import command\n"
        "code = run(command, 'v', sys.argv[1:], suite='enforcement_suite.suite:SUITE')\n"
        "print(*sys.modules, file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == expected, ended.stdout + ended.stderr
    return ended.stdout, ended.stderr


def test_a_signed_artifact_is_attested_by_the_spine_alone(signed: list[str]) -> None:
    """The highest level, without a process, a socket or a certificate of anybody's."""
    out, imported = verify(signed)
    assert "attested" in out
    assert "executed by ada@example.org" in out
    assert set(HEAVY) & set(imported.split()) == set()
    assert "cryptography" in imported


def test_without_a_policy_nothing_of_signatures_is_loaded(signed: list[str]) -> None:
    """Who only verifies a file pays for nothing else."""
    out, imported = verify(signed[:2])
    assert "attested" not in out
    assert not any(
        name.startswith(("cryptography", "stressproof.trust")) for name in imported.split()
    )


def test_what_is_wrong_with_its_people_rejects_it(signed: list[str], tmp_path: Path) -> None:
    """Forged is 6, missing is 3, and a policy that is not there is 2."""
    bundle = tmp_path / "evidence" / "stress.intoto.jsonl"
    whole = bundle.read_bytes()
    bundle.write_bytes(whole.replace(b'"payload":"ey', b'"payload":"eY', 1))
    out, _ = verify(signed, expected=6)
    assert "trust.signatures" in out
    bundle.unlink()
    out, _ = verify(signed, expected=3)
    assert "trust.bundle" in out
    bundle.write_bytes(whole)
    (tmp_path / "evidence" / "runs.jsonl").unlink()
    out, _ = verify(signed, expected=3)
    assert "trust.ledger" in out
    verify([*signed[:3], str(tmp_path / "absent.toml")], expected=2)
