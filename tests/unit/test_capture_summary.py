"""What the summary of a capture tells people to do."""

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

import made_artifacts
from stressproof.evidence.derive import saturation_reasons
from stressproof.evidence.generator import Connections
from stressproof.evidence.stress import StressArtifact
from stressproof.outcome import Outcome
from stressproof.report.capture_summary import summary
from stressproof.report.lines import Line, shown

pytestmark = pytest.mark.gate


def text_of(artifact: StressArtifact, width: int | None = None) -> str:
    """Return the summary as a file has it."""
    return shown(summary(artifact, width=width), io.StringIO())


@pytest.fixture
def artifact(tmp_path: Path) -> StressArtifact:
    """A good artifact."""
    made = made_artifacts.write(tmp_path / "a.json")
    return msgspec.json.decode(made.read_bytes(), type=StressArtifact)


@pytest.mark.parametrize(
    ("seen", "remedy"),
    [
        ({"cpu_busy_ppm": 990_000}, "remedy: more processes (--workers"),
        ({"loop_delay_mean_us": 900_000}, "remedy: a machine, or a core, on which nothing else"),
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
    text = text_of(replace(artifact, generator=generator))
    assert remedy in text
    assert text.count("remedy: ") == 1
    assert "remedy" not in text_of(artifact)


def test_connections_closed_without_a_word_are_explained(artifact: StressArtifact) -> None:
    """Only where they were seen."""
    assert "keep-alive timeout" not in text_of(artifact)
    results = msgspec.structs.replace(artifact.results, errors={"reset_reused": 3})
    assert "keep-alive timeout" in text_of(msgspec.structs.replace(artifact, results=results))


def test_several_addresses_are_listed(artifact: StressArtifact) -> None:
    """Connections are summed over rounds, by address; one address alone is not worth a line."""
    replace = msgspec.structs.replace

    def with_addresses(**opened: int) -> str:
        of_round = Connections(protocol="http/1.1", opened=opened, tls_resumed=0)
        return text_of(
            replace(artifact, runs=[replace(run, connections=of_round) for run in artifact.runs])
        )

    rounds = len(artifact.runs)
    assert f"connections (http/1.1): a x {2 * rounds}, b x {rounds}" in with_addresses(a=2, b=1)
    assert "connections (" not in with_addresses(a=2)


def test_limits_come_first_with_a_mark_for_each_outcome(artifact: StressArtifact) -> None:
    """After the headline: what was asked, how it came out, on how many requests."""
    lines = text_of(artifact).splitlines()
    fewest = min(run.results.total_requests for run in artifact.runs)
    assert lines[1].startswith("✓ p95 ")
    assert lines[1].endswith(f"<= 2,000 ms in every round, n={fewest:,}")
    assert [line[0] for line in lines[1:4]] == ["✓", "✓", "✓"]
    late = [msgspec.structs.replace(one, meets_p95=False) for one in artifact.evaluation.rounds]
    evaluation = msgspec.structs.replace(artifact.evaluation, rounds=late)
    missed = msgspec.structs.replace(artifact, evaluation=evaluation)
    assert text_of(missed).splitlines()[1].startswith("✗ p95 ")
    nothing = msgspec.structs.replace(artifact.evaluation, rounds=[])
    unknown = msgspec.structs.replace(artifact, evaluation=nothing)
    assert text_of(unknown).splitlines()[1].startswith("? p95 ")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_the_terminal(artifact: StressArtifact, width: int) -> None:
    """Figures stay whole; of a name that is too long the end is kept, which tells it apart."""
    lines = text_of(artifact, width).splitlines()
    table = [line for line in lines if line.startswith("  ") and line.endswith(" 0")]
    assert len(table) == len(artifact.endpoints)
    assert all(len(line) <= max(width, 73) for line in table)
    assert any("parity?limit=50 " in line for line in table)
    assert all("…" not in line for line in text_of(artifact).splitlines())


def test_a_sparkline_shows_where_a_round_was_slow(artifact: StressArtifact) -> None:
    """One column a second: the highest bar stands where the slowest second was."""
    (run, *_) = artifact.measurements.runs
    worst = max(run.rows, key=lambda row: row.corrected.max_us or 0)
    bars = next(
        line for line in text_of(artifact).splitlines() if line.startswith("  p95, round 1/")
    ).split("  ")[2]
    assert len(bars) == artifact.duration_seconds
    assert "█" in bars
    assert "▁" in bars
    assert bars[worst.second] != "▁"


def test_what_failed_can_be_asked_by_hand(artifact: StressArtifact) -> None:
    """The endpoint that failed most, as a line of curl without any secret."""
    replace = msgspec.structs.replace
    assert "by hand" not in text_of(artifact)
    (run, *runs) = artifact.runs
    broken = replace(run.endpoints[2].results, failed_requests=5)
    endpoints = [*run.endpoints]
    endpoints[2] = replace(endpoints[2], results=broken)
    results = replace(artifact.results, errors={"status_503": 5})
    failed = replace(artifact, results=results, runs=[replace(run, endpoints=endpoints), *runs])
    url = f"{artifact.target_url}{artifact.workload.endpoints[2].path}"
    assert f"by hand: curl -i {url}" in text_of(failed)


def test_a_flow_is_no_request_to_ask_by_hand(artifact: StressArtifact) -> None:
    """A step that failed stands for it; where none did, nothing is offered."""
    replace = msgspec.structs.replace
    workload = artifact.workload
    endpoints = [replace(workload.endpoints[0], kind="flow", method="", path="flows.py:order")]
    workload = replace(workload, endpoints=[*endpoints, *workload.endpoints[1:]])
    (run, *runs) = artifact.runs
    results = replace(artifact.results, errors={"exception": 5})
    for position, offered in ((), False), ((3,), True):
        failing = [
            replace(each, results=replace(each.results, failed_requests=9 if at == 0 else 5))
            if at in {0, *position}
            else each
            for at, each in enumerate(run.endpoints)
        ]
        failed = replace(
            artifact,
            workload=workload,
            results=results,
            runs=[replace(run, endpoints=failing), *runs],
        )
        said = text_of(failed)
        assert "flows.py:order" not in said
        assert (f"by hand: curl -i {artifact.target_url}" in said) is offered


class Terminal(io.StringIO):
    """Somebody looks."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "coloured"),
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_where_somebody_looks(
    stream: io.StringIO,
    environment: dict[str, str],
    coloured: bool,  # noqa: FBT001  # a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file and a pipe get plain text, and both variables are kept."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    text = shown([Line("p95", Outcome.FAIL), Line("note", quiet=True)], stream)
    assert ("\x1b[" in text) is coloured
    assert "✗ p95" in text
