"""Where a capture's token comes from."""

import json
import os
from pathlib import Path

import pytest

from enforcement_suite.suite import SUITE
from stressproof.capture.credentials import Credential, find, state_file
from stressproof.errors import UsageError

LOCAL = SUITE.local_service
TOKEN = "aGVhZA.Ym9keQ.c2ln"
URL = "http://127.0.0.1:8000"

pytestmark = pytest.mark.gate


def leave(home: Path, content: str, *, mode: int = 0o600) -> Path:
    """Write a state file as a service would."""
    path = home / "enforcement" / "127.0.0.1_8000.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("pasted", [TOKEN, f"Bearer {TOKEN}", f'"{TOKEN}"', f" '{TOKEN}' \n"])
def test_a_token_may_be_pasted_as_people_paste_it(pasted: str) -> None:
    """Quotes, spaces and the Bearer prefix are taken off."""
    found = find(URL, {"STRESSPROOF_TOKEN": pasted}, LOCAL)
    assert found is not None
    assert (found.token, found.source) == (TOKEN, "STRESSPROOF_TOKEN")


@pytest.mark.parametrize("token", ["hunter 2", "a:b|c", "key=value;more", "ünsafe"])
def test_a_token_is_any_text_that_a_header_can_carry(token: str) -> None:
    """Services have tokens outside of RFC 6750's alphabet; they are sent as they are."""
    found = find(URL, {"STRESSPROOF_TOKEN": token}, LOCAL)
    assert found is not None
    assert found.token == token


@pytest.mark.parametrize("token", ["hunter\n2", "hunter\x002", "hunter\u20ac2"])
def test_a_token_that_cannot_be_sent_is_refused_without_being_shown(token: str) -> None:
    """What no header can carry is a usage error that does not repeat the secret."""
    with pytest.raises(UsageError) as caught:
        find(URL, {"STRESSPROOF_TOKEN": token}, LOCAL)
    assert "hunter" not in f"{caught.value.message} {caught.value.hint}"


def test_a_service_on_loopback_lends_its_token(tmp_path: Path) -> None:
    """localhost, 127.0.0.1 and ::1 are one service."""
    leave(tmp_path, json.dumps({"token": TOKEN, "instance_id": "i-1"}))
    for url in (URL, "http://localhost:8000/", "http://[::1]:8000"):
        found = find(url, {"XDG_STATE_HOME": str(tmp_path)}, LOCAL)
        assert found is not None
        assert (found.token, found.instance_id) == (TOKEN, "i-1")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001", "http://example.org:8000"])
def test_a_token_is_never_lent_to_another_service(tmp_path: Path, url: str) -> None:
    """Another port or another host gets nothing."""
    leave(tmp_path, json.dumps({"token": TOKEN, "instance_id": "i-1"}))
    assert find(url, {"XDG_STATE_HOME": str(tmp_path)}, LOCAL) is None


def test_a_service_that_lends_no_token_is_asked_for_none(tmp_path: Path) -> None:
    """Without a suite that says where, nobody's files are looked for."""
    leave(tmp_path, json.dumps({"token": TOKEN, "instance_id": "i-1"}))
    assert find(URL, {"XDG_STATE_HOME": str(tmp_path)}) is None


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "Zm9vYmFy+/==", "t~1_2-3"])
def test_a_token_need_not_be_a_json_web_token(token: str) -> None:
    """Any bearer token of RFC 6750 is one."""
    found = find(URL, {"STRESSPROOF_TOKEN": token})
    assert found is not None
    assert found.token == token


def test_the_environment_wins(tmp_path: Path) -> None:
    """A token that the user names is the one that is used."""
    leave(tmp_path, json.dumps({"token": "x.y.z", "instance_id": "i-1"}))
    found = find(URL, {"XDG_STATE_HOME": str(tmp_path), "STRESSPROOF_TOKEN": TOKEN}, LOCAL)
    assert found is not None
    assert (found.token, found.instance_id) == (TOKEN, None)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"token": 1, "instance_id": "i"}', '{"token": "x.y.z"}']
)
def test_a_broken_state_file_is_told(tmp_path: Path, content: str) -> None:
    """A file that holds no credentials is an error, not an anonymous capture."""
    leave(tmp_path, content)
    with pytest.raises(UsageError, match="cannot be used"):
        find(URL, {"XDG_STATE_HOME": str(tmp_path)}, LOCAL)


def test_a_state_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A leaked token is not used further."""
    leave(tmp_path, json.dumps({"token": TOKEN, "instance_id": "i-1"}), mode=0o640)
    with pytest.raises(UsageError, match="0600"):
        find(URL, {"XDG_STATE_HOME": str(tmp_path)}, LOCAL)


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    """A link or a pipe in the file's place neither misleads nor hangs."""
    real = leave(tmp_path, json.dumps({"token": TOKEN, "instance_id": "i-1"}))
    real.rename(tmp_path / "elsewhere")
    real.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError):
        find(URL, {"XDG_STATE_HOME": str(tmp_path)}, LOCAL)
    real.unlink()
    os.mkfifo(real, 0o600)
    with pytest.raises(UsageError):
        find(URL, {"XDG_STATE_HOME": str(tmp_path)}, LOCAL)


def test_a_credential_does_not_print_its_token() -> None:
    """A credential in a log line keeps its secret."""
    assert TOKEN not in repr(Credential(token=TOKEN, source="somewhere"))


def test_the_scheme_names_the_port(tmp_path: Path) -> None:
    """Without a port the scheme's own is meant."""
    path = state_file("https://localhost", {"XDG_STATE_HOME": str(tmp_path)}, LOCAL)
    assert path is not None
    assert path.name == "localhost_443.json"
