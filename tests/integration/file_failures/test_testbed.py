"""The testbed of a file: what starts, in which order, with which environment, and what is read."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kiosk_project import command
from stressproof.config.compile import load_project
from stressproof.config.failures.testbed import demand_attachable
from stressproof.config.file_failures import plan_failures, planned_failures
from stressproof.errors import RunError, UsageError
from stressproof.failures.conclusions import took_effect
from stressproof.failures.spec import Effects, Invariant
from stressproof.faults.active import ActiveFaults
from stressproof.faults.driver import ScenarioDriver, made_rows
from stressproof.faults.final_read import FinalRead
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.testbed import Testbed
from stressproof.processes import lives, wait_for

HANG_S = 20.0

HEAD = """
[profile.p]
rate = "10/s"
[[profile.p.request]]
name = "read"
path = "/list.json"
"""
TAIL = """
[[failure]]
id = "X-1"
title = "X"
question = "X"
load = "p"
fault = [{ id = "f", kind = "kill", target = "web", lasts = "1s" }]
"""
WEB = """
[testbed]
target = "web"
secrets = ["token"]
pass_env = ["PASSED"]
[testbed.process.web]
run = ["python", "-u", "web.py", "{{port}}"]
workers = 3
ready = { http = "/list.json", within = "20s" }
[testbed.process.web.env]
TOKEN = "{{secret.token}}"
PEER = "{{peer.url}}"
DSN = "{{db.url}}"
N = "{{workers}}"
OWN = "{{scratch}}"
[testbed.proxy.peer]
upstream = "{{other.address}}"
[testbed.process.other]
run = ["python", "-m", "http.server", "--bind", "127.0.0.1", "{{port}}"]
[testbed.postgres.db]
load = ["schema.sql"]
settings = { max_connections = "33" }
"""
SERVER = """
import json, os, sys, http.server
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(os.environ)).encode()
        if self.path != "/env":
            return super().do_GET()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
LIST = {"sales": [{"ref": "r-1", "n": 1}, {"ref": "r-2", "n": 2}], "audit": {"seen": 9, "bad": 1}}


@contextlib.contextmanager
def standing(
    folder: Path, testbed: str = WEB, environment: Mapping[str, str] | None = None
) -> Iterator[Testbed]:
    """Yield what a file says, standing."""
    (folder / "stressproof.toml").write_text(HEAD + testbed + TAIL)
    plan = plan_failures(load_project(folder), {})
    assert plan is not None
    with Testbed(
        ActiveFaults(folder / "active"),
        plan=plan.testbed,
        folder=folder,
        environment={"PATH": os.environ["PATH"], "HIDDEN": "x", **(environment or {})},
    ) as entered:
        yield entered


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project."""
    (tmp_path / "web.py").write_text(SERVER)
    (tmp_path / "list.json").write_text(json.dumps(LIST))
    (tmp_path / "schema.sql").write_text(
        "CREATE TABLE t (ref text); INSERT INTO t VALUES ('none-1'), ('none-1'), ('none-2');"
    )
    return tmp_path


def environment_of(bed: Testbed) -> dict[str, str]:
    """Return the environment that the target was given."""
    found: dict[str, str] = bed.project.request("GET", "/env").json()
    return found


def test_everything_stands_behind_its_proxy_and_inherits_little(folder: Path) -> None:
    """What a process is told of others is their proxies' addresses."""
    with standing(folder, environment={"PASSED": "on", "LANG": "C"}) as bed:
        given = environment_of(bed)
        database = bed.database("db")
        assert database.server is not None
        assert f":{database.proxy.port}/db" in given["DSN"]
        assert f":{database.server.port}/" not in given["DSN"]
        assert given["PEER"] == f"http://127.0.0.1:{bed.proxies['peer'].port}"
        assert given["TOKEN"] == bed.project.secret("token")
        assert len(given["TOKEN"]) > 30
        assert given["PASSED"] == "on"
        assert given["N"] == "3"
        assert Path(given["OWN"]).is_dir()
        assert not Path(given["OWN"]).is_relative_to(folder)
        assert bed.service_environment()["OWN"] == given["OWN"]
        assert "HIDDEN" not in given
        assert database.query("SHOW max_connections") == [("33",)]
        assert set(bed.logs()) == {"web", "other"}
        assert bed.is_healed()
        assert bed.project.pids("web")[0] == bed.service.pid
        processes = [one.family()[0] for one in bed.processes.values()]
    assert not any(map(lives, processes))
    assert not Path(given["OWN"]).exists()


