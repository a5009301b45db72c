"""The page of evidence: everything on it follows from the evidence, and nothing else is needed."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from made_artifacts import Plan, honest, write
from stressproof.cli.report import command
from stressproof.evidence.encoding import encode
from stressproof.evidence.results import Thresholds
from stressproof.evidence.stress import StressArtifact
from stressproof.report.html.scales import fitting, linear, logarithmic

pytestmark = pytest.mark.gate

BYTES_MAX = 300_000


def report(folder: Path, *files: Path, out: str = "report.html") -> tuple[str, Result]:
    """Return the page of some artifacts, and how the command ended."""
    arguments = [*map(str, files), "--html", str(folder / out)]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    return (folder / out).read_text(encoding="utf-8"), done


def words(page: str) -> str:
    """Return the text of a page, without its markup and style."""
    body = page[page.index("<body>") :]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def altered(folder: Path, alter: dict[str, Any]) -> Path:
    """Write an honest artifact in which a few top-level fields are others."""
    data = json.loads(encode(honest.artifact(Plan(rate_per_user=5.0))))
    path = folder / "altered.json"
    path.write_text(json.dumps(data | alter))
    return path


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path) -> None:
    """A page that is made again can be compared with the one that was handed on."""
    evidence = write(tmp_path / "stress.json")
    first, _ = report(tmp_path, evidence, out="first.html")
    second, _ = report(tmp_path, evidence, out="second.html")
    assert first == second


def test_a_standard_artifact_needs_little_and_nothing_else(tmp_path: Path) -> None:
    """One file: no script, nothing fetched, small enough to be mailed."""
    page, _ = report(tmp_path, write(tmp_path / "stress.json"))
    assert len(page.encode()) < BYTES_MAX
    assert "<script" not in page
    fetched = re.findall(r"""(?:src|href|action|data)\s*=\s*["']?([^"'\s>]*)""", page)
    assert all(one.startswith("#") for one in fetched), fetched
    assert "url(" not in page
    assert "@import" not in page


def test_its_figures_are_those_of_the_evidence(tmp_path: Path) -> None:
    """The first screen says how many requests, how fast, how many failed, and which build."""
    evidence = write(tmp_path / "stress.json")
    artifact = msgspec.json.decode(evidence.read_bytes(), type=StressArtifact)
    page, done = report(tmp_path, evidence)
    text = words(page)
    assert f"{artifact.results.total_requests:,} requests in {artifact.rounds} rounds" in text
    worst = artifact.evaluation.worst_p95_seconds
    assert worst is not None
    assert f"{worst * 1000:.0f} ms in the worst round" in text
    assert (artifact.subject.git_commit or "")[:12] in text
    assert "✓ PASS" in text
    for endpoint in artifact.endpoints:
        assert endpoint in text
    assert done.return_value == 0


def test_a_missed_limit_is_the_first_thing_it_says(tmp_path: Path) -> None:
    """An objective that is not met names itself, its figure and its limit; exit 99."""
    plan = Plan(rate_per_user=5.0, limits=Thresholds(0.05, 1.0, 0.5))
    page, done = report(tmp_path, write(tmp_path / "stress.json", plan))
    text = words(page)
    assert "The build does not meet http_req_duration: p(95) <= 0.05s" in text
    assert "✗ FAIL" in text
    assert done.return_value in {6, 99}


def test_figures_that_cannot_be_believed_are_not_shown(tmp_path: Path) -> None:
    """Falsified evidence gets its verdict and reasons, and not one of its own figures."""
    page, done = report(tmp_path, altered(tmp_path, {"min_throughput_rps": 98765.4}))
    text = words(page)
    assert "Its figures are not shown" in text
    assert "Why it does not pass" in text
    assert "Over time" not in text
    assert done.return_value == 6


def test_what_evidence_says_is_text_and_never_markup(tmp_path: Path) -> None:
    """A name out of evidence cannot bring a script, a style or a link into the page."""
    hostile = '</title><script>alert(1)</script><img src=x onerror="alert(1)">'
    page, _ = report(tmp_path, altered(tmp_path, {"profile": hostile, "captured_at": hostile}))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_a_baseline_is_drawn_beside(tmp_path: Path) -> None:
    """An earlier build shows in the distribution."""
    evidence = write(tmp_path / "stress.json")
    out = tmp_path / "report.html"
    arguments = [str(evidence), "--html", str(out), "--baseline", str(evidence)]
    CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)
    assert ">baseline</text>" in out.read_text()


def test_scales_hold_every_value_between_their_ticks() -> None:
    """No line leaves its chart, and no chart is all edge."""
    for high in (0.003, 1.0, 7.0, 99.0, 100.0, 12_345.0):
        scale = linear(high)
        assert scale.high >= high
        assert scale.high <= 2 * high
        assert 2 <= len(scale.ticks) <= 12
        assert scale.place(0.0) == 0.0
        assert 0.5 <= scale.place(high) <= 1.0
    wide = logarithmic(0.2, 3000.0)
    assert (wide.low, wide.high) == (0.1, 10_000.0)
    assert wide.place(0.0) == 0.0  # what took no measurable time lies on the ground
    assert fitting([1.0, 31.0]).logarithmic
    assert not fitting([1.0, 29.0]).logarithmic
    assert not fitting([]).logarithmic
