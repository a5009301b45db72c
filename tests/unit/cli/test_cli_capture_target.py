"""Which target a capture's plan names, and how it reaches it, whoever wrote the profile."""

from pathlib import Path

import pytest

from stressproof.capture.plan import Plan
from stressproof.cli.capture import command
from stressproof.cli.capture_plan import plan_from
from stressproof.errors import UsageError
from stressproof.workload.auth import BearerAuth

pytestmark = pytest.mark.gate

FILE = """
[target]
url = "http://127.0.0.1:8080"
headers = { x-tenant = "one" }

[targets.staging]
url = "http://staging.example"
auth = { bearer = "a-token" }
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stressproof.toml").write_text(FILE)
    monkeypatch.chdir(tmp_path)


def planned(*arguments: str) -> Plan:
    """The plan of a capture with these arguments."""
    with command.make_context("capture", ["--profile", "health", *arguments]) as context:
        return plan_from("stressproof capture", context.params, scripted=False)


def test_a_suites_profile_reaches_a_target_as_the_file_has_it() -> None:
    """Its name, URL, headers and token are the file's."""
    main, staging = planned(), planned("--target", "staging")
    assert (main.target_name, main.url, main.auth) == ("default", "http://127.0.0.1:8080", None)
    assert (staging.target_name, staging.url) == ("staging", "http://staging.example")
    assert staging.auth == BearerAuth("a-token")
    assert main.headers == staging.headers == {"x-tenant": "one"}


def test_a_suites_profile_reaches_the_target_of_the_file_that_is_named(tmp_path: Path) -> None:
    """One named for its limits alone leaves the target to that of the working directory."""
    (tmp_path / "other.toml").write_text(FILE.replace("8080", "9090").replace("staging", "nightly"))
    (tmp_path / "limits.toml").write_text("[limits]\nmax_p95_seconds = 7\n")
    other = planned("--config", "other.toml")
    assert (other.target_name, other.url) == ("default", "http://127.0.0.1:9090")
    assert planned("--config", "other.toml", "--target", "nightly").target_name == "nightly"
    limits = planned("--config", "limits.toml")
    assert (limits.url, limits.thresholds.max_p95_seconds) == ("http://127.0.0.1:8080", 7)


@pytest.mark.parametrize(
    "flags", [("--url", "http://127.0.0.1:8080"), ("-H", "x-more: 1"), ("--insecure",)]
)
def test_what_a_flag_changes_of_a_target_takes_its_name(flags: tuple[str, ...]) -> None:
    """Evidence names what the file has, and nothing else."""
    assert planned(*flags).target_name is None


def test_another_url_gets_nothing_of_the_files_target() -> None:
    """Neither headers nor tokens go to a service that they are not for."""
    plan = planned("--url", "http://elsewhere.example")
    assert (plan.headers, plan.auth) == ({}, None)


def test_an_address_leads_to_no_other() -> None:
    """Evidence whose connections went elsewhere than its URL says would be refused."""
    assert planned("--resolve", "127.0.0.1").connecting.address == "127.0.0.1"
    with pytest.raises(UsageError, match="leads elsewhere"):
        planned("--resolve", "10.9.9.9")
    assert planned("--target", "staging", "--resolve", "10.9.9.9").connecting.address == "10.9.9.9"


def test_a_limit_is_the_flags_else_the_files_else_the_profiles(tmp_path: Path) -> None:
    """Each by itself, and 0 is a limit like any other."""
    profile = planned("--config", "stressproof.toml").thresholds
    (tmp_path / "limits.toml").write_text(
        "[limits]\nmax_p95_seconds = 7\nmax_error_rate_percent = 3\n"
    )
    file = planned("--config", "limits.toml").thresholds
    flags = ("--max-error-rate", "0", "--min-throughput", "30/m")
    said = planned("--config", "limits.toml", *flags).thresholds
    assert (file.max_p95_seconds, file.max_error_rate_percent) == (7, 3)
    assert file.min_throughput_rps == profile.min_throughput_rps
    assert (said.max_p95_seconds, said.max_error_rate_percent) == (7, 0)
    assert (said.min_throughput_rps, type(said.min_throughput_rps)) == (0.5, float)
