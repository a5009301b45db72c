"""Every command that a page shows is executed by a test, or named here with why it is not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from documented_commands import ROOT, Command, commands_of, pages, understand
from made_artifacts import Plan, write
from otlp_receiver import running_receiver
from own_folder import passed
from shop_service import API_KEY, Shop
from stressproof.exits import Exit

WHOLE_PAGES = {
    "docs/tutorial.md": "tests/packaging/test_tutorial.py::"
    "test_a_newcomer_gets_from_nothing_to_a_gated_build",
    "docs/objectives.md": "tests/integration/objectives/test_objectives_documentation.py::"
    "test_every_command_of_the_page_does_what_the_page_says",
    "docs/coming-from.md": "tests/integration/coming_from/test_wishes.py::test_a_wish_comes_true",
    "docs/ops/enforcement_stress_evidence_protocol.md": "tests/integration/gate/test_gate_docs.py::"
    "test_every_command_of_the_pages_is_understood",
    "docs/ops/ci-example.md": "tests/integration/gate/test_gate_docs.py::"
    "test_every_command_of_the_pages_is_understood",
    "docs/fault-proxy.md": "tests/integration/faults/test_faults_control.py::"
    "test_every_command_of_the_page_does_what_it_says",
    "docs/report.md": "tests/integration/own_service/test_documented_commands.py::"
    "test_every_command_of_the_page_of_reports",
    "docs/command-line.md": "tests/integration/own_service/test_documented_commands.py::"
    "test_completions_are_put_where_shells_look",
}
"""Pages whose every command one test executes."""

NAMED = {
    r"README.md: uv run stressproof (capture|init|check|report|gate)": "tests/integration/"
    "own_service/test_documented_commands.py::test_the_first_page_goes_from_a_url_to_a_gate",
    r"packages/stressproof/README.md: stressproof capture": "tests/integration/own_service/"
    "test_documented_commands.py::test_the_first_page_goes_from_a_url_to_a_gate",
    r"README.md: .*uv run stressproof demo": "tests/integration/demo/test_demo.py::",
    r".*: (pip|pipx) install|.* && uv run pytest": "an installation of packages from a registry",
    r".*: (uv run|python -m) pytest": "this very run",
    r".*: bash (\.ci/run|scripts/check-all)": "what runs these tests",
    r".*uv run python3? scripts/": "tests/integration/gate/test_gate_docs.py::"
    "test_the_pages_show_what_the_protocol_shows",
    r".*: (uv run )?enforcement serve": "tests/integration/enforcement_api/"
    "test_enforcement_command.py::",
    r".*: enforcement (tenant|principal|token|ledger|migrate)": "tests/integration/"
    "enforcement_api/test_enforcement_administration.py::",
    r"docs/enforcement.md: (install|printf|systemctl|podman|cp) ": "administration of a machine",
    r"docs/enforcement.md: (useradd|python3 -m venv|/opt/\S+) ": "likewise",
    r".*: uv build --wheel --all-packages": "tests/packaging/",
    r"docs/ops/enforcement-backup.md: (pg_|psql|for tenant|tar|createdb)": "likewise, of a server",
    r"docs/signing.md: stressproof (capture|inject) ": "tests/integration/capture/"
    "test_capture_signed.py::test_a_signed_capture_has_a_plan_a_run_and_a_statement",
    r"docs/signing.md: stressproof (approve|gate|promote) ": "tests/integration/gate/"
    "test_gate_signed.py::test_the_commands_of_two_people",
    r"docs/failures.md: (cd|export|stressproof (check|inject|verify)) ?": "tests/integration/"
    "examples/test_examples_broken.py::test_an_example_survives_what_its_file_says",
    r"docs/failures.md: (sed|git checkout) ": "tests/integration/examples/test_examples_broken.py::"
    "test_the_page_plants_a_bug",
    r"docs/failures.md: stressproof gate ": "tests/packaging/"
    "test_shop_release.py::test_the_shop_is_released",
    r"examples/till/README.md: ": "tests/integration/"
    "examples/test_examples_broken.py::test_an_example_survives_what_its_file_says",
    r"examples/shop/README.md: ": "tests/packaging/test_shop_release.py::test_the_shop_is_released",
}
"""Pattern of page and command, to the test that executes the like of it, or why none does."""

ALL = [command for page in pages() for command in commands_of(page)]


def named(command: Command) -> list[str]:
    """Return the patterns that name a command."""
    text = f"{command.page}: {command.text}"
    return [pattern for pattern in NAMED if re.match(pattern, text)]


def test_no_command_is_without_its_test() -> None:
    """A new one is executed, or has its reason; a reason that names nothing is taken out."""
    assert len(ALL) > 150
    without = [str(one) for one in ALL if one.page not in WHOLE_PAGES and not named(one)]
    assert without == []
    used = {pattern for one in ALL for pattern in named(one)}
    assert set(NAMED) - used == set()
    assert set(WHOLE_PAGES) <= {one.page for one in ALL}


def test_the_tests_that_are_named_are_there() -> None:
    """A test that was renamed or taken out covers nothing."""
    for reason in [*WHOLE_PAGES.values(), *NAMED.values()]:
        place, colons, name = reason.partition("::")
        if colons:
            assert f"def {name or 'test_'}" in (ROOT / place).read_text(), reason


@pytest.mark.parametrize(
    "command", [one for one in ALL if one.ours and one.page not in WHOLE_PAGES], ids=str
)
def test_a_command_of_ours_is_understood(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever executes it or not: its flags are those that there are."""
    monkeypatch.chdir(tmp_path)
    for word in command.ours:
        if word.endswith(".jsonl"):
            Path(word).touch()  # which the parser looks for
    script = next((word for word in command.ours if "/" in word and word.endswith(".py")), None)
    assert script is None or (ROOT / script).is_file()
    understand(command.ours)


