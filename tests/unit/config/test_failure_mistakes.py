"""Mistakes in failures of ``stressproof.toml``: each is told with its place and its remedy."""

from pathlib import Path
from typing import NamedTuple

import pytest

from stressproof.config.compile import resolve
from stressproof.config.config_file import read_config
from stressproof.config.mistakes import ConfigError
from stressproof.config.mistakes import Mistake as Found
from stressproof.config.reading import Source
from stressproof.failures.checks import CHECKS
from stressproof.failures.fault_kinds import FAULT_KINDS

pytestmark = pytest.mark.gate

FOLDER = Path(__file__).parent / "shop"
SHOP = (FOLDER / "stressproof.toml").read_text()


class Mistake(NamedTuple):
    """One mistake in the shop's file.

    Attributes:
        old: What the file says, once.
        new: What is written instead.
        where: The place that is told.
        shown: What the caret is below.
        message: What was seen and what was expected.
        hint: A part of the remedy.
    """

    old: str
    new: str
    where: str
    shown: str
    message: str
    hint: str


LATENCY = 'kind = "latency"\ntarget = "db"\nlatency = "1.5s"\nstream = "upstream"'

MISTAKES = [
    Mistake(
        'target = "shop"\nsecrets',
        'target = "shopp"\nsecrets',
        "testbed.target",
        "target",
        "there is no process 'shopp'",
        "Did you mean 'shop'?",
    ),
    Mistake(
        'target = "shop"\nsecrets',
        "secrets",
        "testbed",
        "testbed",
        "nothing says what the load talks to",
        "Write target = a process.",
    ),
    Mistake(
        'target = "shop"\nsecrets',
        'target = "shop"\nurl = "http://127.0.0.1:1"\nsecrets',
        "testbed.url",
        "url",
        "a URL is for what runs already",
        "Write attach = true too.",
    ),
    Mistake(
        'secrets = ["token"]',
        'secrets = ["tokens"]',
        "testbed.process.shop.env.TOKEN",
        "TOKEN",
        "there is no secret 'token'",
        "Did you mean 'tokens'?",
    ),
    Mistake(
        'load = ["schema.sql"]',
        'load = ["../schema.sql"]',
        "testbed.postgres.db.load[0]",
        '"../schema.sql"',
        "'../schema.sql' is no file of the project",
        "Name a file beside stressproof.toml, and keep it there.",
    ),
    Mistake(
        'load = ["schema.sql"]',
        'load = ["absent.sql"]',
        "testbed.postgres.db.load[0]",
        '"absent.sql"',
        "there is no file 'absent.sql' beside the file",
        "",
    ),
    Mistake(
        'disk = "160MiB"',
        'disk = "1MiB"',
        "testbed.postgres.db.disk",
        "disk",
        "'1MiB' is no size from 128MiB to 4GiB",
        "Such as 160MiB.",
    ),
    Mistake(
        'run = ["python", "bank.py", "{{port}}"]',
        'run = ["python", "bank.py", "{{prot}}"]',
        "testbed.process.bank.run[2]",
        '"{{prot}}"',
        "{{prot}} means nothing here",
        "There are {{port}}, {{workers}}, {{scratch}}, {{secret.NAME}} and {{NAME.url}} of others.",
    ),
    Mistake(
        'run = ["python", "bank.py", "{{port}}"]',
        'run = ["python", "bank.py", "{{workers}}"]',
        "testbed.process.bank.run[2]",
        '"{{workers}}"',
        "nothing says how many workers it has",
        "Write workers = 2 too.",
    ),
    Mistake(
        'run = ["python", "bank.py", "{{port}}"]',
        'run = ["python", "bank.py", "{{shop.url}}"]',
        "testbed.process.shop",
        "shop",
        "shop before bank before charges before shop: nothing of it could start first",
        "Give one of them an address that it does not need at its start.",
    ),
    Mistake(
        'run = ["python", "bank.py", "{{port}}"]',
        'run = ["python", "bank.py", "{{bank.port}}"]',
        "testbed.process.bank.run[2]",
        '"{{bank.port}}"',
        "{{bank.port}} is its own",
        "Its own port is {{port}}.",
    ),
    Mistake(
        '"{{charges.url}}"',
        '"{{charge.url}}"',
        "testbed.process.shop.env.BANK",
        "BANK",
        "there is no part 'charge'",
        "Did you mean 'charges'?",
    ),
    Mistake(
        '"{{charges.url}}"',
        '"{{charges.uri}}"',
        "testbed.process.shop.env.BANK",
        "BANK",
        "{{charges.uri}} means nothing",
        "There are {{charges.address}}, {{charges.host}}, {{charges.port}}, {{charges.url}}.",
    ),
    Mistake(
        'upstream = "{{bank.address}}"',
        'upstream = "bank"',
        "testbed.proxy.charges.upstream",
        "upstream",
        "'bank' is no host:port",
        "Such as 127.0.0.1:6379.",
    ),
    Mistake(
        'upstream = "{{bank.address}}"',
        'upstream = "https://bank.example/v1"',
        "testbed.proxy.charges.upstream",
        "upstream",
        "https://bank.example/v1 has a path",
        "Write its scheme, host and port alone.",
    ),
    Mistake(
        'within = "20s"',
        'within = "20m"',
        "testbed.process.shop.ready.within",
        "within",
        "20m is out of bounds",
        "Write 1s to 10m.",
    ),
    Mistake(
        'ready = { http = "/health", within = "20s" }',
        'ready = { http = "/health", log = "up" }',
        "testbed.process.shop.ready",
        "ready",
        "ready says http and log",
        "Leave one of them.",
    ),
    Mistake(
        'ready = { http = "/health", within = "20s" }',
        'ready = { log = "(" }',
        "testbed.process.shop.ready.log",
        "log",
        "'(' is no regex: missing ), unterminated subpattern at position 0",
        "",
    ),
    Mistake(
        'ready = { http = "/health", within = "20s" }',
        'ready = { http = "health" }',
        "testbed.process.shop.ready.http",
        "http",
        "'health' is no path",
        "Such as /health.",
    ),
    Mistake(
        '[effects]\nfrom = "db"',
        '[effects]\nfrom = "shop"',
        "effects.from",
        "from",
        "sql asks a postgres of the testbed, and shop is a process",
        "There is db.",
    ),
    Mistake(
        '[effects]\nfrom = "db"',
        '[effects]\nfrom = "db"\nhttp = "/orders"',
        "effects",
        "effects",
        "sql and http say it twice",
        "Write one of sql, http and run.",
    ),
    Mistake(
        next(line for line in SHOP.splitlines() if line.startswith("sql = ")),
        'rows = "json:x"',
        "effects",
        "effects",
        "nothing says what is asked",
        "Write one of sql, http and run.",
    ),
    Mistake(
        "'{{run}}-%'",
        "'{{trial}}-%'",
        "effects.sql",
        "sql",
        "{{trial}} means nothing here",
        "There are {{run}}, {{secret.NAME}}, {{NAME.address}}.",
    ),
    Mistake(
        'from = "bank"',
        'from = "http://10.0.0.1:80"',
        "invariant[1].from",
        "from",
        "faults go to loopback only, and '10.0.0.1' is not on it",
        "Inject into a service and a database on this machine, or let the operator allow the host "
        "with --allow-upstream HOST.",
    ),
    Mistake(
        'compared = "json:seen"\n',
        "",
        "invariant[1]",
        "invariant",
        "nothing says where compared is in the answer",
        "Write compared = json:…",
    ),
    Mistake(
        'compared = "json:seen"',
        'compared = "seen"',
        "invariant[1].compared",
        "compared",
        "'seen' names no member",
        "Such as json:rows.",
    ),
    Mistake(
        'at_least = "effects"',
        'at_least = "all"',
        "invariant[0].at_least",
        "at_least",
        "'all' is no number",
        'Write one, or "effects".',
    ),
    Mistake(
        'settle = "10s"',
        'settle = "10m"',
        "invariant[0].settle",
        "settle",
        "10m is out of bounds",
        "Write 0s to 1m.",
    ),
    Mistake(
        'id = "audit"', 'id = "stock"', "invariant[1].id", "id", "the id 'stock' is given twice", ""
    ),
    Mistake(
        'id = "SHOP-002"',
        'id = "SHOP-001"',
        "failure[1].id",
        "id",
        "the id 'SHOP-001' is given twice",
        "",
    ),
    Mistake(
        'load = "shop"\ngood',
        'load = "shopp"\ngood',
        "failure[0].load",
        "load",
        "there is no profile 'shopp'",
        "Did you mean 'shop'?",
    ),
    Mistake(
        'rate = "20/s"',
        'rate = "0.5/s"',
        "profile.shop.rate",
        "rate",
        "0.5/s is no rate of failures",
        "Write whole arrivals a second, 1/s to 1000/s.",
    ),
    Mistake(
        "rate = 8\n",
        'rate = "2000/s"\n',
        "failure[1].rate",
        "rate",
        "2000/s is no rate of failures",
        "Write whole arrivals a second, 1/s to 1000/s.",
    ),
    Mistake(
        'errors = "1%"',
        'errors = "1"',
        "failure[0].good.errors",
        "errors",
        "'1' is no share in per cent",
        "Such as 99.5%.",
    ),
    Mistake(
        'slow = "1s"',
        'slow = "1h"',
        "failure[0].good.slow",
        "slow",
        "1h is out of bounds",
        "Write 1ms to 1m.",
    ),
    Mistake(
        'off = { failed_absent = "a 503 is sent before anything is known" }',
        'off = { failed_absnt = "x" }',
        "failure[0].off.failed_absnt",
        "failed_absnt",
        "there is no check made unasked 'failed_absnt'",
        "Did you mean 'failed_absent'?",
    ),
    Mistake(
        'off = { failed_absent = "a 503 is sent before anything is known" }',
        'off = { failed_absent = " " }',
        "failure[0].off.failed_absent",
        "failed_absent",
        "failed_absent is off without a reason",
        "Write why: it is shown.",
    ),
    Mistake(
        'off = { failed_absent = "a 503 is sent before anything is known" }',
        'off = { undisturbed = "x" }',
        "failure[0].off.undisturbed",
        "undisturbed",
        "there is no check made unasked 'undisturbed'",
        "There are every_key_read, acknowledged_durable, no_double_effect, failed_absent, "
        "recovered, healthy_after_recovery.",
    ),
    Mistake(
        'prepare = "failures.py:bad_rows"',
        'prepare = "failures.bad_rows"',
        "failure[1].prepare",
        "prepare",
        "'failures.bad_rows' names nothing in a file",
        "Such as file.py:name.",
    ),
    Mistake(
        'prepare = "failures.py:bad_rows"',
        'prepare = "absent.py:bad_rows"',
        "failure[1].prepare",
        "prepare",
        "there is no file 'absent.py' beside the file",
        "",
    ),
    Mistake(
        'prepare = "failures.py:bad_rows"\n',
        "",
        "profile.shop.request[2]",
        "request",
        "cancel: {{bad.id}} is of no table",
        "Name a table of [data], or make its rows: prepare = …",
    ),
    Mistake(
        'invariants = ["stock"]',
        'invariants = ["stok"]',
        "failure[1].invariants[0]",
        '"stok"',
        "there is no invariant 'stok'",
        "Did you mean 'stock'?",
    ),
    Mistake(
        '{ happens = "retried" }',
        '{ happens = "retired" }',
        "failure[0].checks[0].happens",
        "happens",
        "no answer ends as 'retired'",
        "Did you mean 'retried'?",
    ),
    Mistake(
        '{ happens = "retried" }',
        '{ of = ["order"] }',
        "failure[0].checks[0]",
        '{ of = ["order"] }',
        "expected one check, this names none",
        f"A check is named by one key: {', '.join(CHECKS)}.",
    ),
    Mistake(
        '{ happens = "retried" }',
        '{ happens = "retried", share = "5%" }',
        "failure[0].checks[0]",
        '{ happens = "retried", share = "5%" }',
        "expected one check, this names share and happens",
        f"A check is named by one key: {', '.join(CHECKS)}.",
    ),
    Mistake(
        '{ happens = "retried" }',
        '{ happens = "retried", within = "5s" }',
        "failure[0].checks[0].within",
        "within",
        "happens has no within",
        "It has baseline, during, each, of, settle, times.",
    ),
    Mistake(
        '"503/retry"], of',
        '"503/retrry"], of',
        "failure[0].checks[2].only[2]",
        '"503/retrry"',
        "no answer of these requests has the note 'retrry'",
        "Did you mean 'retry'?",
    ),
    Mistake(
        'of = ["order"], during = ["slow"]',
        'of = ["oder"], during = ["slow"]',
        "failure[0].checks[2].of[0]",
        '"oder"',
        "no request is 'oder'",
        "Did you mean 'order'?",
    ),
    Mistake(
        'of = ["order"], during = ["slow"]',
        'of = ["order"], during = ["slwo"]',
        "failure[0].checks[2].during[0]",
        '"slwo"',
        "there is no fault 'slwo'",
        "Did you mean 'slow'?",
    ),
    Mistake(
        'of = ["order"], during = ["slow"]',
        'of = ["order"], each = ["order"], during = ["slow"]',
        "failure[0].checks[2].each",
        "each",
        "of is one check over all of these, and each is one a kind",
        "Leave one of them out.",
    ),
    Mistake(
        'of = ["order"], during = ["slow"]',
        'of = ["order"], baseline = true, during = ["slow"]',
        "failure[0].checks[2].baseline",
        "baseline",
        "a baseline has no faults, and this is made during one",
        "Leave one of them out.",
    ),
    Mistake(
        'share = "99.5%"',
        'share = "101%"',
        "failure[0].checks[3].share",
        "share",
        "101% is out of bounds",
        "Write 0.0001% to 100%.",
    ),
    Mistake(
        "p = 99",
        "p = 101",
        "failure[0].checks[4].p",
        "p",
        "101 is out of bounds",
        "Write 0.0001 to 100.",
    ),
    Mistake(
        "no_slower = 1.5",
        "no_slower = nan",
        "failure[0].checks[4].no_slower",
        "no_slower",
        "nan is out of bounds",
        "Write 0.000001 to 1000000.",
    ),
    Mistake(
        '{ happens = "retried" }',
        "{ undisturbed = false }",
        "failure[0].checks[0].undisturbed",
        "undisturbed",
        "undisturbed is not true",
        "A check that is not made is left out; one made unasked is off, with a reason.",
    ),
    Mistake(
        '{ happens = "retried" }',
        '{ ok_again_after = "60s" }',
        "failure[0].checks[0]",
        '{ ok_again_after = "60s" }',
        "ok_again_after is about a fault",
        "Name it: during = [a fault's id].",
    ),
    Mistake(
        '{ happens = "retried" }',
        '{ no_double_effect = true, during = ["slow"] }',
        "failure[0].checks[0].during",
        "during",
        "no_double_effect is about the whole trial: effects are read in the end",
        "Leave during out.",
    ),
    Mistake(
        'each = ["order_1..3"]',
        'each = ["order_3..1"]',
        "failure[1].checks[0].each[0]",
        '"order_3..1"',
        "'order_3..1' is no range",
        "Such as order_1..5, from low to high.",
    ),
    Mistake(
        'each = ["order_1..3"]',
        'each = ["order_1..4"]',
        "failure[1].checks[0].each[0]",
        '"order_1..4"',
        "no request is 'order_4'",
        "Did you mean 'order_3'?",
    ),
    Mistake(
        'never = "ok"',
        'never = "666"',
        "failure[1].checks[1].never",
        "never",
        "no answer ends as '666'",
        "Write a status such as 503 or 503/retry, or one of ok, refused, rejected, unknown, "
        "degraded, closed, connect_refused, connect_reset, connect_timeout, malformed, reset, "
        "timeout.",
    ),
    Mistake(
        'kind = "latency"',
        'kind = "latencyy"',
        "failure[0].fault[0].kind",
        "kind",
        "there is no kind 'latencyy'",
        "Did you mean 'latency'?",
    ),
    Mistake(
        'kind = "latency"\n',
        "",
        "failure[0].fault[0].kind",
        "fault",
        "the key 'kind' is missing",
        f"There are {', '.join(FAULT_KINDS)}.",
    ),
    Mistake(
        'latency = "1.5s"',
        'latncy = "1.5s"',
        "failure[0].fault[0].latncy",
        "latncy",
        "there is no key 'latncy' here",
        "Did you mean 'latency'?",
    ),
    Mistake(
        'latency = "1.5s"',
        'latency = "20m"',
        "failure[0].fault[0].latency",
        "latency",
        "20m is out of bounds",
        "Write 1ms to 10m.",
    ),
    Mistake(
        'stream = "upstream"',
        'stream = "up"',
        "failure[0].fault[0].stream",
        "stream",
        "expected one of both, upstream, downstream",
        "",
    ),
    Mistake(
        'lasts = "4s"',
        'lasts = "11m"',
        "failure[0].fault[0].lasts",
        "lasts",
        "11m is out of bounds",
        "Write 100ms to 10m.",
    ),
    Mistake(
        'lasts = "4s"\n', "", "failure[0].fault[0].lasts", "fault", "the key 'lasts' is missing", ""
    ),
    Mistake(
        'watch = "10s"',
        'watch = "6s"',
        "failure[0].fault[1].watch",
        "watch",
        "6s is out of bounds",
        "Write 7500ms to 2h.",
    ),
    Mistake(
        'target = "db"\nlatency',
        'target = "dbb"\nlatency',
        "failure[0].fault[0].target",
        "target",
        "there is no part of the testbed 'dbb'",
        "Did you mean 'db'?",
    ),
    Mistake(
        'target = "db"\nlatency',
        'target = "bank"\nlatency',
        "failure[0].fault[0].target",
        "target",
        "latency hits a postgres or proxy, and bank is a process",
        "latency is for: postgres or proxy.",
    ),
    Mistake(
        'target = "db"\nlatency',
        "latency",
        "failure[0].fault[0]",
        "fault",
        "latency hits nothing",
        "Write target = a postgres or proxy.",
    ),
    Mistake(
        'protocol = "http"\n',
        "",
        "failure[0].fault[2].target",
        "target",
        "http_answer hits a proxy of http, and charges is a proxy",
        'Write protocol = "http" for it, if that is what it speaks.',
    ),
    Mistake(
        LATENCY,
        'kind = "kill_worker"\ntarget = "bank"',
        "failure[0].fault[0].target",
        "target",
        "nobody knows the workers of bank",
        "Write workers = 2 or worker = … in [testbed.process.bank].",
    ),
    Mistake(
        LATENCY,
        'kind = "kill_worker"\ntarget = "shop"\nholding = "charges"',
        "failure[0].fault[0].holding",
        "holding",
        "there is no database 'charges'",
        "There is db.",
    ),
    Mistake(
        LATENCY,
        'kind = "lock"\ntarget = "db"',
        "failure[0].fault[0].sql",
        "fault",
        "the key 'sql' is missing",
        "",
    ),
    Mistake(
        LATENCY,
        'kind = "lock"\ntarget = "db"\nsql = "SELECT {{hot.id}}"',
        "failure[0].fault[0].sql",
        "sql",
        "{{hot.id}} is of no table",
        "Name a table of [data], or make its rows: prepare = …",
    ),
    Mistake(
        'request = "order", times = 20',
        'request = "odrer", times = 20',
        "failure[1].fault[0].send.request",
        "request",
        "there is no request 'odrer'",
        "Did you mean 'order'?",
    ),
    Mistake(
        'request = "order", times = 20',
        'request = "order"',
        "failure[1].fault[0].send",
        "send",
        "a race of one is none",
        "Write times = 20 or so.",
    ),
    Mistake(
        'send = { request = "order", times = 20 }\n',
        "",
        "failure[1].fault[0]",
        "fault",
        "race sends nothing",
        "Write send = { request = … }.",
    ),
    Mistake(
        'rate = "40/s"',
        'rate = "40/m"',
        "failure[1].fault[2].rate",
        "rate",
        "40/m is no rate of failures",
        "Write whole arrivals a second, 1/s to 1000/s.",
    ),
    Mistake(
        'witness = [{ name = "away", run = ["echo", "1"], needs = 2 }]\n',
        "",
        "failure[1].fault[3]",
        "fault",
        "nothing proves that own took effect",
        "Write witness = …: what is counted, and by how much it must grow.",
    ),
    Mistake(
        'kind = "race"\nsend',
        'kind = "race"\ntarget = "db"\nsend',
        "failure[1].fault[0].target",
        "target",
        "race hits callers, and nothing of the testbed",
        "Leave target out.",
    ),
    Mistake(
        'when = "header:retry-after"',
        'when = "haeder:retry-after"',
        "profile.shop.request[0].answers[1]",
        '{ note = "retry", when = "haeder:retry-after" }',
        "the response check 'haeder:retry-after' cannot be read",
        "write json, json:member, json:member=true, json:!error, text:words, regex:pattern, "
        "header:name or size<=64KiB",
    ),
    Mistake(
        'class = "degraded"',
        'class = "degrade"',
        "profile.shop.request[1].answers[0]",
        '{ note = "stale", when = "header:x-cache=stale", class = "degrade" }',
        "there is no class of answers 'degrade'",
        "Did you mean 'degraded'?",
    ),
    Mistake(
        "definite = [503]",
        "definite = [201]",
        "profile.shop.request[0].definite[0]",
        "201",
        "expected a whole number >= 400",
        "",
    ),
    Mistake(
        "definite = [503]",
        "definite = [409]\ndefinit = 1",
        "profile.shop.request[0].definit",
        "definit",
        "there is no key 'definit' here",
        "Did you mean 'definite'?",
    ),
    Mistake(
        'note = "replayed"',
        'note = "{replayed"',
        "profile.shop.request[0].answers[0]",
        '{ note = "{replayed", when = "json:replayed=true" }',
        "the note '{replayed' has a brace that names nothing",
        "Write {json.path} for what the answer has there.",
    ),
    Mistake(
        '"{{bad.id}}"',
        '"{{secret.pin}}"',
        "profile.shop.request[2]",
        "request",
        "cancel: there is no secret 'pin'",
        "Name it in testbed.secrets.",
    ),
    Mistake(
        LATENCY,
        'kind = "cut_after_commit"\ntarget = "charges"',
        "failure[0].fault[0].target",
        "target",
        "cut_after_commit hits a postgres or proxy of postgres, and charges is a proxy of http",
        'Write protocol = "postgres" for it, if that is what it speaks.',
    ),
    Mistake(
        'kind = "kill"\ntarget = "db"',
        'kind = "command"\nrun = ["true"]',
        "failure[0].fault[1].undo",
        "fault",
        "the key 'undo' is missing",
        "",
    ),
    Mistake(
        'kind = "kill"\ntarget = "db"',
        'kind = "python"\nclass = "absent.py:Split"\nundo = ["true"]\nwitness = { leaders = 2 }',
        "failure[0].fault[1].class",
        "class",
        "there is no file 'absent.py' beside the file",
        "",
    ),
    Mistake(
        "[target]\nurl",
        '[target.auth.oauth2]\ntoken_url = "http://h/t"\nclient_id = "a"\nclient_secret = "b"\n'
        "[target]\nurl",
        "target.auth",
        "auth",
        "failures fetch no token while things break",
        "Make tokens in prepare, and send them as a header of the requests.",
    ),
    Mistake(
        'settings = { max_connections = "40" }',
        'settings = { max_connections = "${X}" }',
        "testbed.postgres.db.settings.max_connections",
        "max_connections",
        "'${X}' would come from the environment",
        "Processes may be given it by run and env; what is broken and checked is the file's.",
    ),
    Mistake(
        'sql = "SELECT 1, 0"',
        'sql = "SELECT ${X}, 0"',
        "invariant[0].sql",
        "sql",
        "'SELECT ${X}, 0' would come from the environment",
        "Processes may be given it by run and env; what is broken and checked is the file's.",
    ),
    Mistake(
        'run = ["true"]',
        'run = ["${X}"]',
        "failure[1].fault[3].run[0]",
        '"${X}"',
        "'${X}' would come from the environment",
        "Processes may be given it by run and env; what is broken and checked is the file's.",
    ),
    Mistake(
        'headers = { retry-after = "1" }',
        'headers = { retry-after = "${X}" }',
        "failure[0].fault[2].headers.retry-after",
        "retry-after",
        "'${X}' would come from the environment",
        "Processes may be given it by run and env; what is broken and checked is the file's.",
    ),
    Mistake(
        'answered_in = "3.5s"',
        'answered_in = "6s"',
        "failure[0].checks[1].answered_in",
        "answered_in",
        "this cannot fail: a request is given up after 6s",
        "Write a shorter time, or give the profile a longer timeout.",
    ),
    Mistake(
        'only = ["ok", "degraded", "503/retry"]',
        'only = ["*"]',
        "failure[0].checks[2].only",
        "only",
        "this cannot fail: * is every answer",
        "Name those that may be.",
    ),
    Mistake(
        '{ happens = "retried" }',
        '{ happens = "disturbed" }',
        "failure[0].checks[0].happens",
        "happens",
        "disturbed is said of a fault",
        "Name it: during = [a fault's id].",
    ),
    Mistake(
        '{ happens = "retried" }',
        '{ happens = "retried", of = ["product"] }',
        "failure[0].checks[0].happens",
        "happens",
        "none of these requests asks for an effect: there is nothing to win, or to ask again",
        "Write {{effect}} into them, or look at others.",
    ),
    Mistake(
        '{ one_wins = "201", attempts = 20, each = ["order_1..3"] }',
        '{ one_wins = "200", each = ["product"] }',
        "failure[1].checks[0].one_wins",
        "one_wins",
        "none of these requests asks for an effect: there is nothing to win, or to ask again",
        "Write {{effect}} into them, or look at others.",
    ),
    Mistake(
        'settle = "200ms"',
        'settle = "4s"',
        "failure[0].checks[3].share",
        "share",
        "slow lasts 4s, and nothing of it is looked at",
        "Write a shorter settle.",
    ),
    Mistake(
        '{ happens = "retried" }',
        '{ ok_again_after = "60s", during = ["killed"] }',
        "failure[0].checks[0].ok_again_after",
        "ok_again_after",
        "killed is watched for 10s, and this looks at what begins 1m after healing",
        'Write watch = "63500ms" for the fault.',
    ),
    Mistake(
        "rate = 8\n",
        "rate = 3\n",
        "failure[1].good",
        "failure",
        "a good window of 1500ms has 4 requests at 3/s, and needs 8",
        "Ask at a higher rate, for a longer window, or for fewer operations.",
    ),
    Mistake(
        LATENCY,
        'kind = "kill_worker"\ntarget = "shop"\nindex = 2',
        "failure[0].fault[0].index",
        "index",
        "shop has 2 workers, counted from 0",
        "Write 0 to 1.",
    ),
    Mistake(
        'id = "flood"\nkind',
        (
            'id = "more"\nkind = "flood"\nrequest = "product"\nrate = 5\nlasts = "1s"\n\n'
            '[[failure.fault]]\nid = "flood"\nkind'
        ),
        "failure[1]",
        "failure",
        "product is sent by more and by flood",
        "Write a request for each of them.",
    ),
    Mistake(
        "[data.skus]",
        '[suite]\nuse = "enforcement"\n\n[data.skus]',
        "failure[0]",
        "failure",
        "the suite 'enforcement' says what is broken: nobody would ask for these",
        "Leave [suite] out, or move them into the suite.",
    ),
]


