"""Cold start of a verification, against an interpreter that does nothing.

    uv run python benchmarks/verify_cold.py [--repetitions 15]

A signed one is the standard artifact with its bundle: planned, run and signed by a person with an
SSH key, approved by another, and found in a ledger of its run.

A standard artifact is 3 rounds of 30 seconds over 7 endpoints, here of 10 users who are answered in
20 ms, 400 times a second together; a busy one has 1200 answers a second, in 6 ms. Each
repetition starts every command once, in turn, so that noise hits all of them alike; ratios are of
medians. Bytecode is cached as in an installed package, also where the environment forbids it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from interpreter import environment

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))
sys.path.insert(0, str(ROOT / "tests" / "support"))

from forgeries import honest  # noqa: E402  # likewise

from attested_release import Release, hours_ago  # noqa: E402  # the corpus is no package
from signing_people import make_team  # noqa: E402  # likewise
from stressproof.evidence.encoding import encode  # noqa: E402  # likewise after it

BUDGETS = {"verify, standard": 9.0, "verify, signed": 11.0}
PLANS = {
    "standard": honest.Plan(rate_per_user=40.0),
    "busy": honest.Plan(rate_per_user=120.0),
}


def _once(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return wall and CPU milliseconds of one process."""
    begin = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def _signed(folder: Path) -> list[str]:
    """Make a signed release in a folder, and return the arguments that verify it."""
    release = folder / "signed"
    release.mkdir()
    team = make_team(folder)
    signing = Release(release, team, team.policy())
    data = honest.full(replace(PLANS["standard"], captured=hours_ago(1)))
    path = signing.approve(signing.sign(signing.run(data, plan=True)))
    for name, text in team.files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return ["--evidence-path", str(path), "--policy", str(folder / "trust" / "policy.toml")]


def main() -> int:
    """Measure, print, and return 1 where the budget is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory() as folder:
        script = str(ROOT / "scripts" / "verify_enforcement_stress_evidence.py")
        commands = {"python -c pass": [sys.executable, "-c", "pass"]}
        artifacts = {"plain": encode(honest.plain())}
        artifacts |= {name: encode(honest.artifact(plan)) for name, plan in PLANS.items()}
        for name, content in artifacts.items():
            path = Path(folder) / f"{name}.json"
            path.write_bytes(content)
            commands[f"verify, {name}"] = [sys.executable, script, "--evidence-path", str(path)]
            print(f"{name}: {len(content)} bytes")
        commands["verify, signed"] = [sys.executable, script, *_signed(Path(folder))]
        kept = environment(Path(folder) / "bytecode")
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for command in commands.values():
            _once(command, kept)
        for _ in range(repetitions):
            for name, command in commands.items():
                times[name].append(_once(command, kept))
    print(f"{repetitions} interleaved repetitions; ms")
    print(f"{'':<20}{'wall':>8}{'min':>8}{'CPU':>8}{'x wall':>8}{'x CPU':>8}")
    walls = {name: statistics.median(w for w, _ in found) for name, found in times.items()}
    cpus = {name: statistics.median(c for _, c in found) for name, found in times.items()}
    nothing = "python -c pass"
    for name, found in times.items():
        print(
            f"{name:<20}{walls[name]:8.1f}{min(w for w, _ in found):8.1f}{cpus[name]:8.1f}"
            f"{walls[name] / walls[nothing]:8.1f}{cpus[name] / cpus[nothing]:8.1f}"
        )
    exceeded = 0
    for name, budget in BUDGETS.items():
        ratio = walls[name] / walls[nothing]
        exceeded += ratio > budget
        print(f"{name}: budget {budget:g}: {'within' if ratio <= budget else 'EXCEEDED'}")
    return int(exceeded > 0)


if __name__ == "__main__":
    sys.exit(main())
