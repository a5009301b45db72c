"""The verifiers as commands: flags, forms of output, exit codes, what is written."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from forgeries import honest, honest_failure
from forgeries.corpus import base
from forgeries.honest import COMMIT, Plan

from stressproof.cli import verify, verify_common, verify_failure, verify_stress
from stressproof.cli.run import run
from stressproof.evidence.encoding import encode
from stressproof.exits import Exit
from stressproof.report.verdicts import FORMATS, NOT_RELEASE
from stressproof.verify.failure.verifier import FAILURE
from stressproof.verify.stress.verifier import STRESS

pytestmark = pytest.mark.gate

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def the_time_of_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """The corpus has its own today."""
    monkeypatch.setattr(verify_common, "now_us", lambda: honest.NOW_US)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an artifact and return its path."""

    def write_it(data: dict[str, Any] | bytes, name: str = "evidence.json") -> Path:
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else encode(data))
        return path

    return write_it


def stress(path: Path, *flags: str) -> int:
    """Run the stress verifier."""
    return run(verify_stress.command, "verify", ["--evidence-path", str(path), *flags])


def failure(path: Path, *flags: str) -> int:
    """Run the failure verifier."""
    return run(verify_failure.command, "verify", ["--evidence-path", str(path), *flags])


def test_the_protocols_validation_command_passes_as_printed(write: Callable[..., Path]) -> None:
    """All flags of the protocol, with the protocol's values."""
    path = write(base("full"))
    flags = (
        "--min-duration-seconds 30 --min-concurrent-users 10 "
        "--required-database-engine postgresql --max-p95-seconds 2.0 "
        "--max-error-rate-percent 1.0 --min-throughput-rps 0.5"
    )
    assert stress(path, *flags.split()) == Exit.PASS