def found_in(text: str) -> list[Found]:
    """Return everything that is wrong with a file."""
    source = Source("stressproof.toml", text)
    with pytest.raises(ConfigError) as raised:
        resolve(read_config(source), source, FOLDER, at_hand=True)
    return list(raised.value.mistakes)


def below_caret(fault: Found) -> str:
    """Return what a fault's caret is below."""
    line, caret = fault.pointer.split("\n")
    return line[caret.index("^") : len(caret)]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: f"{one.where}: {one.message}"[:90])
def test_a_mistake_is_told_once_with_its_place_and_remedy(mistake: Mistake) -> None:
    """One mistake is one message: nothing that only follows from it is told as well."""
    assert mistake.old in SHOP
    (fault,) = found_in(SHOP.replace(mistake.old, mistake.new, 1))
    assert (fault.where, fault.message, fault.hint) == (
        mistake.where,
        mistake.message,
        mistake.hint,
    )
    assert below_caret(fault) == mistake.shown


def test_the_shop_without_mistakes_is_read() -> None:
    """Each mistake above is one, not a fault of the file that it is made in."""
    source = Source("stressproof.toml", SHOP)
    resolve(read_config(source), source, FOLDER, at_hand=True)


def test_mistakes_of_all_parts_are_told_together() -> None:
    """Types and meanings, of every part of the file, in the order of their lines."""
    text = SHOP
    for old, new in (
        ('path = "/orders"', 'path = "orders"'),
        ('disk = "160MiB"', 'disk = "1GB"'),
        ('[effects]\nfrom = "db"', '[effects]\nfrom = "dbb"'),
        ('settle = "10s"', "settle = 10"),
        ('off = { failed_absent = "a 503', 'off = { failed_absnt = "a 503'),
        ('lasts = "4s"', 'lasts = "40m"'),
        ('during = ["killed"]', 'during = ["kiled"]'),
        ('rate = "40/s"', "rate = true"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    found = found_in(text)
    assert [one.where for one in found] == [
        "profile.shop.request[0]",
        "testbed.postgres.db.disk",
        "effects.from",
        "invariant[0].settle",
        "failure[0].off.failed_absnt",
        "failure[0].checks[4].during[0]",
        "failure[0].fault[0].lasts",
        "failure[1].fault[2].rate",
    ]
    assert [one.line for one in found] == sorted(one.line for one in found)


def test_what_evidence_cannot_hold_is_not_begun() -> None:
    """A scenario by itself, and all of a file together."""
    fast = SHOP.replace('rate = "20/s"', 'rate = "1000/s"').replace("rate = 8\n", "rate = 1000\n")
    (one,) = found_in(fast.replace('lasts = "4s"', 'lasts = "10m"'))
    assert one.where == "failure[0]"
    assert one.message.startswith("these are some 632,")
    both = fast.replace('lasts = "4s"', 'lasts = "3m"').replace('lasts = "5s"', 'lasts = "2m"')
    (all_of_them,) = found_in(both)
    assert all_of_them.where == "failure[1]"
    assert all_of_them.message.startswith("all failures send some ")


def test_a_good_window_must_fit_into_what_is_watched() -> None:
    """Or nothing could ever be found to have recovered."""
    found = found_in(SHOP.replace('good = { within = "2s"', 'good = { within = "3s"'))
    assert [(one.where, one.hint) for one in found] == [
        (f"failure[0].fault[{at}]", 'Write watch = "7s" or more.') for at in (0, 2)
    ]


def test_an_expected_answer_promises_nothing() -> None:
    """It cannot mean what was asked for, and have had no effect."""
    (fault,) = found_in(SHOP.replace("expect = [200, 201]", "expect = [200, 201, 503]"))
    assert (fault.where, fault.message) == (
        "profile.shop.request[0].definite",
        "503 is expected, and promises to have had no effect",
    )


def test_a_cut_needs_a_conversation_that_can_be_read() -> None:
    """What the file shows of TLS is refused before anything starts."""
    cut = SHOP.replace(LATENCY, 'kind = "cut_after_commit"\ntarget = "db"', 1)
    source = Source("stressproof.toml", cut)
    resolve(read_config(source), source, FOLDER)
    (fault,) = found_in(cut.replace("{{db.url}}", "{{db.url}}?sslmode=verify-full"))
    assert fault.message.endswith("that with db is under TLS")
    assert (fault.where, below_caret(fault)) == ("failure[0].fault[0].target", "target")


def test_a_full_disk_needs_one_with_a_bound() -> None:
    """Nobody's own disk is ever filled."""
    full = SHOP.replace(LATENCY, 'kind = "disk_full"\ntarget = "db"', 1)
    (fault,) = found_in(full.replace('disk = "160MiB"\n', ""))
    assert fault.message == "the disk of db has no bound of its own"


def test_a_database_that_runs_already_is_not_ours_to_kill() -> None:
    """Locks and proxies can be had of it; a kill, a freeze and a full disk cannot."""
    own = 'load = ["schema.sql"]\ndisk = "160MiB"\nsettings = { max_connections = "40" }\n'
    assert own in SHOP
    (fault,) = found_in(SHOP.replace(own, 'dsn = "${DSN}"\n'))
    assert fault.message == "db runs already, and kill is for what is started here"
    assert fault.where == "failure[0].fault[1].target"
    milder = SHOP.replace(own, 'dsn = "${DSN}"\n').replace('kind = "kill"', 'kind = "read_only"')
    source = Source("stressproof.toml", milder)
    resolve(read_config(source), source, FOLDER)


def test_an_attached_service_is_not_started_and_says_that_it_may_be_broken() -> None:
    """Loopback, proxies that run there, and commands with a mark; a kill is for what is ours."""
    head, _, _ = SHOP.partition("[testbed]")
    attached = f"""{head}
[testbed]
attach = true
url = "http://127.0.0.1:8080"

[testbed.proxy.cache]
control = "127.0.0.1:8474"

[effects]
from = "http://127.0.0.1:9000"
http = "/orders?prefix={{{{run}}}}"
rows = "json:orders"
effect = "json:reference"

[[failure]]
id = "SHOP-1"
title = "A shop that runs already"
question = "Does it degrade?"
load = "shop"

[[failure.fault]]
id = "away"
kind = "command"
run = ["true"]
undo = ["true"]
mark = ["echo", "on"]
witness = [{{ name = "away", run = ["echo", "1"] }}]
lasts = "1s"

[[failure.fault]]
id = "silent"
kind = "black_hole"
target = "cache"
lasts = "1s"
"""
    source = Source("stressproof.toml", attached)
    resolve(read_config(source), source, FOLDER)
    for old, new, message in (
        ("http://127.0.0.1:8080", "http://10.0.0.1:8080", "'10.0.0.1' is not on it"),
        ('control = "127.0.0.1:8474"', 'control = "db.example:8474"', "'db.example' is not on it"),
        ('mark = ["echo", "on"]\n', "", "nothing says that what runs here may be broken"),
        ('undo = ["true"]\n', "", "the key 'undo' is missing"),
        ('control = "127.0.0.1:8474"', 'upstream = "127.0.0.1:1"', "in nobody's way"),
    ):
        base = attached.partition("[testbed]")
        assert old in base[2]
        found = found_in(base[0] + base[1] + base[2].replace(old, new, 1))
        assert any(message in one.message for one in found), found