def shell(text: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type a command into a shell of a folder, where our programs are installed."""
    return subprocess.run(
        ["bash", "-c", text.replace("uv run ", "")],
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_STATE_HOME": "/nonexistent",
            "STRESSPROOF_LEDGER": os.environ["STRESSPROOF_LEDGER"],
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_every_command_of_the_page_of_reports(tmp_path: Path) -> None:
    """Each ends with 0, and writes what it says."""
    results = tmp_path / "stressproof-results"
    results.mkdir()
    write(results / "today.json", Plan(rate_per_user=5.0))
    write(tmp_path / "last.json", Plan(rate_per_user=5.0, seed=7))
    commands = list(commands_of(ROOT / "docs" / "report.md"))
    assert len(commands) >= 6
    with running_receiver() as collector:
        for one in commands:
            text = one.text.replace("http://127.0.0.1:4318", collector.url)
            done = shell(text, tmp_path)
            assert done.returncode == Exit.PASS, (text, done.stdout, done.stderr)
        assert collector.points
    for name in ("report.html", "seconds.csv", "out/index.html"):
        assert (tmp_path / name).stat().st_size


def test_completions_are_put_where_shells_look(tmp_path: Path) -> None:
    """Each line of the page can be typed, and a shell then finds what completes."""
    (tmp_path / ".config" / "fish" / "completions").mkdir(parents=True)
    commands = list(commands_of(ROOT / "docs" / "command-line.md"))
    assert len(commands) == 3
    for one in commands:
        done = shell(one.text, tmp_path)
        assert done.returncode == 0, done.stderr
    assert "stressproof completion bash" in (tmp_path / ".bashrc").read_text()
    loaded = shell("source ~/.bashrc && complete -p stressproof", tmp_path)
    assert "stressproof" in loaded.stdout, loaded.stderr
    assert (tmp_path / ".config/fish/completions/stressproof.fish").stat().st_size


DESCRIBED = {
    "openapi": "3.1.0",
    "info": {"title": "shop", "version": "1"},
    "paths": {"/catalog": {"get": {"responses": {"200": {"description": "all of it"}}}}},
}


def test_the_first_page_goes_from_a_url_to_a_gate(shop: Shop, tmp_path: Path) -> None:
    """One line without a file; then the file, once, load, report and gate, as README has them."""
    shop.pages["GET /openapi.json"] = (200, "application/json", json.dumps(DESCRIBED).encode())
    one_line, *rest = [
        one
        for one in commands_of(ROOT / "README.md")
        if named(one) and named(one)[0].startswith("README.md: uv run")
    ]
    installed = [
        one
        for one in commands_of(ROOT / "packages" / "stressproof" / "README.md")
        if one.ours and "install" not in one.text
    ]
    assert [one.ours[1] for one in rest] == ["init", "check", "capture", "report", "gate"]

    def typed(text: str) -> subprocess.CompletedProcess[str]:
        text = text.replace("http://127.0.0.1:8080", shop.url).replace("…", API_KEY)
        text = re.sub(r"--duration \S+", "--duration 2s --ramp 0", text)
        newest = max((tmp_path / "stressproof-results").glob("*Z.json"), default=Path())
        text = re.sub(
            r"stressproof-results/\d+T\d+Z.json", f"stressproof-results/{newest.name}", text
        )
        return shell(text, tmp_path)

    for one in installed:
        assert passed(done := typed(one.text)), done.stdout + done.stderr
    done = typed(one_line.text)
    assert passed(done), done.stdout + done.stderr
    subprocess.run(["rm", "-r", "stressproof-results"], cwd=tmp_path, check=True)
    init, *others = rest
    assert typed(init.text).returncode == Exit.PASS
    file = tmp_path / "stressproof.toml"
    for drafted, meant in (
        ('duration = "30s"', 'duration = "2s"'),
        ('rate = "5/s"', 'rate = "50/s"'),
        ("# [gate]", "[gate]"),
        ('# profile = "shop"', 'profile = "shop"'),
    ):
        assert drafted in file.read_text()
        file.write_text(file.read_text().replace(drafted, meant))
    (tmp_path / ".gitignore").write_text("/*\n!stressproof.toml\n!.gitignore\n")
    for words in ("init -q", "add -A", "-c user.name=t -c user.email=t@example.com commit -qm x"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)
    for one in others:
        done = typed(one.text)
        assert passed(done) or done.returncode == Exit.PASS, (one, done.stdout, done.stderr)