@pytest.mark.parametrize(
    "flags",
    [
        "--min-rounds 2",
        "--min-duration-seconds 29",
        "--min-concurrent-users 9",
        "--max-p95-seconds 2.001",
        "--max-error-rate-percent 1.5",
        "--min-throughput-rps 0.4",
        "--min-throughput-rps 0",
        "--min-rounds 0",
        "--required-database-engine sqlite",
        "--required-database-engine PostgreSQL",
        "--max-artifact-age-hours 25",
    ],
)
def test_a_floor_is_only_loosened_in_a_rehearsal(
    write: Callable[..., Path], flags: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looser than the protocol is a usage error; with --dry-run it never ends with 0."""
    path = write(base("full"))
    assert stress(path, *flags.split()) == Exit.USAGE
    assert "looser than the floors" in capsys.readouterr().err
    assert stress(path, *flags.split(), "--dry-run") not in {Exit.PASS, Exit.USAGE}


@pytest.mark.parametrize(
    "flags",
    [
        "--max-p95-seconds nan",
        "--max-p95-seconds inf",
        "--max-p95-seconds -1",
        "--max-p95-seconds 1e400",
        "--max-error-rate-percent NaN",
        "--min-throughput-rps infinity",
        "--max-artifact-age-hours nan",
        "--max-artifact-age-hours -1",
        "--min-rounds 3.0",
        "--min-rounds -3",
        "--min-rounds \u0663",
        "--min-rounds 3_0",
        "--min-duration-seconds 1e2",
        "--expected-commit HEAD",
        f"--expected-commit {COMMIT[:12]}",
        f"--expected-commit {COMMIT.upper()}",
        "--format xml",
        "--nonsense",
    ],
)
def test_values_that_cannot_be_meant_are_usage_errors(
    write: Callable[..., Path], flags: str
) -> None:
    """NaN would let everything through, so it is refused before anything is read."""
    assert stress(write(base("full")), *flags.split()) == Exit.USAGE


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ("--min-rounds 4", Exit.EVIDENCE),
        ("--min-rounds 3", Exit.PASS),
        ("--min-duration-seconds 31", Exit.EVIDENCE),
        ("--min-concurrent-users 11", Exit.EVIDENCE),
        ("--max-p95-seconds 1.5", Exit.EVIDENCE),
        ("--max-error-rate-percent 0", Exit.EVIDENCE),
        ("--max-artifact-age-hours 24", Exit.PASS),
        ("--max-artifact-age-hours 0.5", Exit.EVIDENCE),
        (f"--expected-commit {COMMIT}", Exit.PASS),
        (f"--expected-commit {'f' * 40}", Exit.EVIDENCE),
        (f"--expected-commit {'f' * 40} --expected-commit {COMMIT}", Exit.PASS),
        ("--expected-profile health", Exit.EVIDENCE),
        ("--expected-profile anything", Exit.USAGE),
        ("--expected-profile Enforcement", Exit.USAGE),
        ("--target http://127.0.0.1:8000", Exit.PASS),
        ("--target https://staging.example.com", Exit.EVIDENCE),
        ("--no-loopback", Exit.EVIDENCE),
        ("--minimum-level recomputed", Exit.PASS),
        ("--require-counters --require-identity --refuse-unsafe", Exit.PASS),
        (f"--as-gate --expected-commit {COMMIT}", Exit.PASS),
    ],
)
def test_every_requirement_can_be_asked(write: Callable[..., Path], flags: str, code: Exit) -> None:
    """Each flag decides on a good artifact as its requirement says; 0 is a limit, not 'none'."""
    assert stress(write(base("full")), *flags.split()) == code


def test_a_capture_with_tighter_limits_passes_the_same_ones(write: Callable[..., Path]) -> None:
    """Tightening on both sides works: thresholds are compared, not replaced."""
    limits = honest.LIMITS.__class__(1.8, 0.0, 10.0)
    path = write(honest.full(Plan(limits=limits)))
    flags = "--max-p95-seconds 1.8 --max-error-rate-percent 0 --min-throughput-rps 10"
    assert stress(path, *flags.split()) == Exit.PASS
    assert stress(path) == Exit.EVIDENCE


def test_an_honest_miss_ends_with_99(write: Callable[..., Path]) -> None:
    """Evidence that is sound and says that limits were missed is no forgery."""
    assert stress(write(honest.full(Plan(failures=0.05)))) == Exit.OBJECTIVES


def test_what_is_absent_is_3_and_what_is_unreadable_is_6(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """Both get a verdict, in every form, and no traceback."""
    for form in FORMATS:
        assert stress(tmp_path / "nothing.json", "--format", form) == Exit.INCONCLUSIVE
        assert failure(tmp_path / "nothing.json", "--format", form) == Exit.INCONCLUSIVE
        assert stress(write(b"{"), "--format", form) == Exit.EVIDENCE
        assert failure(tmp_path, "--format", form) == Exit.EVIDENCE


def test_a_file_name_may_be_any_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no UTF-8 is shown by its codes, in every form."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.json")
    Path(path).write_bytes(encode(base("full")))
    for form in FORMATS:
        assert stress(Path(path), "--format", form) == Exit.PASS
        out = capsys.readouterr().out
        assert "udcff" in out
        assert "\n.json" not in out.replace("\\n.json", "")


def test_without_a_path_nothing_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing option is a usage error that names it."""
    assert run(verify_stress.command, "verify", []) == Exit.USAGE
    assert "--evidence-path" in capsys.readouterr().err


def test_text_names_rule_clause_seen_expected_and_remedy(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A release engineer can act on every line."""
    data = base("plain")
    data["runtime"]["database_engine"] = "sqlite"
    data["concurrent_users"] = 3
    assert stress(write(data)) == Exit.EVIDENCE
    out = capsys.readouterr().out
    assert "stress.engine  [protocol 7]" in out
    assert 'runtime.database_engine: "sqlite"; expected "postgresql"' in out
    assert "→ Run the service on the required database" in out
    assert "stress.workload" in out
    assert "n=420" in out
    assert out.splitlines()[-1].startswith("FAIL  stress evidence")
    assert "exit 6" in out.splitlines()[-1]


def test_json_is_alone_on_stdout_and_complete(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine reads stdout; the sentence for people is on stderr."""
    path = write(base("full"))
    assert stress(path, "--format", "json") == Exit.PASS
    captured = capsys.readouterr()
    verdict = json.loads(captured.out)
    assert verdict["outcome"] == "pass"
    assert verdict["exit_code"] == 0
    assert verdict["release_evidence"] is True
    assert verdict["level"] == "recomputed"
    assert len(verdict["sha256"]) == 64
    assert {"rule", "clause", "outcome", "findings"} <= set(verdict["results"][0])
    assert captured.err == verdict["summary"] + "\n"


def test_junit_has_a_case_for_every_rule(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Failures, errors and skips are counted as JUnit readers expect."""
    data = base("plain")
    data["runner"] = "<b>&\x1b[31m"
    data["runs"][0]["results"]["total_requests"] = 0
    stress(write(data), "--format", "junit")
    suite = ET.fromstring(capsys.readouterr().out)  # noqa: S314  # our own output
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.get("tests", "0")) == len(STRESS.rules)
    assert len(suite.findall("testcase/failure")) == int(suite.get("failures", "0")) > 0
    assert len(suite.findall("testcase/error")) == int(suite.get("errors", "0")) == 1
    assert len(suite.findall("testcase/skipped")) == int(suite.get("skipped", "0")) > 0
    names = {each.get("name"): each.get("value") for each in suite.findall("properties/property")}
    assert names["exit_code"] == "6"


def test_github_commands_cannot_be_forged_by_an_artifact(
    write: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Annotations are ours alone, ten of a kind at most, and the page takes the rest."""
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    data = base("plain")
    evil = "x\n::error::owned\r\n::set-output name=a::b\u2028`|<script>@team"
    for name in ("profile", "runner", "captured_at", "target_url"):
        data[name] = evil
    data[evil] = 1
    data["runs"] = data["runs"][:1]
    data["endpoints"] = [evil]
    data["concurrent_users"] = 1
    data["thresholds"]["max_p95_seconds"] = 9
    data["runtime"]["database_engine"] = evil
    data["preflight"]["passed"] = False
    data["evaluation"]["overall_meets_targets"] = False
    assert stress(write(data), "--format", "github") == Exit.EVIDENCE
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert all(re.match(r"::(error|warning|notice) title=", line) for line in lines)
    assert sum(line.startswith("::error") for line in lines) <= 10
    assert "owned" not in re.sub(r"\\n::error::owned", "", out)
    text = page.read_text()
    assert "\n::" not in text
    assert "<script>" not in re.sub(r"`[^`]*`", "", text)


def test_an_unwritable_step_summary_is_an_output_error(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was asked for and could not be written ends with 7."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "such"))
    assert stress(write(base("full")), "--format", "github") == Exit.OUTPUT


def test_markdown_stays_within_its_bound(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """However much is wrong, the page is short."""
    data = base("plain")
    data["runs"] = [{"run_index": "x" * 400}] * 9000
    stress(write(data), "--format", "markdown")
    out = capsys.readouterr().out
    assert len(out.encode()) <= 64 * 1024
    assert "**stress.shape**" in out


def test_a_rehearsal_says_so_on_every_line_and_writes_no_decision(
    write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of a rehearsal can be taken for release evidence."""
    path, decision = write(base("full")), tmp_path / "decision.json"
    assert stress(path, "--dry-run", "--decision-out", str(decision)) == Exit.PASS
    captured = capsys.readouterr()
    assert all(line.startswith(NOT_RELEASE) for line in captured.out.splitlines())
    assert NOT_RELEASE in captured.err
    assert not decision.exists()
    for form in ("json", "junit", "github", "markdown"):
        stress(path, "--dry-run", "--format", form)
        assert NOT_RELEASE in capsys.readouterr().out
    loosened = base("full")
    assert stress(write(loosened), "--dry-run", "--min-rounds", "2", "--format", "json") == 3
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["would_pass"] is True
    assert verdict["release_evidence"] is False
    assert verdict["loosened"] == ["min_rounds 2 is below 3"]


def test_a_decision_carries_the_digest_of_what_was_judged(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """Accepted or not, the decision names the bytes."""
    path, decision = write(base("full")), tmp_path / "out" / "decision.json"
    assert stress(path, "--decision-out", str(decision)) == Exit.PASS
    written = json.loads(decision.read_bytes())
    assert written["accepted"] is True
    assert written["evidence"][0]["sha256"] == written["verdicts"][0]["sha256"]
    assert written["evidence"][0]["size"] == path.stat().st_size
    path.write_bytes(b"{")
    assert stress(path, "--decision-out", str(decision)) == Exit.EVIDENCE
    assert json.loads(decision.read_bytes())["accepted"] is False


def test_a_decision_that_cannot_be_written_is_an_output_error(
    write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pass that nobody can read is no pass."""
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "decision.json"
    assert stress(write(base("full")), "--decision-out", str(target)) == Exit.OUTPUT
    assert "cannot write" in capsys.readouterr().err


def test_explain_lists_every_rule_without_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    """The rules can be read before anything is judged."""
    for command, rules in (
        (verify_stress.command, STRESS.rules),
        (verify_failure.command, FAILURE.rules),
        (verify.command, (*STRESS.rules, *FAILURE.rules)),
    ):
        assert run(command, "verify", ["--explain"]) == Exit.PASS
        out = capsys.readouterr().out
        assert all(each.id in out and each.remedy in out for each in rules)


def test_one_command_tells_the_kinds_apart(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """``stressproof verify FILE`` judges either kind, and refuses flags of the other."""
    good, injected = write(base("full"), "a.json"), write(honest_failure.plain(), "b.json")

    def verified(path: Path, *flags: str) -> int:
        return run(verify.command, "stressproof verify", [str(path), *flags])

    assert verified(good) == Exit.PASS
    assert verified(injected) == Exit.PASS
    assert verified(good, "--kind", "failure") == Exit.EVIDENCE
    assert verified(injected, "--kind", "stress") == Exit.EVIDENCE
    capsys.readouterr()
    assert verified(injected, "--min-rounds", "5") == Exit.USAGE
    assert "says nothing about failure evidence" in capsys.readouterr().err
    assert verified(good, "--checkout", str(ROOT)) == Exit.USAGE


def test_failure_references_are_looked_up_in_checkout_and_folder(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """Paths, tests and digests resolve where they should, and nowhere else."""
    checkout, folder = tmp_path / "checkout", tmp_path / "evidence"
    (checkout / "tests").mkdir(parents=True)
    folder.mkdir()
    (checkout / "tests" / "test_gate.py").write_text(
        "class TestGate:\n    def test_slow(self): ...\n"
    )
    (checkout / "empty.txt").write_text("")
    (tmp_path / "outside.txt").write_text("x")
    (checkout / "link.txt").symlink_to(tmp_path / "outside.txt")
    log = b"the whole log\n"
    (folder / "fi-001.log").write_bytes(log)
    good = [
        "tests/test_gate.py",
        "tests/test_gate.py::TestGate::test_slow",
        "tests/test_gate.py::TestGate::test_slow[postgres-2]",
        f"sha256:{hashlib.sha256(log).hexdigest()}",
    ]
    bad = [
        "tests/test_missing.py",
        "tests/test_gate.py::test_fast",
        "tests/test_gate.py::",
        "tests/test_gate.py::TestGate::test_slow; rm",
        "tests",
        "empty.txt",
        "empty.txt::test",
        "link.txt",
        "../outside.txt",
        "./tests/test_gate.py",
        "tests//test_gate.py",
        str(checkout / "tests" / "test_gate.py"),
        "tests\\test_gate.py",
        "/etc/passwd",
        "",
        f"sha256:{'0' * 64}",
        f"sha256:{hashlib.sha256(log).hexdigest().upper()}",
        "sha256:",
        f"sha256:{hashlib.sha256(b'').hexdigest()}",
    ]
    path = folder / "failure.json"

    def judged(references: list[str]) -> int:
        data = honest_failure.plain()
        data["scenarios"][0]["evidence_refs"] = references
        path.write_bytes(encode(data))
        return failure(path, "--checkout", str(checkout))

    assert judged(good) == Exit.PASS
    for reference in bad:
        assert judged([reference]) == Exit.EVIDENCE, reference


def test_too_many_references_are_refused(tmp_path: Path) -> None:
    """Looking up is bounded, whatever an artifact asks for."""
    data = honest_failure.plain()
    data["scenarios"][0]["evidence_refs"] = [f"a{number}" for number in range(1500)]
    path = tmp_path / "many.json"
    path.write_bytes(encode(data))
    assert failure(path) == Exit.EVIDENCE


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ("--max-artifact-age-hours 48", Exit.PASS),
        ("--max-artifact-age-hours 1", Exit.EVIDENCE),
        ("--max-artifact-age-hours 49", Exit.USAGE),
        ("--max-artifact-age-hours 49 --dry-run", Exit.INCONCLUSIVE),
        ("--max-artifact-age-hours nan", Exit.USAGE),
        ("--expected-profile other", Exit.EVIDENCE),
        (f"--expected-commit {COMMIT}", Exit.PASS),
        (f"--expected-commit {'a' * 40}", Exit.EVIDENCE),
        ("--minimum-level recomputed", Exit.EVIDENCE),
        ("--refuse-unknown-fields", Exit.PASS),
        ("--as-gate", Exit.EVIDENCE),
    ],
)
def test_failure_requirements_can_be_asked(
    write: Callable[..., Path], flags: str, code: Exit
) -> None:
    """Each flag decides on a good plain artifact as its requirement says."""
    assert failure(write(honest_failure.plain()), *flags.split()) == code


SCRIPTS = ROOT / "scripts"
SUITE_PATH = "enforcement_suite.suite:SUITE"
SPINE = (
    "asyncio",
    "rich",
    "httpx",
    "httptools",
    "uvloop",
    "litestar",
    "uvicorn",
    "psycopg",
    "jinja2",
    "cryptography",
    "alembic",
    "sqlalchemy",
    "dataclasses",
    "ssl",
    "socket",
    "subprocess",
    "multiprocessing",
    "importlib.metadata",
    "difflib",
)


@pytest.mark.parametrize(
    ("verifier", "name"), [("verify_stress", "full"), ("verify_failure", "injection")]
)
def test_a_verification_imports_nothing_it_should_not(
    write: Callable[..., Path], verifier: str, name: str
) -> None:
    """Neither an event loop, a client, a web framework nor a database driver is loaded."""
    path = write(base(name))
    program = (
        "import sys\n"
        "from stressproof.cli.run import run\n"
        f"from stressproof.cli.{verifier} import command\n"
        f"run(command, 'v', ['--evidence-path', {str(path)!r}], suite={SUITE_PATH!r})\n"
        f"print(*sorted(set({SPINE!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        env={name: value for name, value in os.environ.items() if "COVERAGE" not in name},
    )
    assert ended.stderr.decode().split() == []


def test_a_verdict_on_failure_evidence_needs_no_docstrings(write: Callable[..., Path]) -> None:
    """Titles of checks are data: without docstrings (``-OO``) the same rules find the same."""
    path = write(base("injection"))
    script = str(SCRIPTS / "verify_enforcement_failure_injection_evidence.py")
    blocking = []
    for flags in ([], ["-OO"]):
        ended = subprocess.run(
            [sys.executable, *flags, script, "--evidence-path", str(path), "--format", "json"],
            check=False,
            capture_output=True,
        )
        assert ended.returncode == Exit.INCONCLUSIVE, ended.stderr
        results = json.loads(ended.stdout)["results"]
        blocking.append([one["rule"] for one in results if one["outcome"] != "pass"])
    assert blocking[0] == blocking[1]
    assert "failure.recomputed" not in blocking[0]


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("verify_enforcement_stress_evidence.py", "full"),
        ("verify_enforcement_failure_injection_evidence.py", "failure"),
    ],
)
def test_the_protocols_scripts_run_as_processes(
    write: Callable[..., Path], script: str, name: str
) -> None:
    """Exit code, stdout and a closed pipe, as a shell sees them."""
    path = write(base(name))
    command = [sys.executable, str(SCRIPTS / script), "--evidence-path", str(path)]
    ended = subprocess.run(command, check=False, capture_output=True)
    assert ended.returncode == 0
    assert b"PASS" in ended.stdout
    assert ended.stderr == b""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == Exit.OUTPUT
    path.write_bytes(b"[]")
    ended = subprocess.run([*command, "--format", "json"], check=False, capture_output=True)
    assert ended.returncode == Exit.EVIDENCE
    assert json.loads(ended.stdout)["exit_code"] == 6


def test_a_verdict_is_the_same_twice(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of a verdict depends on chance: equal bytes and time give equal output."""
    path = write(base("full"))
    outputs = []
    for _ in range(2):
        stress(path, "--format", "json")
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_the_clock_is_the_systems() -> None:
    """What the tests replace is the real time."""
    assert verify_common.now_us() > 1_700_000_000_000_000
