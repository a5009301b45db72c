"""``stressproof demo``: the whole protocol on one empty machine."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from stressproof.cli.demo_service import DemoService
from stressproof.cli.output import note, result
from stressproof.cli.run import Terminated
from stressproof.errors import UsageError
from stressproof.exits import Exit, strongest

CAPTURE = "scripts/load_test_api.py"
VERIFY = "scripts/verify_enforcement_stress_evidence.py"
GATE = "scripts/run_enforcement_release_evidence_gate.py"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
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
@click.option("--keep-database", is_flag=True, help="Leave the database's files behind.")
def command(
    directory: Path,
    duration: int,
    rounds: int,
    users: int,
    service_workers: int,
    *,
    keep_database: bool,
) -> Exit:
    """Run the whole protocol here: service, load, verification, gate.

    Starts PostgreSQL and the enforcement service on free ports of this machine, captures stress
    evidence, verifies it and asks the gate. Takes about two minutes; Ctrl-C stops everything and
    keeps what was measured.
    """
    root = _checkout()
    folder = _new_folder(directory)
    evidence = folder / "enforcement_stress_artifact.json"
    note(f"demo in {folder}: starting PostgreSQL and the enforcement service on free ports")
    try:
        with DemoService(folder.resolve(), workers=service_workers) as service:
            note(
                f"service on {service.url}: {service_workers} workers, a tenant of 5,000 decisions"
            )
            captured = _step(
                root,
                "capture",
                [
                    *(CAPTURE, "--profile", "enforcement", "--url", service.url),
                    *("--rounds", str(rounds), "--duration", str(duration)),
                    *("--users", str(users), "--enforce-thresholds", "--out", str(evidence)),
                ],
                service.environment(),
            )
    finally:
        if not keep_database:
            shutil.rmtree(folder / "data", ignore_errors=True)
        shutil.rmtree(folder / "state", ignore_errors=True)
    codes = {"capture": captured}
    if captured not in {Exit.INTERRUPTED, Exit.TERMINATED}:
        codes |= _judge(root, folder, evidence)
    return _close(folder, evidence, codes)


def _checkout() -> Path:
    """Return the checkout we run in; evidence is about a commit, and its runner is a script.

    Raises:
        UsageError: The working directory is not one.
    """
    root = Path.cwd()
    missing = [name for name in (CAPTURE, VERIFY, GATE) if not (root / name).is_file()]
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
    note(f"\n== {name}\n$ python {' '.join(command)}")
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


def _judge(root: Path, folder: Path, evidence: Path) -> dict[str, Exit]:
    """Verify the evidence and ask the gate about it."""
    environment = dict(os.environ)
    verified = _step(
        root,
        "verify",
        [
            *(VERIFY, "--evidence-path", str(evidence)),
            *("--decision-out", str(folder / "verification.json")),
        ],
        environment,
    )
    gated = _step(
        root,
        "gate (stress evidence only: failure injection is not yet part of this run)",
        [
            *(GATE, "--evidence-only", "--without-failure-evidence"),
            *("--stress-evidence-path", str(evidence)),
            *("--decision-out", str(folder / "decision.json")),
        ],
        environment,
    )
    return {"verify": verified, "gate": gated}


def _close(folder: Path, evidence: Path, codes: Mapping[str, Exit]) -> Exit:
    """Say how each step ended, where everything lies and what to run next."""
    code = strongest(codes.values())
    lines = ["", "== demo"]
    lines += [f"  {name:<10} exit {int(one):<4} {one.meaning}" for name, one in codes.items()]
    lines.append("  where everything lies:")
    lines += [f"    {path}" for path in sorted(folder.rglob("*")) if path.is_file()]
    if evidence.exists():
        lines += [
            "  next:",
            f"    uv run python {VERIFY} --evidence-path {evidence}",
            "    uv run enforcement serve        # then the commands of the README, by hand",
        ]
    lines.append(f"{'PASS' if code is Exit.PASS else 'NOT PASSED'}  exit {int(code)}")
    result("\n".join(lines))
    return code
