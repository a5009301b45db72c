"""What the summary of a capture tells people to do."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

import made_artifacts
from stressproof.evidence.derive import saturation_reasons
from stressproof.evidence.stress import Connections, StressArtifact
from stressproof.report.capture_summary import summary

pytestmark = pytest.mark.gate


@pytest.fixture
def artifact(tmp_path: Path) -> StressArtifact:
    """A good artifact."""
    made = made_artifacts.write(tmp_path / "a.json")
    return msgspec.json.decode(made.read_bytes(), type=StressArtifact)


@pytest.mark.parametrize(
    ("seen", "remedy"),
    [
        ({"cpu_busy_ppm": 990_000}, "remedy: more processes (--workers"),
        ({"loop_delay_p99_us": 900_000}, "remedy: a machine, or a core, on which nothing else"),
        ({"dropped_iterations": 10_000_000}, "remedy: raise --max-vus"),
        ({"file_limit_hits": 3}, "remedy: raise the limit of open files"),
        ({"port_limit_hits": 3}, "remedy: let the service keep connections open"),
    ],
)
def test_every_limit_of_the_generator_has_a_remedy(
    artifact: StressArtifact, seen: dict[str, Any], remedy: str
) -> None:
    """Where the generator was the limit the summary says which, and what to do about it."""
    replace = msgspec.structs.replace
    health = replace(artifact.generator.worst, **seen)
    reasons = saturation_reasons(health, 1000, 100)
    assert len(reasons) == 1
    health = replace(health, saturated=True, saturated_reasons=reasons)
    generator = replace(artifact.generator, worst=health, workers=1, cpus=2)
    text = summary(replace(artifact, generator=generator))
    assert remedy in text
    assert text.count("remedy: ") == 1
    assert "remedy" not in summary(artifact)


def test_connections_closed_without_a_word_are_explained(artifact: StressArtifact) -> None:
    """Only where they were seen."""
    assert "keep-alive timeout" not in summary(artifact)
    results = msgspec.structs.replace(artifact.results, errors={"reset_reused": 3})
    assert "keep-alive timeout" in summary(msgspec.structs.replace(artifact, results=results))


def test_several_addresses_are_listed(artifact: StressArtifact) -> None:
    """Connections are summed over rounds, by address; one address alone is not worth a line."""
    replace = msgspec.structs.replace

    def with_addresses(**opened: int) -> str:
        of_round = Connections(protocol="http/1.1", opened=opened, tls_resumed=0)
        return summary(
            replace(artifact, runs=[replace(run, connections=of_round) for run in artifact.runs])
        )

    rounds = len(artifact.runs)
    assert f"connections (http/1.1): a x {2 * rounds}, b x {rounds}" in with_addresses(a=2, b=1)
    assert "connections (" not in with_addresses(a=2)