def test_what_is_read_in_the_end_goes_past_all_proxies(folder: Path) -> None:
    """Effects and invariants by SQL, over HTTP and by a command."""
    count = [sys.executable, "-c", "print('none-1 3'); print('none-9 1')"]
    with standing(folder) as bed:
        for text in ("none-1", "none-2", "none-3", "r-1", "r-2"):
            bed.effects.key(text)
        read = FinalRead(bed, {"refs": ["none-2", 7]})
        bed.database("db").proxy.stop()
        sql = "SELECT ref, count(*) FROM t WHERE ref LIKE '{{run}}-%' GROUP BY 1"
        assert read.effects(Effects("db", sql=sql)) == {1: 2, 2: 1}
        listed = Effects("web", http="/list.json", rows="json:sales", effect="json:ref")
        assert read.effects(listed) == {4: 1, 5: 1}
        listed = Effects(
            bed.url, http="/list.json?{{run}}", rows="json:sales", effect="json:ref", count="json:n"
        )
        assert read.effects(listed) == {4: 1, 5: 2}
        assert read.effects(Effects(run=tuple(count))) == {1: 3}
        kept = "SELECT count(*), 0 FROM t WHERE ref = ANY({{kept.refs}}) AND ref LIKE '%2'"
        assert read.invariant(Invariant("i", "I", "db", sql=kept)) == (1, 0)
        audit = Invariant(
            "i",
            "I",
            "web",
            http="/list.json",
            compared="json:audit.seen",
            violations="json:audit.bad",
        )
        assert read.invariant(audit) == (9, 1)
        said = Invariant("i", "I", run=(sys.executable, "-c", "print(4, 2)"))
        assert read.invariant(said) == (4, 2)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Effects("db", sql="SELECT 1"), "expected rows of an effect"),
        (Effects("db", sql="SELECT 'x', -1"), "-1, expected a whole number"),
        (Effects("db", sql="SELEC"), "syntax error"),
        (Effects("web", http="/none", rows="json:a", effect="json:b"), "404"),
        (Effects("web", http="/web.py", rows="json:a", effect="json:b"), "expected JSON"),
        (Effects("web", http="/list.json", rows="json:a", effect="json:b"), "without json:a"),
        (Effects(run=(sys.executable, "-c", "import sys; sys.exit('no')")), "exit 1 no"),
        (Effects(run=(sys.executable, "-c", "print('one')")), "lines of EFFECT COUNT"),
        (Effects(run=("./none",)), "No such file"),
    ],
)
def test_a_read_that_failed_is_no_result(source: Effects, words: str, shared: Testbed) -> None:
    """Whatever keeps it from an answer breaks the run, with what was seen."""
    with pytest.raises(RunError, match="the effects cannot be read") as caught:
        FinalRead(shared, {}).effects(source)
    assert words in caught.value.message


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """Yield a testbed for several tests."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "web.py").write_text(SERVER)
    (folder / "list.json").write_text(json.dumps(LIST))
    (folder / "schema.sql").write_text("CREATE TABLE t (ref text)")
    with standing(folder) as bed:
        yield bed


FAILS = {
    "says why": (
        'run = ["python", "-c", "import sys; sys.exit(\'no such thing\')"]',
        RunError,
        "web did not start (exit code 1)",
        "no such thing",
    ),
    "never serves": (
        """run = ["python", "-c", "import time; print('idle', flush=True); time.sleep(99)"]
