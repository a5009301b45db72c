"""``stressproof init``: a file to begin with, from whatever a project has."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from shop_service import API_KEY, Shop, running_shop
from stressproof.cli.main import command
from stressproof.cli.run import run
from stressproof.exits import Exit
from tls_authorities import Authority


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def init(*arguments: object) -> int:
    """Run the command in this process, as its own would."""
    return run(command, "stressproof", ["init", *map(str, arguments)])


def drafted(name: str = "stressproof.toml") -> dict[str, Any]:
    """Return the file that was written."""
    return tomllib.loads(Path(name).read_text())


def test_a_url_is_asked_once_and_written_down(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer decides what is checked; the words say what comes next."""
    assert init(f"{shop.url}/catalog?page=1") == Exit.PASS
    file = drafted()
    assert file["target"] == {"url": shop.url}
    assert file["profile"]["main"]["request"] == [{"path": "/catalog?page=1", "check": ["json"]}]
    assert shop.served == {"GET /catalog": 1}
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "stressproof.toml: 1 request to ask",
        "Next: stressproof check --once",
    ]
    assert told.err == ""


def test_a_url_is_asked_for_where_none_is_named(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be typed, or come from a pipe; nothing at all is a usage error."""
    with Path("typed").open("w+") as typed:
        typed.write(f"  {shop.url}/\n")
        typed.seek(0)
        monkeypatch.setattr("sys.stdin", typed)
        assert init() == Exit.PASS
        assert drafted()["profile"]["main"]["request"] == [{"path": "/"}]
        assert "URL of the service" in capsys.readouterr().err
        assert init("--force") == Exit.USAGE
        assert "no service is named" in capsys.readouterr().err


def test_a_service_that_wants_credentials_gets_a_variable(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was refused is said; what a header carries stays outside of the file."""
    assert init(f"{shop.url}/me") == Exit.PASS
    assert drafted()["target"]["auth"] == {"bearer": "${API_TOKEN}"}
    assert "GET /me was answered 401" in capsys.readouterr().out
    assert init(f"{shop.url}/me", "-H", "Authorization: Bearer my-token", "--force") == Exit.PASS
    assert shop.headers["authorization"] == "Bearer my-token"
    assert "my-token" not in Path("stressproof.toml").read_text()
    assert "set API_TOKEN: the header Authorization" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("where", "code", "said"),
    [
        ("{url}/absent", Exit.TARGET, "was answered 404"),
        ("http://127.0.0.1:1/", Exit.TARGET, "Is the service running at http://127.0.0.1:1?"),
        ("http://absent.invalid/", Exit.TARGET, "--resolve ADDRESS"),
        ("{tls}/", Exit.TARGET, "speaks no TLS"),
        ("127.0.0.1:8080", Exit.USAGE, "http://127.0.0.1:8080"),
    ],
)
def test_what_does_not_answer_is_not_written_down(
    shop: Shop, capsys: pytest.CaptureFixture[str], where: str, code: Exit, said: str
) -> None:
    """Nothing is written of a service that is not there; the remedy is about what was seen."""
    url = where.format(url=shop.url, tls=shop.url.replace("http:", "https:"))
    assert init(url) == code
    assert said in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_a_description_is_fetched_and_read(
    shop: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """From a URL or a file; its server is where it came from, unless a URL is named."""
    description = {
        "openapi": "3.1.0",
        "info": {"title": "Shop"},
        "paths": {
            "/catalog": {"get": {"summary": "All of it"}},
            "/orders": {"post": {"requestBody": {"content": {"application/json": {}}}}},
        },
    }
    shop.pages["GET /openapi.json"] = (200, "application/json", json.dumps(description).encode())
    assert init("--openapi", f"{shop.url}/openapi.json") == Exit.PASS
    assert drafted()["target"]["url"] == shop.url
    assert capsys.readouterr().out.startswith(
        "stressproof.toml: 1 request to ask, 1 as comments, each with its reason\n"
    )
    (tmp_path / "api.json").write_text(json.dumps(description))
    assert init("--openapi", "api.json", "http://mine:1/", "--out", "b.toml", "--all") == Exit.PASS
    assert drafted("b.toml")["target"]["url"] == "http://mine:1"
    assert len(drafted("b.toml")["profile"]["main"]["request"]) == 2
    assert "Next: stressproof check b.toml --once" in capsys.readouterr().out
    shop.pages["GET /docs"] = (200, "text/html", b"<!doctype html>")
    assert init("--openapi", f"{shop.url}/docs", "--force") == Exit.USAGE
    assert "a page for people" in capsys.readouterr().err


def test_commands_come_from_flags_files_and_stdin(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is one more request; who typed a POST meant it."""
    Path("more.sh").write_text(f"curl {shop.url}/b\n\n# and\ncurl {shop.url}/c -d a=1\n")
    with Path("typed").open("w+") as typed:
        typed.write(f"curl {shop.url}/d")
        typed.seek(0)
        monkeypatch.setattr("sys.stdin", typed)
        curls = ("--curl", f"curl {shop.url}/a", "--curl", "@more.sh", "--curl", "-")
        assert init(*curls) == Exit.PASS
    asked = drafted()["profile"]["main"]["request"]
    assert [one["path"] for one in asked] == ["/a", "/b", "/c", "/d"]
    assert shop.served == {}, "a command is read and not run"


def test_a_file_that_is_there_is_kept(
    shop: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing is overwritten without --force; a link that leads nowhere is there too."""
    Path("stressproof.toml").write_text("mine")
    assert init(f"{shop.url}/") == Exit.USAGE
    assert "stressproof.toml is there and is not overwritten" in capsys.readouterr().err
    assert Path("stressproof.toml").read_text() == "mine"
    assert shop.served == {}, "before anything is asked"
    Path("dangling.toml").symlink_to("nowhere")
    assert init(f"{shop.url}/", "--out", "dangling.toml") == Exit.USAGE
    assert init(f"{shop.url}/", "--force") == Exit.PASS
    assert drafted()["target"]["url"] == shop.url
    assert init(f"{shop.url}/", "--out", "/proc/1/x.toml") == Exit.OUTPUT


def test_the_file_can_go_to_stdout(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Then stdout is the file's alone."""
    assert init(f"{shop.url}/", "--out", "-") == Exit.PASS
    told = capsys.readouterr()
    assert tomllib.loads(told.out)["target"]["url"] == shop.url
    assert "1 request to ask" in told.err
    assert list(Path().iterdir()) == []


def test_a_certificate_that_nobody_knows_is_told_and_can_be_trusted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The flags that helped are part of the file."""
    authority = Authority.make(tmp_path)
    with running_shop(authority.server_context(tmp_path)) as secure:
        assert init(f"{secure.url}/") == Exit.TARGET
        assert "--ca-file" in capsys.readouterr().err
        assert init(f"{secure.url}/", "--ca-file", authority.file) == Exit.PASS
        assert drafted()["target"]["ca_file"] == str(authority.file)
        assert init(f"{secure.url}/", "--insecure", "--force") == Exit.PASS
        assert drafted()["target"]["insecure"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--har", "a.har", "--openapi", "b"), "--openapi and --har are two beginnings"),
        (("--har", "absent.har"), "the file 'absent.har' cannot be read"),
        (("--har", "."), "cannot be read: Is a directory"),
        (("--openapi", "absent.json"), "the file 'absent.json' cannot be read"),
        (("--curl", "@absent"), "the file 'absent' cannot be read"),
        (("--curl", "curl http://h/", "http://h"), "both name a service"),
        (("http://h/", "--profile", "a b"), "--profile 'a b' is no name"),
        (("ftp://h/",), "is no URL of a service"),
        (("http://h/", "-H", "no colon"), "a --header has no colon"),
        (("--opneapi", "x"), "there is no option --opneapi. Did you mean '--openapi'?"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    """Exit 2, before anything is sent or written."""
    assert init(*arguments) == Exit.USAGE
    assert said in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_no_secret_of_a_key_reaches_the_file(shop: Shop) -> None:
    """Neither header nor query, from flags or from commands."""
    line = f"curl '{shop.url}/orders?api_key={API_KEY}' -H 'x-api-key: {API_KEY}' --json '{{}}'"
    assert init("--curl", line) == Exit.PASS
    assert API_KEY not in Path("stressproof.toml").read_text()
    assert drafted()["target"]["headers"] == {"x-api-key": "${API_KEY}"}
