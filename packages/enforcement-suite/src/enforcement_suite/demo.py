"""The whole protocol on one empty machine, as ``stressproof demo`` runs it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from enforcement_suite.demo_service import DemoService
from enforcement_suite.demo_team import APPROVER, EXECUTOR, GATE, REF, DemoTeam
from stressproof.cli.examples import examples
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.run import Terminated
from stressproof.errors import UsageError
from stressproof.exits import Exit, strongest

CAPTURE = "scripts/load_test_api.py"
INJECT = "scripts/inject_enforcement_failures.py"
VERIFY = "scripts/verify_enforcement_stress_evidence.py"
VERIFY_FAILURE = "scripts/verify_enforcement_failure_injection_evidence.py"
RELEASE_GATE = "scripts/run_enforcement_release_evidence_gate.py"


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof demo",
        "stressproof demo --duration 5 --rounds 1 --users 2 --skip-injection",
    ),
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("stressproof-demo"),
    show_default=True,
    help="Where the run's evidence, logs and database go.",
)
@click.option(
    "--duration",
    type=click.IntRange(1, 3600),
    default=30,
    show_default=True,
    help="Seconds of each round; under 30 is not release evidence, and the gate says so.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Rounds of load; under 3 is not release evidence.",
)
@click.option(
    "--users",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Concurrent users; under 10 is not release evidence.",
)
@click.option(
    "--service-workers",
    type=click.IntRange(2, 32),
    default=2,
    show_default=True,
    help="Processes of the service.",
)
@click.option(
    "--skip-injection",
    is_flag=True,
    help="Leave the failures out; the gate is asked for stress evidence only, and says so.",
)
@click.option("--keep-database", is_flag=True, help="Leave the database's files behind.")
def command(
    directory: Path,
    duration: int,
    rounds: int,
    users: int,
    service_workers: int,
    *,
    skip_injection: bool,
    keep_database: bool,
) -> Exit:
    """Run the whole protocol here: service, load, failures, verification, gate, promotion.

    Starts PostgreSQL and the enforcement service on free ports of this machine, captures stress
    evidence, injects failures into a second, disposable pair of them, verifies both, lets another
    person approve, asks the gate, and promotes; all signed with throw-away keys, on a checkout of
    the demo's own. Takes about five minutes; Ctrl-C stops everything and keeps what was measured.
    """
    root = _checkout()
    folder = _new_folder(directory)
    kinds = ("stress",) if skip_injection else ("stress", "failure")
    asked = ("--rounds", str(rounds), "--duration", str(duration), "--users", str(users))
    with DemoTeam(root, folder.resolve(), kinds) as team:
        run = _Run(team, folder)
        to_stderr(f"{EXECUTOR} runs, {APPROVER} approves, {GATE} decides; all of {team.checkout}")
        try:
            _capture(run, asked, service_workers)
        finally:
            if not keep_database:
                shutil.rmtree(folder / "data", ignore_errors=True)
            shutil.rmtree(folder / "state", ignore_errors=True)
        if not skip_injection and not run.interrupted:
            run.step(
                "inject",
                INJECT,
                *("--output", str(run.failure), "--executed-by", EXECUTOR),
                *("--approved-by", APPROVER, "--workers", str(service_workers)),
                *run.signing(EXECUTOR),
            )
        if not run.interrupted:
            _judge(run, with_failures=not skip_injection)
    return _close(run)


def _capture(run: "_Run", asked: tuple[str, ...], workers: int) -> None:
    """Start the service, load it, and stop it."""
    folder = run.folder
    to_stderr(f"demo in {folder}: starting PostgreSQL and the enforcement service on free ports")
    environment = run.team.environment(os.environ)
    with DemoService(folder.resolve(), workers=workers, environment=environment) as service:
        to_stderr(f"service on {service.url}: {workers} workers, a tenant of 5,000 decisions")
        run.step(
            "capture",
            CAPTURE,
            *("--profile", "enforcement", "--url", service.url, *asked),
            *("--enforce-thresholds", "--out", str(run.stress)),
            *run.signing(EXECUTOR),
            environment=service.environment(),
        )


class _Run:
    """One demo under way: who releases, where it lies, and how its steps ended.

    Attributes:
        team: Who releases what.
        folder: Where evidence and logs lie.
        stress: The stress artifact.
        failure: The failure artifact.
        codes: How each step ended, by its name.
    """

    def __init__(self, team: DemoTeam, folder: Path) -> None:
        self.team = team
        self.folder = folder
        # Seen from the checkout, in which everything runs.
        self.stress = folder.resolve() / "enforcement_stress_artifact.json"
        self.failure = folder.resolve() / "enforcement_failure_injection.json"
        self.decision = folder.resolve() / "decision.json"
        self.codes: dict[str, Exit] = {}

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended a step."""
        return bool({Exit.INTERRUPTED, Exit.TERMINATED} & set(self.codes.values()))

    def signing(self, name: str) -> tuple[str, ...]:
        """Return the flags with which somebody signs what they do."""
        return ("--sign", "--signing-key", self.team.key(name))

    def step(self, name: str, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """Run one of the commands as a child, in the team's checkout."""
        given = self.team.environment(os.environ if environment is None else environment)
        self.codes[name] = _step(self.team.checkout, name, list(command), given)


def _checkout() -> Path:
    """Return the checkout we run in; evidence is about a commit, and its runner is a script.

    Raises:
        UsageError: The working directory is not one.
    """
    root = Path.cwd()
    missing = [name for name in (CAPTURE, VERIFY, RELEASE_GATE) if not (root / name).is_file()]
    if missing:
        raise UsageError(
            f"{root} is not a checkout of stressproof: {', '.join(missing)} not found",
            hint="Run the demo at the top of a clone of the repository.",
        )
    return root


def _new_folder(directory: Path) -> Path:
    """Make and return a folder of this run's own."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = directory / stamp
    number = 1
    while True:
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not directory.is_dir():
                raise UsageError(
                    f"{directory} is not a folder", hint="Name another --directory."
                ) from None
            number += 1
            folder = directory / f"{stamp}.{number}"
        except OSError as error:
            raise UsageError(
                f"cannot make {folder}: {error.strerror}", hint="Name another --directory."
            ) from error
        else:
            return folder


def _step(root: Path, name: str, command: list[str], environment: Mapping[str, str]) -> Exit:
    """Run one of the protocol's commands as a child and return its exit code.

    A signal to us reaches the child too (from the terminal, or passed on), and we wait for it to
    keep what it has.
    """
    to_stderr(f"\n== {name}\n$ python {' '.join(command)}")
    with subprocess.Popen([sys.executable, *command], cwd=root, env=dict(environment)) as child:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            code = _wait_out(child)
        except Terminated:
            child.terminate()
            _wait_out(child)
            raise
    try:
        return Exit(code if code >= 0 else 128 - code)
    except ValueError:
        return Exit.INTERNAL


def _wait_out(child: subprocess.Popen[bytes]) -> int:
    """Wait for a child that was told to end; a second Ctrl-C no longer waits."""
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.kill()
        return child.wait()


def _judge(run: _Run, *, with_failures: bool) -> None:
    """Verify the evidence, have it approved, ask the gate, and promote what it passes."""
    run.step(
        "verify",
        VERIFY,
        *("--evidence-path", str(run.stress)),
        *("--decision-out", str(run.stress.with_name("verification.json"))),
    )
    asked = ["--evidence-only", "--without-failure-evidence"]
    files = [str(run.stress)]
    if with_failures:
        run.step(
            "verify-failures",
            VERIFY_FAILURE,
            *("--evidence-path", str(run.failure)),
            *("--decision-out", str(run.failure.with_name("failure_verification.json"))),
        )
        asked = ["--failure-evidence-path", str(run.failure), *run.signing(GATE)]
        files.append(str(run.failure))
    else:
        to_stderr("\nfailure injection was left out: the gate is asked for stress evidence only")
    run.step(
        "approve",
        *("-m", "stressproof", "approve", *files, "--yes", "--policy-ref", REF),
        *("--signing-key", run.team.key(APPROVER)),
    )
    page = str(run.stress.with_name("report.html"))
    run.step(
        "report",
        *("-m", "stressproof", "report", *files, "--html", page, "--policy-ref", REF),
    )
    run.step(
        "gate",
        RELEASE_GATE,
        *("--stress-evidence-path", str(run.stress), *asked),
        *("--policy-ref", REF, "--decision-out", str(run.decision)),
    )
    if run.codes["gate"] is Exit.PASS and with_failures:
        summary = run.decision.with_suffix(".intoto.jsonl")
        run.step("promote", *("-m", "stressproof", "promote", str(summary), "--policy-ref", REF))


def _close(run: _Run) -> Exit:
    """Say how each step ended, where everything lies and what to run next."""
    code = strongest(run.codes.values())
    lines = ["", "== demo"]
    lines += [f"  {name:<16} exit {int(one):<4} {one.meaning}" for name, one in run.codes.items()]
    lines.append("  where everything lies:")
    lines += [f"    {path}" for path in sorted(run.folder.iterdir())]
    if run.stress.exists():
        lines += [
            "  next:",
            f"    open {run.folder / 'report.html'} in a browser",
            f"    uv run python {VERIFY} --evidence-path {run.folder / run.stress.name}",
            "    uv run enforcement serve        # then the commands of the README, by hand",
        ]
    lines.append(f"{'PASS' if code is Exit.PASS else 'NOT PASSED'}  exit {int(code)}")
    to_stdout("\n".join(lines))
    return code
