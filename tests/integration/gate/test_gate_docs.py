"""docs/ops: every command on its pages is run or, where it needs a service, parsed."""

import importlib
import json
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from documented_commands import SCRIPTS, find, understand
from enforcement_suite.suite import STRESS_PREFIX, SUITE
from release_project import REPOSITORY, ReleaseProject
from stressproof.cli.run import run
from stressproof.config.compile import load_project
from stressproof.exits import Exit
from stressproof.gate.environment import SETTINGS, read_settings
from stressproof.gate.gate import ENTERPRISE
from stressproof.gate.request import plain_request
from stressproof.gate.step_environment import NESTING_MARKER
from stressproof.report.gate_json import undecided
from stressproof.verify import kinds

OPS = REPOSITORY / "docs" / "ops"
PAGES = ("enforcement_stress_evidence_protocol.md", "ci-example.md")
WORKFLOW = OPS / "enforcement-release-gate.yml"
SIGNED = OPS / "signed-release.yml"
STRESS = "docs/ops/evidence/enforcement_stress_artifact_2026-02-25.json"
FAILURE = "docs/ops/evidence/enforcement_failure_injection_2026-02-27.json"
PARSED_ONLY = frozenset({"load_test_api.py", "inject_enforcement_failures.py"})
_BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Z_]+=.*", re.DOTALL)


class Shown:
    """One command as a page shows it.

    Args:
        text: The command, continued lines joined.

    Attributes:
        variables: Those set for it.
        words: The command itself, without ``uv run``.
    """

    def __init__(self, text: str) -> None:
        words = shlex.split(text.replace("\\\n", " "))
        count = next(at for at, word in enumerate(words) if not _ASSIGNMENT.fullmatch(word))
        self.variables = dict(word.split("=", 1) for word in words[:count])
        self.words = words[count:]
        assert self.words[:2] == ["uv", "run"], text
        self.words = self.words[2:]

    @property
    def script(self) -> str | None:
        """Name of the script that it runs, None where it runs a program."""
        if self.words[0] in {"python", "python3"}:
            folder, _, name = self.words[1].rpartition("/")
            assert folder == "scripts"
            return name
        return None

    @property
    def ours(self) -> list[str]:
        """Its words from our own program or script on."""
        return self.words if self.script is None else self.words[1:]


def shown_on(page: str) -> list[Shown]:
    """The commands of a page."""
    return [Shown(block) for block in _BLOCK.findall((OPS / page).read_text())]


def shown_in_workflow(workflow: Path) -> Iterator[Shown]:
    """The commands of a workflow that are ours, with what GitHub would put in."""
    document = yaml.safe_load(workflow.read_text())
    for job in document["jobs"].values():
        for step in job["steps"]:
            text = re.sub(r"\$\{\{ *([a-z.A-Z_]+) *\}\}", r"\1", step.get("run", ""))
            for name, value in document["env"].items():
                text = text.replace(f'"${name}"', value)
            for line in text.replace("\\\n", " ").splitlines():
                if line.strip().startswith("uv run "):
                    yield Shown(line.split(" > ", 1)[0])


@pytest.fixture
def captured(project: ReleaseProject, monkeypatch: pytest.MonkeyPatch) -> ReleaseProject:
    """A project with good evidence where the pages have it, and its gate's decision."""
    monkeypatch.chdir(project.root)
    monkeypatch.delenv(NESTING_MARKER, raising=False)
    project.stress(STRESS)
    project.failure(FAILURE)
    return project


FOUND = [(page, at) for page in PAGES for at in range(len(shown_on(page)))]


def needs_a_service(shown: Shown) -> bool:
    """Whether a command loads, breaks or is a service."""
    return shown.script in PARSED_ONLY or shown.words[0] == "enforcement"


