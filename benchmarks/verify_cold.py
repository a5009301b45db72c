"""Cold start of a verification, against an interpreter that does nothing.

    uv run python benchmarks/verify_cold.py [--repetitions 15]

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
from pathlib import Path

from interpreter import environment

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

from forgeries import honest  # noqa: E402  # the corpus is no package

from stressproof.evidence.encoding import encode  # noqa: E402  # likewise after it

BUDGET = 9.0
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
    ratio = walls["verify, standard"] / walls[nothing]
    print(f"budget {BUDGET:g}: {'within' if ratio <= BUDGET else 'EXCEEDED'}")
    return int(ratio > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
