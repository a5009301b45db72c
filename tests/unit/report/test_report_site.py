"""A folder of evidence as a site that opens from the disk."""

import html
import os
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from click.testing import CliRunner, Result

from made_artifacts import Plan, honest, write, write_injection
from stressproof.cli.report import command
from stressproof.errors import InconclusiveError
from stressproof.evidence.results import Thresholds

pytestmark = pytest.mark.gate

BUILDS = 3


def report(*arguments: str) -> Result:
    """Run ``stressproof report``."""
    return CliRunner().invoke(command, [*arguments], standalone_mode=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Evidence of three builds and of an injection, and two files that are no evidence."""
    results = tmp_path / "results"
    results.mkdir()
    for number in range(BUILDS):
        plan = Plan(
            rate_per_user=5.0 - number,
            seed=number + 1,
            commit=f"{number}" * 40,
            captured=honest.NOW - timedelta(hours=9 - number),
            limits=Thresholds(0.05 if number == 2 else 2.0, 1.0, 0.5),
        )
        write(results / f"build-{number}.json", plan)
    write_injection(results / "failure.json")
    (results / "notes.json").write_text("{}")
    (results / "broken.json").write_text("{")
    return results


def test_every_build_has_its_page_and_the_newest_comes_first(folder: Path, tmp_path: Path) -> None:
    """Verdicts, objectives over builds with limit and spread, and two builds side by side."""
    out = tmp_path / "site"
    done = report(str(folder), "--site", str(out))
    assert done.exception is None
    assert "left out, no evidence: " in done.stderr
    assert done.stderr.count("left out") == 2
    pages = {path.name for path in out.iterdir()}
    assert pages == {"index.html", "failure.html", *(f"build-{at}.html" for at in range(BUILDS))}
    index = (out / "index.html").read_text()
    assert re.findall(r'href="(build-[0-9]\.html)"', index) == [
        "build-2.html",
        "build-1.html",
        "build-0.html",
    ]
    assert "✗ FAIL" in index
    assert index.count("<svg") == 3  # p95, although its limit changed; errors; throughput
    assert "lowest round" in index
    assert "limit &lt;= " in index
    latest = (out / "build-2.html").read_text()
    assert "Beside the build before" in latest
    assert 'href="build-1.html"' in latest
    assert ">baseline</text>" in latest
    assert "Beside the build before" not in (out / "build-0.html").read_text()


def test_a_floor_that_nothing_can_miss_is_drawn_too(tmp_path: Path) -> None:
    """A service of anybody has no floor of throughput: 0 is what its captures say."""
    results = tmp_path / "results"
    results.mkdir()
    for number in range(2):
        plan = Plan(seed=number + 1, rate_per_user=5.0, limits=Thresholds(2.0, 1.0, 0.0))
        write(results / f"{number}.json", plan)
    out = tmp_path / "site"
    done = report(str(results), "--site", str(out))
    assert done.exception is None
    assert "http_reqs: rate" in (out / "index.html").read_text()


@pytest.mark.parametrize(
    "name",
    ["a#b", "a?b", "a%41", "<img src=x>", "a b\"'", "\u00fc", "javascript:x", "index", "\udcff"],
)
def test_a_page_is_found_whatever_its_file_is_called(tmp_path: Path, name: str) -> None:
    """A link is a URL, and a file's name is none."""
    results = tmp_path / "results"
    results.mkdir()
    write(results / f"{name}.json", Plan(rate_per_user=5.0))
    write(results / "other.json", Plan(rate_per_user=5.0, seed=2))
    out = tmp_path / "site"
    done = report(str(results), "--site", str(out))
    assert done.exception is None, done.output
    links = re.findall(r'href="([^"#][^"]*)"', (out / "index.html").read_text())
    paths = [urlsplit(urljoin("file:///x/", html.unescape(one))).path[3:] for one in links]
    found = {out / os.fsdecode(unquote_to_bytes(one)) for one in paths}
    assert len(found) == 2
    assert {path for path in out.iterdir() if path.name != "index.html"} == found


def test_links_lead_somewhere_and_nowhere_else(folder: Path, tmp_path: Path) -> None:
    """The site opens from the disk: every link is one of its own pages."""
    out = tmp_path / "site"
    report(str(folder), "--site", str(out))
    pages = {path.name for path in out.iterdir()}
    for path in out.iterdir():
        text = path.read_text()
        assert "<script" not in text
        for link in re.findall(r'href="([^"]*)"', text):
            assert link in pages or link.startswith("#"), (path.name, link)


def test_the_same_folder_gives_the_same_site(folder: Path, tmp_path: Path) -> None:
    """Published twice, nothing changes."""
    for name in ("a", "b"):
        report(str(folder), "--site", str(tmp_path / name))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_folder_without_evidence_proves_nothing(tmp_path: Path) -> None:
    """No site is written that looks like one of builds."""
    (tmp_path / "empty").mkdir()
    done = report(str(tmp_path / "empty"), "--site", str(tmp_path / "site"))
    assert isinstance(done.exception, InconclusiveError)
    assert not (tmp_path / "site").exists()