@pytest.mark.parametrize(("page", "at"), FOUND)
def test_every_command_of_the_pages_is_understood(
    captured: ReleaseProject,
    page: str,
    at: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On good evidence a command passes; one that needs a service is taken by its parser."""
    shown = shown_on(page)[at]
    if needs_a_service(shown):
        understand(shown.ours)
        return
    if "confirm" in shown.words:
        (captured.root / "decision.json").write_bytes(undecided(ENTERPRISE))
    for name, value in shown.variables.items():
        monkeypatch.setenv(name, value)
    command, arguments = find(shown.ours)
    code = run(command, shown.words[0], arguments, suite="enforcement_suite.suite:SUITE")
    out, err = capsys.readouterr()
    if shown.script == "run_enforcement_release_evidence_gate.py" or "confirm" in shown.words:
        # The failure artifact here carries no operations, and the decision accepts nothing.
        assert code == Exit.EVIDENCE, out + err
        assert "failure.assurance" in out or "confirm.accepted" in out
    else:
        assert code == Exit.PASS, out + err


def test_the_pages_show_what_the_protocol_shows() -> None:
    """Capture, injection, both validations, both gates, all with the protocol's own values."""
    shown = {each.script: each for each in shown_on(PAGES[0])[::-1] if each.script}
    assert set(shown) == set(SCRIPTS)
    capture = shown["load_test_api.py"].words
    assert capture[2:7] == ["--profile", "enforcement", "--rounds", "3", "--enforce-thresholds"]
    gate = shown["run_enterprise_tdd_gate.py"].variables
    assert len(gate) == 6
    assert all(name.startswith(STRESS_PREFIX) for name in gate)
    asked = read_settings(SUITE, gate, {})
    assert asked.of(kinds.STRESS).requirements == plain_request(SUITE).of(kinds.STRESS).requirements
    assert asked.of(kinds.STRESS).required
    one_pass = shown["run_enforcement_release_evidence_gate.py"].words
    assert one_pass[2:] == [
        *("--stress-evidence-path", STRESS),
        *("--failure-evidence-path", FAILURE),
        *("--stress-max-age-hours", "24"),
        *("--failure-max-age-hours", "48"),
        *("--stress-min-duration-seconds", "30"),
        *("--stress-min-concurrent-users", "10"),
        *("--stress-required-database-engine", "postgresql"),
    ]


def test_the_table_of_variables_is_the_gates_own() -> None:
    """Every setting stands on the page, in order, with the default that it has."""
    text = (OPS / PAGES[0]).read_text()
    rows = re.findall(r"^\| `(ENFORCEMENT_\w+)` \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert [name for name, _, _ in rows] == [
        setting.variable(SUITE.variables) for setting in SETTINGS
    ]
    plain = plain_request(SUITE)
    for setting, (_, _, unset) in zip(SETTINGS, rows, strict=True):
        asked = plain.of(setting.kind).requirements
        if setting.field:
            default = getattr(asked, setting.field)
            assert type(default)(unset) == default


def test_the_exit_codes_are_those_of_the_program() -> None:
    """The page is the table, row by row, and the order in which codes win."""
    text = (OPS / "exit-codes.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.+?) \|$", text, re.MULTILINE)
    assert [(int(code), meaning) for code, meaning in rows] == [
        (int(code), code.meaning) for code in Exit
    ]
    exits = importlib.import_module("stressproof.exits")
    order = re.search(r"the first of these decides: ([\d, ]+)\.", text)
    assert order is not None
    assert [int(code) for code in order[1].split(", ")] == list(exits._PRECEDENCE)


def test_the_steps_on_the_page_are_steps(tmp_path: Path) -> None:
    """The example of a project's own steps can be copied."""
    text = (OPS / PAGES[0]).read_text()
    (block,) = re.findall(r"^ *```toml\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "stressproof.toml").write_text(block)
    assert [step.name for step in load_project(tmp_path).steps] == ["lint", "tests"]


def test_the_workflow_sets_variables_that_the_gate_takes() -> None:
    """It demands both halves, with the protocol's own limits."""
    document = yaml.safe_load(WORKFLOW.read_text())
    asked = read_settings(SUITE, document["env"], {})
    assert asked.of(kinds.STRESS).required
    assert asked.of(kinds.FAILURE).required
    assert asked.of(kinds.STRESS).path
    assert asked.of(kinds.FAILURE).path
    assert (asked.of(kinds.STRESS).requirements, asked.of(kinds.FAILURE).requirements) == (
        plain_request(SUITE).of(kinds.STRESS).requirements,
        plain_request(SUITE).of(kinds.FAILURE).requirements,
    )
    assert set(document["env"]) >= set(
        {each.variable(SUITE.variables) for each in SETTINGS if each.kind is kinds.STRESS}
        - {STRESS_PREFIX + tail for tail in ("MAX_P95_SECONDS", "MAX_ERROR_RATE_PERCENT")}
        - {STRESS_PREFIX + "MIN_THROUGHPUT_RPS"}
    )


@pytest.mark.parametrize("workflow", [WORKFLOW, SIGNED], ids=lambda path: path.stem)
def test_the_workflows_commands_are_understood(workflow: Path) -> None:
    """Serve, capture, inject, decide, confirm or promote: each is taken by its own parser."""
    shown = list(shown_in_workflow(workflow))
    assert len(shown) == 5
    for each in shown:
        understand(each.ours)


def test_the_signed_workflow_keeps_keys_apart() -> None:
    """Each job sees its own secret, in an environment of its own; an approver's is in none."""
    document = yaml.safe_load(SIGNED.read_text())
    keys = {
        name: set(re.findall(r"secrets\.([A-Z_]+)", json.dumps(job)))
        for name, job in document["jobs"].items()
    }
    assert keys == {
        "run": {"STRESSPROOF_EXECUTOR_KEY"},
        "gate": {"STRESSPROOF_GATE_KEY"},
        "promote": set(),
    }
    environments = {name: job.get("environment") for name, job in document["jobs"].items()}
    assert environments == {"run": "executor", "gate": "gate", "promote": None}
    assert document["jobs"]["promote"]["needs"] == "gate"


def test_the_workflow_has_the_history_and_stops_at_a_refusal() -> None:
    """Checkouts are whole, and nothing is promoted that the gate's job did not pass."""
    document = yaml.safe_load(WORKFLOW.read_text())
    checkouts = [
        step
        for job in document["jobs"].values()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert checkouts
    assert all(step["with"]["fetch-depth"] == 0 for step in checkouts)
    assert document["jobs"]["promote"]["needs"] == "gate"
    decide = next(
        step for step in document["jobs"]["gate"]["steps"] if step.get("name") == "Decide"
    )
    assert "continue-on-error" not in decide
    assert "||" not in decide["run"]


def test_every_link_of_the_pages_leads_somewhere() -> None:
    """Files that a page points at are there."""
    for page in [*OPS.glob("*.md"), *(OPS / "evidence").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


def test_the_programs_on_the_pages_are_installed() -> None:
    """What follows ``uv run`` is a console script of this project, or a script in it."""
    installed = {each.name for each in entry_points(group="console_scripts")}
    shown = [each for page in PAGES for each in shown_on(page)]
    assert {each.words[0] for each in shown if each.script is None} <= installed
    assert json.dumps(sorted({each.words[0] for each in shown}))
