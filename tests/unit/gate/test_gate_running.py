"""Quality steps as processes."""

import os
import py_compile
import sys
import time
from pathlib import Path

import pytest

from stressproof.config.steps import Step
from stressproof.exits import Exit
from stressproof.gate import step_runner
from stressproof.gate.step_environment import NESTING_MARKER
from stressproof.gate.step_runner import (
    TAIL_LINES,
    missing_tool,
    run_step,
    run_steps,
    without_tool,
)
from stressproof.outcome import Outcome

pytestmark = pytest.mark.gate


def unheard(line: str) -> None:
    """Nobody listens to this step."""
    del line


def ran(script: str, tmp_path: Path, **fields: object) -> tuple[object, ...]:
    """How a step that runs this Python ends: outcome, exit code, words."""
    step = Step(name="step", run=("python", "-c", script), **fields)  # type: ignore[arg-type]
    report = run_step(step, tmp_path, os.environ, unheard)
    return report.outcome, report.exit_code, report.seen


def test_zero_passes(tmp_path: Path) -> None:
    """A step that ends with 0 holds."""
    assert ran("", tmp_path) == (Outcome.PASS, Exit.PASS, "exit 0")


def test_anything_else_is_an_objective_not_met(tmp_path: Path) -> None:
    """A step that ends with another code does not hold."""
    assert ran("raise SystemExit(4)", tmp_path) == (Outcome.FAIL, Exit.OBJECTIVES, "exit 4")


def test_a_code_for_nothing_judged_is_inconclusive(tmp_path: Path) -> None:
    """Nothing collected is no pass."""
    outcome, code, seen = ran("raise SystemExit(9)", tmp_path, inconclusive_exit_codes=(9,))
    assert (outcome, code) == (Outcome.INCONCLUSIVE, Exit.INCONCLUSIVE)
    assert "nothing to judge" in str(seen)


def test_a_suite_without_tests_is_inconclusive(tmp_path: Path) -> None:
    """The code that pytest has for it is known without being told."""
    step = Step(name="step", run=("python", "-m", "pytest", "-q", "-p", "no:cacheprovider"))
    bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    report = run_step(step, tmp_path, bare, unheard)
    assert (report.returncode, report.outcome) == (5, Outcome.INCONCLUSIVE)


def test_a_signal_is_a_broken_run(tmp_path: Path) -> None:
    """A step that was killed says nothing about the code."""
    outcome, code, seen = ran("import os; os.kill(os.getpid(), 9)", tmp_path)
    assert (outcome, code, seen) == (Outcome.FAIL, Exit.RUN, "ended by signal 9")


def test_time_is_bounded_and_children_end_with_their_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that does not end is ended, with everything it started."""
    monkeypatch.setattr(step_runner, "_GRACE_S", 0.2)
    child = "import time\ntime.sleep(3600)"
    script = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "child.wait()\n"
    )
    outcome, code, seen = ran(script, tmp_path, timeout_us=2_000_000)
    assert (outcome, code, seen) == (Outcome.FAIL, Exit.RUN, "not done within 2 s, ended")
    assert not is_running(int((tmp_path / "child").read_text()))


def test_children_left_behind_are_ended(tmp_path: Path) -> None:
    """A step that passed leaves no process that could still change something."""
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        "open('child', 'w').write(str(child.pid))\n"
    )
    assert ran(script, tmp_path)[0] is Outcome.PASS
    assert not is_running(int((tmp_path / "child").read_text()))


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie, given a moment to go."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state in "ZX":
            return False
        time.sleep(0.05)
    return True


def test_output_is_passed_on_and_its_end_is_kept(tmp_path: Path) -> None:
    """Every line is told, and a report holds the last ones, harmless and bounded."""
    told: list[str] = []
    script = (
        "import sys\n"
        "for number in range(100): print(number)\n"
        "sys.stderr.write('\\x1b[31mred\\n'); print('x' * 100_000)"
    )
    step = Step(name="step", run=("python", "-u", "-c", script))
    report = run_step(step, tmp_path, os.environ, told.append)
    assert told[:100] == [f"| {number}" for number in range(100)]
    assert len(report.tail) == TAIL_LINES
    assert all(line.isprintable() and len(line) < 400 for line in report.tail)


def test_steps_run_in_order_with_our_interpreter_and_all_of_them(tmp_path: Path) -> None:
    """One that fails does not hide those after it."""
    steps = [
        Step(name="one", run=("python", "-c", "import sys; print(sys.executable); sys.exit(1)")),
        Step(name="two", run=("python", "-c", "import os; print(os.getcwd())")),
    ]
    told: list[str] = []
    reports = list(run_steps(steps, tmp_path, told.append))
    assert [report.outcome for report in reports] == [Outcome.FAIL, Outcome.PASS]
    assert reports[0].tail == [sys.executable]
    assert reports[1].tail == [str(tmp_path)]
    assert told[0].startswith("[1/2] one: python -c")


def test_a_step_knows_that_a_gate_runs_it_and_leaves_coverage_data_alone(tmp_path: Path) -> None:
    """The marker is what a gate refuses to nest by; coverage goes where nobody looks."""
    script = f"import os; print(os.environ[{NESTING_MARKER!r}], os.environ['COVERAGE_FILE'])"
    step = Step(name="step", run=("python", "-c", script))
    (report,) = run_steps([step], tmp_path, unheard)
    marker, coverage = report.tail[0].split()
    assert marker == "1"
    assert not Path(coverage).is_relative_to(tmp_path)


MISSING = {
    "no Python module named absent_tool": ("python", "-m", "absent_tool", "check"),
    "no program named absent-tool": ("absent-tool", "check"),
}


@pytest.mark.parametrize(("prose", "command"), MISSING.items())
def test_a_missing_tool_is_found_before_it_is_needed(
    prose: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    """What cannot run is told apart from what fails, with what to do."""
    step = Step(name="step", run=command)
    assert missing_tool(step) == prose
    report = without_tool(step, prose)
    assert (report.outcome, report.exit_code) == (Outcome.INCONCLUSIVE, Exit.INCONCLUSIVE)
    assert "uv sync" in report.remedy
    if command[0] != "python":
        assert run_step(step, tmp_path, os.environ, unheard) == report


def test_what_a_command_needs_besides_is_looked_for_too() -> None:
    """A plugin is as necessary as the program that loads it."""
    step = Step(name="step", run=("python", "-c", ""), needs=("absent_plugin", "json"))
    assert missing_tool(step) == "no Python module named absent_plugin"
    assert not missing_tool(Step(name="step", run=("python", "-m", "json.tool")))
    assert not missing_tool(Step(name="step", run=("ruff", "check")))


def test_a_program_that_cannot_be_started_is_inconclusive(tmp_path: Path) -> None:
    """A file that is no program is a missing tool, not a failure of the code."""
    tool = tmp_path / "tool"
    tool.write_text("not a program")
    tool.chmod(0o755)
    report = run_step(Step(name="step", run=(str(tool),)), tmp_path, os.environ, unheard)
    assert report.exit_code is Exit.INCONCLUSIVE
    assert "cannot be started" in report.seen


TAMPERING = {
    "PYTEST_ADDOPTS": "--collect-only",
    "PYTEST_PLUGINS": "planted",
    "MYPYPATH": "/planted",
    "PYTHONPATH": "/planted",
    "PYTHONSTARTUP": "/planted.py",
    "PYTHONHOME": "/planted",
    "RUFF_CONFIG": "/planted.toml",
    "COVERAGE_RCFILE": "/planted",
    "LD_PRELOAD": "",
    "GIT_DIR": "/planted",
}


def test_variables_that_change_a_tool_do_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step is given what is named, and its own caches."""
    for name, value in TAMPERING.items():
        if name not in {"PYTHONHOME", "LD_PRELOAD"}:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("SERVICE_TOKEN", "let in")
    script = "import os; print(sorted(os.environ)); print(os.environ.get('PYTEST_ADDOPTS'))"
    step = Step(name="step", run=("python", "-c", script), pass_env=("SERVICE_TOKEN",))
    lines: list[str] = []
    list(run_steps([step], tmp_path, lines.append))
    assert "'SERVICE_TOKEN'" in lines[1]
    assert not [name for name in set(TAMPERING) - {"PYTEST_ADDOPTS"} if f"'{name}'" in lines[1]]
    assert "--collect-only" not in lines[2]


