"""What a ``curl`` command asks, as the file says it."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.drafts.curl import draft_of_curl
from stressproof.drafts.draft import Draft, DraftRequest
from stressproof.drafts.shell import commands
from stressproof.drafts.writing import written
from stressproof.errors import UsageError

FORM = "application/x-www-form-urlencoded"
PARTS = {"a": "1", "f": {"file": "raw.bin", "type": "x/y"}}

pytestmark = pytest.mark.gate

FILES = {"order.json": b'{"sku": "a"}\n', "lines.txt": b"a=1&\nb=2\n", "raw.bin": b"\xff\x00"}


def read(name: str) -> bytes:
    """Return one of the files that commands here may name."""
    if name not in FILES:
        raise UsageError(f"the file {name!r} cannot be read")
    return FILES[name]


def draft(*texts: str) -> Draft:
    """Return the draft of some commands."""
    return draft_of_curl(texts, read)


def only(*texts: str) -> DraftRequest:
    """Return the one request of a draft."""
    (request,) = draft(*texts).requests
    return request


@pytest.mark.parametrize(
    ("command", "method", "path"),
    [
        ("curl http://h/orders", "GET", "/orders"),
        ("curl h:8080", "GET", "/"),
        ("curl 'http://h/p?a=1&b=2#part'", "GET", "/p?a=1&b=2"),
        ("curl http://h/p?a=1&b=2", "GET", "/p?a=1&b=2"),
        ("curl -X delete http://h/x", "DELETE", "/x"),
        ("curl -XPUT http://h/x -d a", "PUT", "/x"),
        ("curl --request PATCH --url http://h/x", "PATCH", "/x"),
        ("curl -I http://h/x", "HEAD", "/x"),
        ("curl -d a=1 http://h/x", "POST", "/x"),
        ("curl -G -d a=1 -d b=2 http://h/x", "GET", "/x?a=1&b=2"),
        ("curl -G --data-urlencode 'q=red shoe' http://h/x?p=1", "GET", "/x?p=1&q=red+shoe"),
        ("curl -T order.json http://h/x", "PUT", "/x"),
        ("curl -sSfL -o /dev/null -w '%{http_code}' http://h/x | jq .", "GET", "/x"),
        ("/usr/bin/curl -- http://h/x", "GET", "/x"),
        ("curl http://h/a%20b/é", "GET", "/a%20b/%C3%A9"),
        ("curl \\\n  http://h/x \\\r\n -s", "GET", "/x"),
    ],
)
def test_method_and_path_are_those_that_curl_would_send(
    command: str, method: str, path: str
) -> None:
    """Every usual way to write a request names it."""
    found = only(command)
    assert (found.method, found.path) == (method, path)


@pytest.mark.parametrize(
    ("flags", "kind", "value", "content_type"),
    [
        ('--json \'{"sku": "a"}\'', "json", {"sku": "a"}, ""),
        ("-d '{\"n\": 1}' -H 'Content-Type: application/json'", "json", {"n": 1}, ""),
        (
            "-d '{\"n\": null}' -H 'content-type: application/json'",
            "body",
            '{"n":null}',
            "application/json",
        ),
        ("--json '[1]'", "body", "[1]", "application/json"),
        ("-d a=1 -d 'b=x y'", "form", {"a": "1", "b": "x y"}, FORM),
        ("--data-urlencode 'a=x&y'", "form", {"a": "x&y"}, FORM),
        ("-d words", "body", "words", FORM),
        ("--data-raw @x -H 'content-type: text/plain'", "body", "@x", "text/plain"),
        ("--json @order.json", "body_file", "order.json", "application/json"),
        ("-d @order.json", "body_file", "order.json", FORM),
        ("-d @lines.txt", "form", {"a": "1", "b": "2"}, FORM),
        ("--data-binary @raw.bin", "body_file", "raw.bin", FORM),
        ("-F a=1 -F 'f=@raw.bin;type=x/y'", "multipart", PARTS, ""),
    ],
)
def test_a_body_is_written_in_the_form_that_reads_best(
    flags: str, kind: str, value: Any, content_type: str
) -> None:
    """JSON is JSON, a form is a form, a file stays a file, and what the type says is said."""
    body = only(f"curl http://h/x {flags}").body
    assert body is not None
    assert (body.kind, body.value) == (kind, value)
    if kind not in {"form", "json", "multipart"}:
        assert body.content_type == content_type


def test_no_secret_reaches_the_file() -> None:
    """Headers, cookies, users, query and bodies: each secret becomes one variable."""
    made = draft(
        "curl 'http://h/a?api_key=query-secret&page=1' -H 'Authorization: Bearer bearer-secret' "
        "-b 'sid=cookie-secret' -H 'X-Auth-Token: token-secret'",
        "curl http://h/login -H 'Authorization: Bearer bearer-secret' --json "
        '\'{"user": "ada", "password": "body-secret", "n": [{"apiKey": "deep-secret"}]}\'',
        "curl http://h/form -H 'Authorization: Bearer bearer-secret' -d client_secret=form-secret",
        "curl http://h/again/bearer-secret -H 'Authorization: Bearer bearer-secret'",
    )
    file = written(made)
    assert "-secret" not in file.text.replace("client_secret", "")
    read_back = tomllib.loads(file.text)
    assert read_back["target"]["auth"] == {"bearer": "${API_TOKEN}"}
    first, login, form, again = read_back["profile"]["main"]["request"]
    assert first["query"] == {"api_key": "${API_KEY}", "page": "1"}
    assert first["headers"] == {"X-Auth-Token": "${X_AUTH_TOKEN}", "Cookie": "${COOKIE}"}
    assert login["json"]["password"] == "${PASSWORD}"
    assert login["json"]["n"] == [{"apiKey": "${APIKEY}"}]
    assert login["json"]["user"] == "ada"
    assert form["form"] == {"client_secret": "${CLIENT_SECRET}"}
    assert again["path"] == "/again/${API_TOKEN}"
    assert set(file.variables) == {
        *("API_TOKEN", "API_KEY", "X_AUTH_TOKEN", "COOKIE", "PASSWORD", "APIKEY", "CLIENT_SECRET"),
    }


def test_users_and_variables_stay_outside() -> None:
    """``-u``, a URL's credentials and ``$NAME`` end as variables of the environment."""
    for command in ("curl -u ada:pass-word http://h/", "curl http://ada:pass-word@h/"):
        made = draft(command)
        assert made.target == {"auth": {"basic": ["ada", "${API_PASSWORD}"]}}
        assert made.url == "http://h"
        assert "pass-word" not in written(made).text
    made = draft('curl -H "Authorization: Bearer $TOKEN" http://h/')
    assert made.target == {"auth": {"bearer": "${TOKEN}"}}
    assert set(made.variables) == {"TOKEN"}


