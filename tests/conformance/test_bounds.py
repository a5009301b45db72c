"""Any bytes are judged in bounded time and memory: 10 s and 512 MiB for the largest input."""

import json
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from forgeries import worst

from stressproof.config.reading import MAX_BYTES as CONFIG_BYTES
from stressproof.evidence.json_text import MAX_BYTES
from stressproof.exits import Exit

ROOT = Path(__file__).parents[2]
SECONDS = 10
BYTES = 512 * 1024 * 1024
TOLD = set(Exit) - {Exit.INTERNAL}


QUICK = frozenset(
    {
        *("integers", "objects", "texts"),
        *("endpoints", "rounds", "buckets", "weights", "rows, and stages to count arrivals by"),
        *("operations", "scenarios", "effects", "a node"),
        *("a dotted key", "digits", "metrics nearly known", "keys", "aliases"),
    }
)
"""The dearest of each; the others take too long for every run."""


def each(made: Mapping[str, worst.Made]) -> list[Any]:
    """Every worst input of a kind by its name, those that are not quick as slow tests."""
    marks = {name: () if name in QUICK else (pytest.mark.slow,) for name in made}
    return [pytest.param(name, id=name, marks=marks[name]) for name in made]


def bounded() -> None:
    """Limits of a child process: memory as addresses, and time of its processor."""
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def ended(arguments: Sequence[str | Path], folder: Path) -> tuple[int, str]:
    """Exit code and stderr of a command within the bounds."""
    run = subprocess.run(
        [sys.executable, "-m", "stressproof", *map(str, arguments)],
        preexec_fn=bounded,  # no threads here
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stderr


def judged(raw: bytes, kind: str, folder: Path) -> None:
    """Some bytes get a verdict that is no pass, within the bounds."""
    path = folder / "worst.json"
    path.write_bytes(raw)
    (folder / "conftest.py").write_text("x = 1\n" * 100_000)
    code, said = ended(["verify", path, "--kind", kind, "--as-gate"], folder)
    assert code in {Exit.EVIDENCE, Exit.OBJECTIVES, Exit.INCONCLUSIVE}, said[-500:]


@pytest.mark.parametrize("name", each(worst.BYTES))
def test_any_json_is_judged_within_bounds(name: str, tmp_path: Path) -> None:
    """Whatever a document is made of, reading it takes no more."""
    raw = worst.BYTES[name]()
    assert len(raw) <= MAX_BYTES
    judged(raw, "auto", tmp_path)


@pytest.mark.parametrize("name", each(worst.STRESS))
def test_stress_evidence_is_judged_within_bounds(name: str, tmp_path: Path) -> None:
    """Whatever there is too much of in a full artifact, its rules take no more."""
    raw = worst.STRESS[name]()
    assert len(raw) <= MAX_BYTES
    judged(raw, "stress", tmp_path)


@pytest.mark.parametrize("name", each(worst.FAILURE))
def test_failure_evidence_is_judged_within_bounds(name: str, tmp_path: Path) -> None:
    """As of stress evidence, its references included."""
    raw = worst.FAILURE[name]()
    assert len(raw) <= MAX_BYTES
    judged(raw, "failure", tmp_path)


@pytest.mark.parametrize("name", each(worst.TOML))
def test_a_configuration_is_read_within_bounds(name: str, tmp_path: Path) -> None:
    """A ``stressproof.toml`` of any bytes is a configuration or a usage error."""
    raw = worst.TOML[name]()
    assert len(raw) <= CONFIG_BYTES
    path = tmp_path / "stressproof.toml"
    path.write_bytes(raw)
    code, said = ended(["check", path], tmp_path)
    assert code in TOLD, said[-500:]


@pytest.mark.parametrize("name", each(worst.YAML))
def test_an_openslo_file_is_read_within_bounds(name: str, tmp_path: Path) -> None:
    """A YAML file of any bytes is objectives or a usage error."""
    raw = worst.YAML[name]()
    assert len(raw) <= CONFIG_BYTES
    path = tmp_path / "slo.yaml"
    path.write_bytes(raw)
    code, said = ended(["slo", "rules", path], tmp_path)
    assert code in TOLD, said[-500:]


@pytest.mark.parametrize("name", ["objects", "texts"])
def test_a_decision_is_read_within_bounds(name: str, tmp_path: Path) -> None:
    """A decision file of any bytes is confirmed or refused."""
    path = tmp_path / "decision.json"
    path.write_bytes(worst.BYTES[name]())
    code, said = ended(["gate", "confirm", path], tmp_path)
    assert code in TOLD, said[-500:]


def test_the_bounds_hold_what_they_say(tmp_path: Path) -> None:
    """A process within them cannot take more memory: the tests above can fail."""
    run = subprocess.run(
        [sys.executable, "-c", f"bytearray({BYTES})"],
        preexec_fn=bounded,  # no threads here
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 1
    assert b"MemoryError" in run.stderr
    assert json.loads(worst.STRESS["a weight"]())["schema_version"]
