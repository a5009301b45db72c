"""The page in a real browser: no message, no request, no barrier."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from made_artifacts import Plan, write, write_injection
from stressproof.cli.report import command
from stressproof.evidence.results import Thresholds

pytestmark = [pytest.mark.needs_chromium, pytest.mark.timeout(180)]

WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
SIZES = {"desk": (1280, 900), "phone": (390, 844)}


def _chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a load that passes, one that does not, and injected failures."""
    folder = tmp_path_factory.mktemp("report")
    files = [
        write(folder / "good.json"),
        write(folder / "slow.json", Plan(rate_per_user=5.0, limits=Thresholds(0.05, 1.0, 0.5))),
        write_injection(folder / "failure.json"),
    ]
    out = folder / "report.html"
    CliRunner().invoke(
        command,
        [*map(str, files), "--html", str(out)],
        standalone_mode=False,
        catch_exceptions=False,
    )
    return out


@pytest.fixture(scope="module")
def history(report: Path) -> Path:
    """The first page of a site over the same evidence."""
    out = report.parent / "site"
    CliRunner().invoke(
        command,
        [str(report.parent), "--site", str(out)],
        standalone_mode=False,
        catch_exceptions=False,
    )
    return out / "index.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("which", ["report", "history"])
def test_a_page_without_message_request_or_barrier(
    browser: Browser, request: pytest.FixtureRequest, which: str, size: str, scheme: str
) -> None:
    """Scripts are off: what is shown needs none; axe finds nothing at WCAG AA."""
    document: Path = request.getfixturevalue(which)
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    said: list[ConsoleMessage] = []
    asked: list[Request] = []
    # Playwright marks what it calls, and a list's own method cannot be marked.
    page.on("console", lambda message: said.append(message))  # noqa: PLW0108
    page.on("request", lambda one: asked.append(one))  # noqa: PLW0108
    page.goto(document.as_uri())
    assert [one.url for one in asked] == [document.as_uri()]
    assert [message.text for message in said] == []
    assert _sideways(page) <= 0
    found = Axe().run(page, options=WCAG)
    assert len(found.response["passes"]) > 10
    assert found.violations_count == 0, found.generate_report()
    context.close()


def _sideways(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    wide: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wide


def test_it_is_read_with_scripts_blocked_and_on_paper(
    browser: Browser, report: Path, tmp_path: Path
) -> None:
    """All that a person is told is there without a script, and fits on printed pages."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    text = page.inner_text("main")
    assert "The build stood its load" in text
    assert "What was broken, and what became of it" in text
    printed = page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert printed.startswith(b"%PDF")
    context.close()