ready = { within = "1s" }""",
        RunError,
        "web was not ready within 1 s, waiting for 127.0.0.1:",
        "idle",
    ),
    "no program": (
        'run = ["./none"]',
        UsageError,
        "web cannot be started: ./none",
        "Name a program",
    ),
}


@pytest.mark.parametrize("name", FAILS)
def test_a_start_that_fails_shows_the_last_lines(folder: Path, name: str) -> None:
    """Of whoever did not start; and nothing of the rest stays."""
    lines, kind, message, hint = FAILS[name]
    with (
        pytest.raises(kind) as caught,
        standing(folder, f'[testbed]\ntarget = "web"\n[testbed.process.web]\n{lines}\n'),
    ):
        pass
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_script_that_does_not_load_is_told_with_its_line(folder: Path) -> None:
    """As PostgreSQL tells it."""
    (folder / "schema.sql").write_text("CREATE TABLE a ();\n\nCREATE TABLE b (x nothing);\n")
    with (
        pytest.raises(RunError, match=r"schema.sql, line 3, does not load into db"),
        standing(folder),
    ):
        pass


def test_readiness_by_log_and_by_command(folder: Path) -> None:
    """What a process says, on either stream, or what a command finds."""
    connects = "import socket; socket.create_connection(('127.0.0.1', {{port}}))"
    program = "import sys, time; sys.stderr.write('ready: 1\\\\n'); time.sleep(60)"
    bed = f"""
[testbed]
target = "web"
[testbed.process.web]
run = ["python", "-u", "-c", "{program}"]
ready = {{ log = "^ready: [0-9]$" }}
[testbed.process.other]
run = ["python", "-m", "http.server", "--bind", "127.0.0.1", "{{{{port}}}}"]
ready = {{ run = ["python", "-c", "{connects}"] }}
"""
    with standing(folder, bed) as entered:
        assert set(entered.processes) == {"web", "other"}


def test_an_attached_service_is_left_alone(folder: Path) -> None:
    """Nothing is started, and nothing stopped; what it answers is read."""
    with standing(folder) as ours:
        text = f'[testbed]\nattach = true\nurl = "{ours.url}/attached"\n'
        tail = TAIL.replace(
            'fault = [{ id = "f", kind = "kill", target = "web", lasts = "1s" }]',
            'fault = [{ id = "f", kind = "race", send = { request = "read", times = 3 }, '
            'lasts = "1s" }]',
        )
        beside = folder / "attached"
        beside.mkdir()
        (beside / "stressproof.toml").write_text(HEAD + text + tail)
        plan = plan_failures(load_project(beside), {})
        assert plan is not None
        with Testbed(
            ActiveFaults(folder / "active2"), plan=plan.testbed, folder=beside, environment={}
        ) as attached:
            assert (attached.host, attached.port) == (ours.host, ours.port)
            assert attached.processes == {}
            assert "attach = true" in attached.project.request("GET", "/stressproof.toml").text
            attached.demand_service()
            assert attached.is_healed()
        assert environment_of(ours)
        with pytest.raises(RunError, match="answered with 404, expected 200"):
            ours.project.request("GET", "/none")


def test_a_service_under_tls_is_not_attached() -> None:
    """The load of failures speaks plainly, and says so."""
    with pytest.raises(UsageError, match="is HTTPS, and failures are asked for over plain HTTP"):
        demand_attachable("https://127.0.0.1:8443")


def test_a_process_that_ends_by_itself_stops_everything(folder: Path) -> None:
    """Whichever it is; one that we ended is no such thing."""
    with standing(folder) as bed:
        bed.processes["other"].kill()
        bed.demand_service()
        bed.processes["other"].start()
        os.kill(bed.processes["other"].pid, 9)
        with pytest.raises(RunError, match=r"other ended by itself \(killed by SIGKILL\)"):
            wait_for("its end", lambda: bed.demand_service() or False, HANG_S)


def test_a_proxy_that_runs_already_is_switched_and_switched_back(folder: Path) -> None:
    """By its API, each toxic with an end of its own; what it counted proves it."""
    with standing(folder) as ours:
        upstream = ours.places.direct("web").removeprefix("http://")
        words = ("proxy", f"0={upstream}", "--api", "127.0.0.1:0")
        with subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True) as proxy:
            assert proxy.stdout is not None
            listen = proxy.stdout.readline().split()[1]
            api = proxy.stdout.readline().split("http://")[1].strip()
            try:
                _demand_switched(folder, listen, api)
            finally:
                proxy.terminate()


def _demand_switched(folder: Path, listen: str, api: str) -> None:
    beside = folder / "attached"
    beside.mkdir()
    text = f"""