@pytest.mark.parametrize("cache", [(), ("-p", "no:cacheprovider"), ("-pno:cacheprovider",)])
def test_a_strict_pytest_runs_with_and_without_its_cache(
    tmp_path: Path, cache: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that pytest is given is no option to one that keeps no cache."""
    # Plugins without their bytecode take ten seconds to load, and are not what this is about.
    bare = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
    monkeypatch.setenv(bare, "1")
    suite = tmp_path / "test_sum.py"
    run = ("python", "-m", "pytest", "--strict-config", *cache, suite.name)
    step = Step(name="tests", run=run, pass_env=(bare,))
    for total, code in ((4, Exit.PASS), (5, Exit.OBJECTIVES)):
        suite.write_text(f"def test_sum():\n    assert 2 + 2 == {total}\n")
        (report,) = run_steps([step], tmp_path, unheard)
        assert report.exit_code is code, report.tail
    assert not (tmp_path / ".pytest_cache").exists()


def test_nothing_beside_the_source_stands_in_for_a_tool(tmp_path: Path) -> None:
    """The working directory is not imported from, unless the step says so."""
    (tmp_path / "timeit.py").write_text("print('planted')\n")
    module = ("python", "-m", "timeit", "-n1", "-r1")
    for step, planted in (
        (Step(name="step", run=module), False),
        (Step(name="step", run=module, path=(".",)), True),
    ):
        (report,) = run_steps([step], tmp_path, unheard)
        assert (report.tail == ["planted"]) == planted


def test_bytecode_of_an_earlier_run_is_not_believed(tmp_path: Path) -> None:
    """A planted .pyc with the right time and size is not what runs."""
    source = tmp_path / "answer.py"
    source.write_text("ANSWER = 43\n")
    cached = Path(py_compile.compile(str(source), doraise=True) or "")
    planted = cached.read_bytes()
    stamp = source.stat()
    source.write_text("ANSWER = 42\n")
    os.utime(source, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    cached.write_bytes(planted)
    step = Step(name="s", run=("python", "-c", "import answer; print(answer.ANSWER)"), path=(".",))
    (report,) = run_steps([step], tmp_path, unheard)
    assert report.tail == ["42"]


def test_a_steps_words_cannot_speak_to_a_terminal_or_to_ci(tmp_path: Path) -> None:
    """Escape sequences are shown by their codes, and no line begins as a command."""
    script = r"print('\x1b[2J::error::planted'); print('::set-output name=x::y')"
    lines: list[str] = []
    list(run_steps([Step(name="step", run=("python", "-c", script))], tmp_path, lines.append))
    assert lines[1] == r"| \x1b[2J::error::planted"
    assert lines[2] == "| ::set-output name=x::y"


def test_what_a_step_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """A process that left the step's group and session cannot write after the gate has spoken."""
    script = (
        "import os, subprocess, sys\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],\n"
        "        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "    print(left.pid, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    (report,) = run_steps([Step(name="s", run=("python", "-c", script))], tmp_path, unheard)
    assert report.outcome is Outcome.PASS
    assert not Path(f"/proc/{report.tail[0]}").exists()
