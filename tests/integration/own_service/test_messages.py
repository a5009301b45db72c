"""The common mistakes, each with its whole message and its exit code.

A message says what was seen, what was expected and what to do. One that changes is read again here.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from shop_service import Shop, running_shop
from stressproof.cli.main import command
from stressproof.cli.run import run
from stressproof.exits import Exit
from tls_authorities import Authority

HERE = Path(__file__).resolve()
CAPTURE_USAGE = """\
Usage: stressproof capture [OPTIONS] [URL]
Try 'stressproof capture --help' for help.
"""
NOT_RUN = "NOT RUN (exit 4): preflight failed, no load was sent. "


class Services(NamedTuple):
    """What the mistakes are made with.

    Attributes:
        plain: A shop over HTTP.
        secure: A shop whose certificate nobody knows.
        port: A port at which nothing listens.
    """

    plain: Shop
    secure: Shop
    port: int

    def filled(self, text: str) -> str:
        """Return a text with this run's URLs."""
        for name, shop in (("plain", self.plain), ("secure", self.secure)):
            scheme, _, place = shop.url.partition("://")
            text = text.replace(f"{{{name}}}", f"{scheme}://{place}").replace(
                f"{{{name}_place}}", place
            )
        return text.replace("{port}", str(self.port))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Both shops, for all mistakes together."""
    folder = tmp_path_factory.mktemp("authority")
    tls = Authority.make(folder).server_context(folder)
    with socket.socket() as taken, running_shop() as plain, running_shop(tls) as secure:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield Services(plain, secure, taken.getsockname()[1])


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", "/nonexistent")
    for name in [name for name in os.environ if name.startswith(("STRESSPROOF_", "ENFORCEMENT_"))]:
        monkeypatch.delenv(name)


class Mistake(NamedTuple):
    """One mistake.

    Attributes:
        what: In a few words; the test's name.
        arguments: After ``stressproof``, as a shell would split them; ``{plain}`` is a URL.
        code: What it ends with.
        message: All of stderr, or the last line of stdout where it begins with a verdict.
        files: What lies in the folder.
    """

    what: str
    arguments: tuple[str, ...]
    code: Exit
    message: str
    files: dict[str, str] = {}  # noqa: RUF012  # never written to


def capture(*more: str) -> tuple[str, ...]:
    """Return a short capture."""
    return ("capture", *more, "--duration", "1s", "--ramp", "0")


OF_NO_SUITE = {
    "stressproof.toml": "[suite]\nuse = 'mine.py:PLAIN'\n",
    "mine.py": "from stressproof.suite import PLAIN\n",
}
MISTAKES = [
    # Where the service is.
    Mistake(
        "wrong scheme",
        capture("htp://h/"),
        Exit.USAGE,
        "stressproof: 'htp://h/' is no URL of a service\n"
        "  Write it with its scheme, as http://h/.\n",
    ),
    Mistake(
        "no scheme",
        capture("127.0.0.1:8080/orders"),
        Exit.USAGE,
        "stressproof: '127.0.0.1:8080/orders' is no URL of a service\n"
        "  Write it with its scheme, as http://127.0.0.1:8080/orders.\n",
    ),
    *(
        Mistake(
            f"a URL with {how}",
            capture(text),
            Exit.USAGE,
            f"stressproof: {text!r} is no URL of a service\n  Write it with its scheme, as http://h/.\n",
        )
        for how, text in (
            ("quotes in it", '"http://h/"'),
            ("typographic quotes", "\u201chttp://h/\u201d"),
            ("one slash", "http:/h/"),
            ("no colon", "http//h/"),
            ("no name of a scheme", "//h/"),
        )
    ),
    Mistake(
        "a typographic dash",
        capture("{plain}/catalog", "\u2013max-vus", "2"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Got unexpected extra arguments (\u2013max-vus 2)\n"
        "  '\u2013max-vus' begins with another dash than options do: write --max-vus\n",
    ),
    Mistake(
        "https to a plain port",
        capture("https://{plain_place}/"),
        Exit.TARGET,
        f"{NOT_RUN}That port speaks no TLS: write the URL with http://.",
    ),
    Mistake(
        "http to a TLS port",
        capture("http://{secure_place}/"),
        Exit.TARGET,
        f"{NOT_RUN}What listens at http://{{secure_place}} does not answer in HTTP. "
        "If it speaks TLS, write {secure}.",
    ),
    Mistake(
        "nothing listens",
        capture("http://127.0.0.1:{port}/"),
        Exit.TARGET,
        f"{NOT_RUN}Is the service running at http://127.0.0.1:{{port}}?",
    ),
    Mistake(
        "no such name",
        capture("http://absent.invalid/"),
        Exit.TARGET,
        f"{NOT_RUN}No such name is known here: check its spelling, or add --resolve ADDRESS.",
    ),
    Mistake(
        "401",
        capture("{plain}/me"),
        Exit.TARGET,
        f"{NOT_RUN}The service refuses the credentials: set STRESSPROOF_TOKEN to a valid token, "
        "or send what it asks for with -H 'NAME: @FILE'.",
    ),
    Mistake(
        "404",
        capture("{plain}/absent"),
        Exit.TARGET,
        f"{NOT_RUN}The service has no such page. "
        "Compare --profile and --endpoint with what this service offers.",
    ),
    Mistake(
        "a certificate that nobody knows",
        capture("{secure}/"),
        Exit.TARGET,
        f"{NOT_RUN}Nobody trusted signed its certificate: add --ca-file FILE, or --insecure to "
        "accept any.",
    ),
    Mistake(
        "a file of certificates that is not there",
        capture("{secure}/", "--ca-file", "absent.pem"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--ca-file': File 'absent.pem' does not "
        "exist.\n",
    ),
    Mistake(
        "a file of certificates that holds none",
        capture("{secure}/", "--ca-file", "empty.pem"),
        Exit.USAGE,
        "stressproof: the authorities in empty.pem cannot be read: no certificate or crl found\n"
        "  name a file of certificates in PEM form\n",
        {"empty.pem": "nothing\n"},
    ),
    Mistake(
        "certificates over plain HTTP",
        capture("{plain}/", "--insecure"),
        Exit.USAGE,
        "stressproof: {plain} is plain HTTP, which knows no certificates\n"
        "  leave certificates out, or write https://\n",
    ),
    # What is asked of it.
    Mistake(
        "a path without its slash",
        capture("--url", "{plain}", "--endpoint", "catalog"),
        Exit.USAGE,
        "stressproof: 'catalog' is no path\n  Write it as /catalog.\n",
    ),
    Mistake(
        "an empty endpoint",
        capture("--url", "{plain}", "--endpoint", ""),
        Exit.USAGE,
        "stressproof: an endpoint is empty\n  Write a path, such as --endpoint /orders.\n",
    ),
    Mistake(
        "a method in small letters",
        capture("--url", "{plain}", "--endpoint", "post /orders"),
        Exit.USAGE,
        "stressproof: 'post /orders' begins with no method\n  Write it as 'POST /orders'.\n",
    ),
    Mistake(
        "a URL of another service",
        capture("--url", "{plain}", "--endpoint", "{secure}/x"),
        Exit.USAGE,
        "stressproof: {secure}/x is of another service than {plain_place}\n"
        "  One capture loads one service; capture the other by itself.\n",
    ),
    Mistake(
        "a status that is none",
        capture("{plain}/", "--expect", "2001"),
        Exit.USAGE,
        "stressproof: --expect '2001' is no final status\n  Write 201, or 200,404, or 2xx.\n",
    ),
    Mistake(
        "a check that is none",
        capture("{plain}/", "--check", "jsn:id"),
        Exit.USAGE,
        "stressproof: the response check 'jsn:id' cannot be read\n"
        "  write json, json:member, json:member=true, json:!error, text:words, regex:pattern, "
        "header:name or size<=64KiB\n",
    ),
    Mistake(
        "JSON that is none",
        capture("{plain}/orders", "--json", "{{sku: a}}".replace("{{", "{").replace("}}", "}")),
        Exit.USAGE,
        "stressproof: --json is no JSON: JSON is malformed: object keys must be strings (byte 1)\n"
        "  Quote it for the shell, or name a file: @FILE.\n",
    ),
    # Flags.
    Mistake(
        "a command misspelt",
        ("captrue",),
        Exit.USAGE,
        "Usage: stressproof [OPTIONS] COMMAND [ARGS]...\nTry 'stressproof --help' for help.\n"
        "stressproof: there is no command 'captrue'. Did you mean 'capture'?\n",
    ),
    Mistake(
        "a flag misspelt",
        capture("{plain}/", "--threshhold", "x"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: there is no option --threshhold. "
        "Did you mean '--threshold'?\n",
    ),
    *(
        Mistake(
            f"{theirs}, as others call it",
            capture("{plain}/", theirs, "5"),
            Exit.USAGE,
            f"{CAPTURE_USAGE}stressproof: there is no option {theirs}. Here it is {ours}.\n",
        )
        for theirs, ours in {
            "--vus": "--users",
            "-u": "--users",
            "--rps": "--rate",
            "-t": "--duration",
            "--run-time": "--duration",
            "--threads": "--workers",
            "-k": "--insecure",
        }.items()
    ),
    Mistake(
        "k6's short flag for a time",
        capture("{plain}/", "-d", "30s"),
        Exit.USAGE,
        "stressproof: -d 30s is a body, as curl has it, and no time\n"
        "  Write --duration 30s, or --data @FILE for a body that reads like a time.\n",
    ),
    Mistake(
        "an executor misspelt",
        capture("{plain}/", "--executor", "constant-arival-rate"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--executor': 'constant-arival-rate' is "
        "none of constant-vus, ramping-vus, constant-arrival-rate, ramping-arrival-rate, "
        "shared-iterations, per-vu-iterations. Did you mean 'constant-arrival-rate'?\n",
    ),
    Mistake(
        "an executor without its rate",
        capture("{plain}/", "--executor", "constant-arrival-rate"),
        Exit.USAGE,
        "stressproof: --executor constant-arrival-rate needs --rate\n  Add --rate.\n",
    ),
    Mistake(
        "a flag that an executor has no use for",
        capture("{plain}/", "--max-vus", "5"),
        Exit.USAGE,
        "stressproof: --max-vus means nothing to --executor constant-vus\n"
        "  Leave it out, or choose the executor that it belongs to.\n",
    ),
    Mistake(
        "a unit misspelt",
        ("capture", "{plain}/", "--duration", "30sec"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--duration': '30sec' is not a duration "
        "above 0. Write it as 30s, 2m, 1m30s or 500ms.\n",
    ),
    Mistake(
        "a rate's unit misspelt",
        capture("{plain}/", "--rate", "200/sec"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--rate': '200/sec' is not a rate. Write "
        "it as 200, 200/s, 0.5/s, 30/m or 1/60s.\n",
    ),
    Mistake(
        "no rate at all",
        capture("{plain}/", "--rate", "0"),
        Exit.USAGE,
        "stressproof: a rate of 0/s sends nothing\n  choose a rate such as 200/s or 1/60s\n",
    ),
    Mistake(
        "no time at all",
        ("capture", "{plain}/", "--duration", "0"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--duration': 0 is out of range, expected "
        "1s to 168h\n",
    ),
    Mistake(
        "a time below nothing",
        ("capture", "{plain}/", "--duration", "-5s"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--duration': '-5s' is not a duration "
        "above 0. Write it as 30s, 2m, 1m30s or 500ms.\n",
    ),
    Mistake(
        "half a second",
        ("capture", "{plain}/", "--duration", "1500ms"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--duration': 1500ms is not in whole "
        "seconds, as rounds are measured\n",
    ),
    Mistake(
        "a million users",
        capture("{plain}/", "--users", "1000000"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--users': 1000000 is out of range, "
        "expected 1 to 20000\n",
    ),
    Mistake(
        "fewer users than none",
        capture("{plain}/", "--users", "-3"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--users': -3 is out of range, expected "
        "1 to 20000\n",
    ),
    Mistake(
        "users that are no number",
        capture("{plain}/", "--users", "ten"),
        Exit.USAGE,
        f"{CAPTURE_USAGE}stressproof: Invalid value for '--users': 'ten' is not a whole number\n",
    ),
    # Thresholds.
    Mistake(
        "a metric misspelt",
        capture("{plain}/", "--threshold", "http_req_duraton: p(95) < 1s"),
        Exit.USAGE,
        "stressproof: there is no metric 'http_req_duraton'\n"
        "  http_req_duraton\n  ^^^^^^^^^^^^^^^^\n  Did you mean 'http_req_duration'?\n",
    ),
    Mistake(
        "a measure misspelt",
        capture("{plain}/", "--threshold", "http_req_duration: p95 < 1s"),
        Exit.USAGE,
        "stressproof: there is no measure 'p95'\n  http_req_duration: p95 < 1s\n"
        "                     ^^^\n  Did you mean 'p(95)'?\n",
    ),
    Mistake(
        "a threshold without its metric",
        capture("{plain}/", "--threshold", "p(95) < 1s"),
        Exit.USAGE,
        "stressproof: expected a metric, a colon and an expression\n  p(95) < 1s\n"
        "   ^^^^^^^^^\n  For example: http_req_duration{{name:/path}}: p(95) < 200ms.\n".replace(
            "{{", "{"
        ).replace("}}", "}"),
    ),
    # Files.
    Mistake(
        "no file",
        ("check",),
        Exit.USAGE,
        "stressproof: there is no stressproof.toml here, and no --threshold was given\n"
        "  Name a file, or let stressproof init write one.\n",
    ),
    Mistake(
        "a file that is not there",
        ("check", "absent.toml"),
        Exit.USAGE,
        "stressproof: absent.toml: cannot be read: No such file or directory\n"
        "  Name a configuration file; stressproof init writes one.\n",
    ),
    Mistake(
        "TOML that is none",
        ("check", "bad.toml"),
        Exit.USAGE,
        "stressproof: bad.toml:1: not TOML: Expected ']' at the end of a table declaration\n"
        "  [target\n         ^\nbad.toml: one mistake\n",
        {"bad.toml": "[target\nurl = 1\n"},
    ),
    Mistake(
        "keys misspelt",
        ("check", "bad.toml"),
        Exit.USAGE,
        "stressproof: bad.toml:3: target.urll: there is no key 'urll' here\n"
        "  urll = 'x'\n  ^^^^\n  Did you mean 'url'?\n"
        "bad.toml:4: treshold: there is no key 'treshold' here\n"
        "  [treshold]\n   ^^^^^^^^\n  Did you mean 'thresholds'?\nbad.toml: 2 mistakes\n",
        {"bad.toml": "[target]\nurl = 'http://h'\nurll = 'x'\n[treshold]\n"},
    ),
    Mistake(
        "a threshold that is a number",
        ("check", "bad.toml"),
        Exit.USAGE,
        "stressproof: bad.toml:2: thresholds.foo: expected a text or a table or a list, got a "
        "whole number\n  foo = 3\n  ^^^\n  Write it in quotes, with its unit where it has one: "
        '"300ms", "20/s", "16KiB".\nbad.toml: one mistake\n',
        {"bad.toml": "[thresholds]\nfoo = 3\n"},
    ),
    Mistake(
        "a text for a table",
        ("check", "bad.toml"),
        Exit.USAGE,
        "stressproof: bad.toml:3: testbed.process.web.ready: expected a table, got a text\n"
        "  ready = '/up'\n  ^^^^^\n  Write { key = … }; there are http, tcp, log, run, within.\n"
        "bad.toml: one mistake\n",
        {"bad.toml": "[testbed.process.web]\nrun = ['web']\nready = '/up'\n"},
    ),
    Mistake(
        "evidence that is not there",
        ("verify", "absent.json"),
        Exit.INCONCLUSIVE,
        "INCONCLUSIVE  stress evidence: 0 rules hold, 1 could not be decided  exit 3",
    ),
    Mistake(
        "a folder for evidence",
        ("verify", "."),
        Exit.EVIDENCE,
        "FAIL  stress evidence: 0 rules hold, 1 does not  exit 6",
    ),
    Mistake(
        "a folder that cannot be written",
        capture("{plain}/", "--out", "/proc/1/x.json"),
        Exit.OUTPUT,
        "stressproof: cannot write /proc/1/x.json: No such file or directory\n"
        "  Name a file in a folder that exists or can be made, and that this user may write.\n",
    ),
    Mistake(
        "a folder in the place of a file",
        capture("{plain}/", "--out", "."),
        Exit.OUTPUT,
        "stressproof: cannot write .: it exists and is not a regular file\n"
        "  Name a file in a folder that exists or can be made, and that this user may write.\n",
    ),
    Mistake(
        "a file that is there",
        ("init", "{plain}/"),
        Exit.USAGE,
        "stressproof: stressproof.toml is there and is not overwritten\n"
        "  Write elsewhere with --out FILE, or discard it with --force.\n",
        {"stressproof.toml": ""},
    ),
    # Gates.
    Mistake(
        "a gate without its file",
        ("gate", "release"),
        Exit.USAGE,
        "stressproof: stressproof.toml is not there, so the gate would check nothing\n"
        '  Write and commit for example: [gate] steps = [{ name = "tests", run = ["python", "-m", '
        '"pytest", "-q"] }]\n',
    ),
    Mistake(
        "an injection without its file",
        ("inject", "--dry-run"),
        Exit.USAGE,
        "stressproof: the suite plain has no file of failures, so there is nothing to inject\n"
        "  Write [testbed] and [[failure]] into stressproof.toml.\n",
        OF_NO_SUITE,
    ),
    Mistake(
        "one who approves of oneself, and evidence by the word of a capture",
        ("inject", "--out", "f.json", "--executed-by", "ada", "--approved-by", "ada"),
        Exit.USAGE,
        "stressproof: 'ada' cannot approve what 'ada' executed\n"
        "  Name somebody else with --approved-by.\n",
    ),
    Mistake(
        "a port that is none",
        ("proxy", "99999=127.0.0.1:5432"),
        Exit.USAGE,
        "stressproof: '99999' is no address\n"
        "  Write host:port, a port up to 65,535: 127.0.0.1:5432.\n",
    ),
    Mistake(
        "a profile that is not there",
        capture("--url", "{plain}", "--profile", "shop"),
        Exit.USAGE,
        "stressproof: there is no profile 'shop'\n"
        "  No stressproof.toml here has profiles; the suite plain has health, health_deep.\n",
        OF_NO_SUITE,
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_is_answered_in_words_that_help(
    services: Services, capsys: pytest.CaptureFixture[str], mistake: Mistake
) -> None:
    """The whole message and the code, and nothing is left where nothing was done."""
    for name, content in mistake.files.items():
        Path(name).write_text(content)
    arguments = [services.filled(one) for one in mistake.arguments]
    code = run(command, "stressproof", arguments)
    told = capsys.readouterr()
    expected = services.filled(mistake.message)
    if expected.endswith("\n"):
        assert (code, told.err) == (mistake.code, expected)
        assert told.out == ""
        assert {one.name for one in Path().iterdir()} == set(mistake.files)
    else:
        assert (code, told.out.splitlines()[-1]) == (mistake.code, expected)
    assert "enforcement" not in told.err + told.out