[testbed]
attach = true
url = "http://{listen}"
[testbed.proxy.front]
control = "{api}"
name = "0"
"""
    tail = TAIL.replace('kind = "kill", target = "web"', 'kind = "latency", target = "front"')
    (beside / "stressproof.toml").write_text(HEAD + text + tail)
    plan = plan_failures(load_project(beside), {})
    assert plan is not None
    [fault] = plan.scenarios[0].faults
    active = ActiveFaults(folder / "active2")
    with Testbed(active, plan=plan.testbed, folder=beside, environment={}) as bed:
        assert bed.proxy_path.startswith("before front")
        one = ProxyFault(fault, bed.switchable(fault))
        one.inject(active)
        began = time.monotonic()
        assert bed.project.request("GET", "/list.json").json() == LIST
        assert time.monotonic() - began > 1.5
        one.remove()
        assert all(took_effect(witness) for witness in one.witnesses())
        assert bed.switchable(fault).state()["toxics"] == []
    (beside / "stressproof.toml").write_text(HEAD + text.replace('"0"', '"none"') + tail)
    plan = plan_failures(load_project(beside), {})
    assert plan is not None
    with (
        pytest.raises(UsageError, match="has no proxy none"),
        Testbed(active, plan=plan.testbed, folder=beside, environment={}),
    ):
        pass


PREPARE = """
def good(bed):
    return {"rows": [{"text": bed.effect()}]}
def broken(bed):
    return 1 // 0
def refused(bed):
    bed.request("GET", "/none")
def number(bed):
    return 3
def text(bed):
    return {"rows": "abc"}
def bare(bed):
    return {"rows": [1]}
"""


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("broken", RunError, "prepare.py:5: ZeroDivisionError"),
        ("refused", RunError, "GET /none was answered with 404"),
        ("number", UsageError, "prepare.py:number returns a int, expected tables of rows"),
        ("text", UsageError, "returns rows, a str"),
        ("bare", UsageError, "returns rows with 1 items, not all of them rows"),
        ("god", UsageError, "prepare.py has no god"),
    ],
)
def test_a_prepare_that_makes_no_rows_is_told(
    shared: Testbed, name: str, kind: type[Exception], words: str
) -> None:
    """With the line of the project's own file where it broke."""
    (shared.folder / "prepare.py").write_text(PREPARE)
    assert list(made_rows(shared, "prepare.py:good")) == ["rows"]
    with pytest.raises(kind) as caught:
        made_rows(shared, f"prepare.py:{name}")
    assert words in str(caught.value)


def test_a_proxy_leads_to_https_elsewhere_only_where_that_is_allowed(folder: Path) -> None:
    """What is beyond loopback is the operator's to allow; it is said before anything is asked."""
    bed = WEB.replace('"{{other.address}}"', '"https://bank.example:443"\nprotocol = "http"')
    with (
        pytest.raises(UsageError, match=r"loopback only, and 'bank\.example'") as refused,
        standing(folder, bed),
    ):
        pass
    assert "--allow-upstream" in refused.value.hint


ROWS = """
import time
made = []

def rows(testbed):
    made.append(time.monotonic())
    return {"things": [{"effect": testbed.effect(), "made": len(made), "at": made[-1]}]}
"""


def test_rows_that_have_to_ripen_are_made_once_and_used_no_sooner(folder: Path) -> None:
    """Made early they ripen while others run; of a scenario that waits for none, when it begins."""
    (folder / "rows.py").write_text(ROWS)
    request = 'json = { at = "{{things.at}}" }\neffect = "{{things.effect}}"\nmethod = "POST"\n'
    effects = '[effects]\nfrom = "db"\nsql = "SELECT ref, 1 FROM t"\n'
    ripe = 'prepare = "rows.py:rows"\nripe = "2s"\nfault'
    text = HEAD + request + WEB + effects + TAIL.replace("fault", ripe, 1)
    (folder / "stressproof.toml").write_text(text)
    plan = planned_failures(load_project(folder), {})
    [spec] = plan.scenarios
    with Testbed(
        ActiveFaults(folder / "active"), plan=plan.testbed, folder=folder, environment=os.environ
    ) as bed:
        for early in (True, False):
            driver = ScenarioDriver(bed, "r", spec=spec, load=plan.loads["X-1"], seed=1)
            if early:
                driver.prepare_early()
            driver.prepare()
            asked = driver.requests()["read"]()
            assert time.monotonic() - float(json.loads(asked.body)["at"]) >= 2
            assert asked.key == 1
            with pytest.raises(RunError, match="no row of things is left"):
                driver.requests()["read"]()