def test_what_looks_like_a_variable_means_itself() -> None:
    """Text of a body with ``${`` in it is sent as it was."""
    body = only("curl http://h/x -H 'content-type: text/plain' -d 'a ${b} c'").body
    assert body is not None
    assert body.value == "a $${b} c"


def test_what_would_be_a_placeholder_here_waits_as_a_comment() -> None:
    """Double braces of somebody else's templates mean a column in this file."""
    file = written(draft('curl http://h/x --json \'{"a": "{{name}}"}\''))
    assert (file.active, file.withheld) == (0, 1)
    assert "# Not asked: {{name}} in it would stand for the column of a table here." in file.text


def test_flags_of_the_connection_belong_to_the_target() -> None:
    """Certificates, HTTP/2 and redirects are kept; a proxy is not, and that is said."""
    made = draft("curl -kL --http2 --cacert ca.pem -x http://p:1 -m 2.5 https://h/x")
    assert made.target == {"insecure": True, "http2": True, "ca_file": "ca.pem"}
    assert made.requests[0].settings == {"redirects": 10, "timeout": "2.5s"}
    assert "--proxy of curl is left out" in made.notes[0]


def test_several_commands_are_several_requests_each_with_its_name() -> None:
    """What differs in an id is one request with weight; what differs in its body is two."""
    made = draft(
        "curl http://h/p/1 -X GET\ncurl http://h/p/2; curl http://h/p/3",
        "curl http://h/o -d a=1 --next http://h/o -d a=2",
    )
    assert [(one.title, one.weight) for one in made.requests] == [
        ("GET /p/{id}", 3),
        ("POST /o", 1),
        ("POST /o (2)", 1),
    ]
    file = written(made)
    assert file.active == 3, "whoever typed a POST meant it"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "the curl command is empty"),
        ("# nothing", "the curl command is empty"),
        ("curl", "has no URL"),
        ("curl -X", "-X needs a value"),
        ("wget http://h/", "begins with 'wget', not with curl"),
        ("curl http://h/ --frobnicate", "--frobnicate is not known"),
        ("curl -! http://h/", "the option -! is not known"),
        ("curl ftp://h/x", "http or https"),
        ("curl 'http://h/x", "line 1: this quote is never closed"),
        ('curl \\\n "http://h/x', "line 2: this quote is never closed"),
        ("curl http://h/$(id)", "a command would have to be run here"),
        ("curl `id`", "a command would have to be run here"),
        ('curl ^"http://h/^"', "Copy it as cURL (bash)"),
        ("curl http://h/x -d @absent", "the file 'absent' cannot be read"),
        ("curl http://h/x -F lonely", "is no NAME=VALUE"),
        ("curl 'http://h/{a,b}'", "stands for several"),
        ("curl http://h/x -m soon", "no number of seconds"),
        ("curl -X 'GO AWAY' http://h/", "is no method"),
        ("curl http://a/ --next http://b/", "a file is about one service"),
        ("curl -u a:1 http://a/ --next -u b:2 http://a/", "different --user"),
        ("curl http://h:99999/", "Port out of range"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(command: str, said: str) -> None:
    """Every refusal says what was seen."""
    with pytest.raises(UsageError) as refused:
        draft(command)
    assert said in f"{refused.value.message} {refused.value.hint}"


def test_a_refusal_shows_the_place_and_not_what_stands_before_it() -> None:
    """A caret points at the fault; a long line before it, a token perhaps, is cut."""
    with pytest.raises(UsageError) as refused:
        draft(f"curl -H 'Authorization: Bearer topsecret' {'x' * 80} $(id)")
    assert "topsecret" not in refused.value.message
    shown, pointer = refused.value.message.splitlines()[-2:]
    assert shown[pointer.index("^") :].startswith("$(id)")


QUOTED = st.one_of(
    st.text(alphabet='abc xyz=:/&?{}[]"\\\n\t$`!é', max_size=12).map(
        lambda text: "'" + text.replace("'", "") + "'"
    ),
    st.text(alphabet="abc xyz'=:\n\té&|;<>#~*", max_size=12).map(lambda text: f'"{text}"'),
    st.lists(
        st.sampled_from([r"\n", r"\t", r"\\", r"\'", r"\x41", r"\u00e9", r"\101", "a", " ", "é"]),
        max_size=8,
    ).map(lambda parts: f"$'{''.join(parts)}'"),
    st.text(alphabet="abcXYZ019=:/?.,_%@+-é", min_size=1, max_size=8),
    st.sampled_from(["\\ ", '\\"', "\\'", "\\\\", "\\a", "\\\n"]),
)


@given(st.lists(st.lists(QUOTED, min_size=1, max_size=4).map("".join), min_size=1, max_size=4))
def test_words_are_those_of_bash(words: list[str]) -> None:
    """Quotes of every kind mean what bash makes of them."""
    line = f"curl {' '.join(words)} end"
    ran = subprocess.run(
        ["bash", "--norc", "-c", f"set -f; curl() {{ printf '%s\\0' \"$@\"; }}; {line}"],
        capture_output=True,
        check=True,
        timeout=60,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    expected = ran.stdout.decode().split("\0")[:-1]
    (found,) = commands(line)
    assert found[1:] == expected


def test_a_browsers_own_copy_is_read(tmp_path: Path) -> None:
    """What Chrome copies as cURL (bash), with its quoting, becomes one request."""
    copied = r"""curl 'https://shop.example/api/orders?limit=10' \
  -H 'accept: application/json, text/plain, */*' \
  -H 'accept-language: en-US,en;q=0.9' \
  -H $'x-note: it\'s \u0021' \
  -b 'sid=abc123; theme=dark' \
  -H 'content-type: application/json' \
  -H 'sec-ch-ua: "Chromium";v="130"' \
  --data-raw $'{"note":"caf\xc3\xa9 \U0001F600"}' \
  --compressed"""
    request = only(copied)
    assert request.method == "POST"
    assert request.body is not None
    assert request.body.value == {"note": "café 😀"}
    shared = draft(copied).target["headers"]
    assert shared["x-note"] == "it's !"
    assert shared["Cookie"] == "${COOKIE}"
