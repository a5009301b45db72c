"""Signatures against their oracles: OpenSSH, securesystemslib, DSSE's own vector."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from signing_people import (
    ADA,
    Token,
    armor,
    machine_key,
    roster_line,
    software_key,
    ssh_key,
)
from stressproof.errors import RunError, UsageError
from stressproof.trust.envelope import (
    PAYLOAD_TYPE,
    ForgedEnvelopeError,
    UnauthorisedEnvelopeError,
    UnreadableEnvelopeError,
    open_envelope,
    pae,
    seal,
)
from stressproof.trust.keys import KeyRefusedError, PublicKey, parse_key
from stressproof.trust.signing import SigningKey, find_key, make_key
from stressproof.trust.sshsig import NAMESPACE, parse_signature
from stressproof.trust.wire import WireError, decode_base64

pytestmark = pytest.mark.gate
MESSAGE = b"what is signed"


def keys(key: PublicKey) -> dict[str, PublicKey]:
    """Return a roster of one key."""
    return {key.fingerprint: key}


def openssh_accepts(folder: Path, key: PublicKey, armored: bytes, message: bytes) -> bool:
    """Return what ``ssh-keygen -Y verify`` says."""
    roster, signature = folder / "roster", folder / "signature"
    roster.write_text(roster_line(ADA, key))
    signature.write_bytes(armored)
    command = ["ssh-keygen", "-Y", "verify", "-f", str(roster), "-I", ADA, "-n", NAMESPACE]
    ended = subprocess.run(
        [*command, "-s", str(signature)], input=message, capture_output=True, check=False
    )
    return ended.returncode == 0


def test_dsse_published_vector() -> None:
    """The one vector that DSSE's protocol page has."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_are_of_bytes() -> None:
    """A type that is not ASCII is as long as its UTF-8, as securesystemslib has it."""
    theirs = TheirEnvelope(b"\xc3\xa4", "text/ä", {})
    assert pae("text/ä", b"\xc3\xa4") == theirs.pae()


def test_ssh_keygen_signs_and_both_verify(tmp_path: Path) -> None:
    """What OpenSSH signs, OpenSSH and we accept; of other bytes neither does."""
    signer = find_key(str(ssh_key(tmp_path, "ada")))
    armored = signer.make(MESSAGE)
    assert parse_signature(armored).is_of(MESSAGE)
    assert openssh_accepts(tmp_path, signer.public, armored, MESSAGE)
    assert not parse_signature(armored).is_of(MESSAGE + b".")
    assert not openssh_accepts(tmp_path, signer.public, armored, MESSAGE + b".")


def test_no_bit_of_an_ssh_signature_can_be_flipped(tmp_path: Path) -> None:
    """Every single bit of the armor matters: none is ignored, none has two spellings."""
    signer = find_key(str(ssh_key(tmp_path, "ada")))
    armored = signer.make(MESSAGE)
    accepted = []
    for at in range(len(armored) * 8):
        flipped = bytearray(armored)
        flipped[at // 8] ^= 1 << at % 8
        try:
            parsed = parse_signature(bytes(flipped))
        except (WireError, KeyRefusedError):
            continue
        if parsed.key == signer.public and parsed.is_of(MESSAGE):
            accepted.append(at)
    assert accepted == []


def test_a_touched_token_is_taken_and_openssh_agrees(tmp_path: Path) -> None:
    """A simulated FIDO token's signature is one that OpenSSH verifies."""
    token = Token(software_key()[0])
    armored = token.sign(MESSAGE)
    assert openssh_accepts(tmp_path, token.public, armored, MESSAGE)
    assert open_envelope(token.signer.sign(b"{}"), keys(token.public)).payload == b"{}"


def test_a_token_without_touch_is_refused_though_openssh_takes_it(tmp_path: Path) -> None:
    """Flag 0 says that nobody was there."""
    token = Token(software_key()[0], flags=0)
    assert openssh_accepts(tmp_path, token.public, token.sign(MESSAGE), MESSAGE)
    line = seal(b"{}", token.public, token.sign(pae(PAYLOAD_TYPE, b"{}")))
    with pytest.raises(ForgedEnvelopeError, match="without touch"):
        open_envelope(line, keys(token.public))
    with pytest.raises(RunError, match="does not hold"):
        token.signer.sign(b"{}")


def test_a_token_never_signs_plainly() -> None:
    """A raw signature by the same curve's point is none of the token's."""
    secret, _ = software_key()
    token = Token(secret)
    line = seal(b"{}", token.public, secret.sign(pae(PAYLOAD_TYPE, b"{}")))
    with pytest.raises(ForgedEnvelopeError):
        open_envelope(line, keys(token.public))


@pytest.mark.parametrize("namespace", ["git", "file", "stressproof2", ""])
def test_another_namespace_is_none_of_ours(namespace: str) -> None:
    """A signature of a commit cannot be taken for one of a statement."""
    token = Token(software_key()[0])
    with pytest.raises(WireError, match="namespace"):
        parse_signature(token.sign(MESSAGE, namespace))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("-t", "rsa", "-b", "2048"), "RSA"),
        (("-t", "ecdsa"), "ecdsa-sha2-nistp256"),
    ],
)
def test_other_keys_are_refused_by_name(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    """RSA and ECDSA are named, and ed25519 as what to use; when signing and when verifying."""
    path = ssh_key(tmp_path, "other", *flags)
    with pytest.raises(UsageError, match=said) as caught:
        find_key(str(path))
    assert "ed25519" in caught.value.hint
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(path)]
    armored = subprocess.run(command, input=MESSAGE, capture_output=True, check=True).stdout
    with pytest.raises(KeyRefusedError, match=said):
        parse_signature(armored)


def test_a_certificate_is_refused_by_name(tmp_path: Path) -> None:
    """Whoever signs certificates would decide who signs here."""
    authority, own = ssh_key(tmp_path, "authority"), ssh_key(tmp_path, "own")
    command = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", "-n", "ada", f"{own}.pub"]
    subprocess.run(command, check=True, capture_output=True)
    kind, blob, *_ = (tmp_path / "own-cert.pub").read_text().split()
    with pytest.raises(KeyRefusedError, match="certificate") as caught:
        parse_key(kind, blob)
    assert "ed25519" in caught.value.hint


def test_fingerprints_are_openssh_s(tmp_path: Path) -> None:
    """A person finds a key of the roster in what ``ssh-keygen -l`` prints."""
    path = ssh_key(tmp_path, "ada")
    said = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, check=True, text=True)
    assert find_key(str(path)).public.fingerprint == said.stdout.split()[1]


def test_securesystemslib_verifies_what_a_machine_signed() -> None:
    """Another DSSE library takes our envelope, and we take the same bytes signed by it."""
    pem, signer = machine_key()
    payload = b'{"a":1}'
    envelope = TheirEnvelope.from_dict(json.loads(signer.sign(payload)))
    theirs = SSlibKey(
        signer.public.fingerprint,
        "ed25519",
        "ed25519",
        {"public": signer.public.raw.hex()},
    )
    assert envelope.verify([theirs], 1)
    raw = TheirEnvelope(payload, PAYLOAD_TYPE, {})
    key = load_pem_private_key(pem.encode(), None)
    made = CryptoSigner(key, theirs).sign(raw.pae())
    line = seal(payload, signer.public, bytes.fromhex(made.signature))
    assert open_envelope(line, keys(signer.public)).payload == payload


def test_a_key_in_a_file_signs_as_one_in_a_variable(tmp_path: Path) -> None:
    """The CI's secret may be a file or a text."""
    pem, signer = machine_key()
    path = tmp_path / "key.pem"
    path.write_text(pem)
    assert find_key(str(path)).public == signer.public
    environment = {"STRESSPROOF_SIGNING_KEY": str(path), "PATH": "/bin"}
    assert find_key(None, environment).public == signer.public
    assert environment == {"PATH": "/bin"}  # no child of ours inherits it


def test_an_encrypted_key_needs_a_person() -> None:
    """Where nobody can be asked for the passphrase, that is said."""
    pem, _ = make_key(b"secret")
    with pytest.raises(UsageError, match="passphrase"):
        find_key(None, {"STRESSPROOF_SIGNING_KEY": pem.decode()})


def misspelt_secrets() -> dict[str, str]:
    """Return what people put into the variable that is no PEM text, by what went wrong."""
    pem, _ = machine_key()
    return {
        "without its dashed lines": pem.splitlines()[1],
        "in base64 once more": base64.b64encode(pem.encode() * 30).decode(),
        "with escaped line breaks": pem.replace("\n", "\\n"),
        "of nothing but a beginning": pem[:60],
    }


@pytest.mark.parametrize("how", misspelt_secrets())
def test_a_misspelt_secret_is_never_shown(how: str) -> None:
    """The variable's value may be a key however it reads, and CI logs are read by many."""
    text = misspelt_secrets()[how]
    for named, environment in (
        (None, {"STRESSPROOF_SIGNING_KEY": text}),
        (f"-----BEGIN {text}", {}),
    ):
        with pytest.raises(UsageError) as caught:
            find_key(named, environment)
        said = caught.value.message + caught.value.hint
        assert not any(part in said for part in text.splitlines() if len(part) > 20)
        assert "STRESSPROOF_SIGNING_KEY" in said


def test_a_blank_secret_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CI sets an absent secret to nothing: then the user's own key is looked for."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no key to sign with"):
        find_key(None, {"STRESSPROOF_SIGNING_KEY": " \n"})


def test_a_person_s_key_as_text_is_told_from_a_machine_s(tmp_path: Path) -> None:
    """What ssh-keygen writes is PEM by its looks, and no text of ours."""
    text = ssh_key(tmp_path, "ada").read_text()
    with pytest.raises(UsageError, match="holds an OpenSSH key") as caught:
        find_key(None, {"STRESSPROOF_SIGNING_KEY": text})
    assert "stressproof keys init" in caught.value.hint


@pytest.mark.parametrize("text", ["", "no key\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_key_is_a_usage_error(tmp_path: Path, text: str) -> None:
    """No traceback, and the remedy names both kinds."""
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        find_key(str(path))
    assert caught.value.hint


def test_an_agent_s_only_key_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ssh_agent: dict[str, str]
) -> None:
    """Whoever has an agent names nothing: git's key, else the agent's only one."""
    for name, value in ssh_agent.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no key to sign with"):
        find_key(None)
    path = ssh_key(tmp_path, "ada")
    subprocess.run(["ssh-add", "-q", path], check=True, capture_output=True)
    public = find_key(f"{path}.pub").public
    path.unlink()
    found = find_key(None)
    assert found.public == public
    assert open_envelope(found.sign(b"{}"), keys(public)).payload == b"{}"
    assert open_envelope(find_key(f"{path}.pub").sign(b"{}"), keys(public)).payload == b"{}"
    other = ssh_key(tmp_path, "other")
    subprocess.run(["ssh-add", "-q", other], check=True, capture_output=True)
    with pytest.raises(UsageError, match="2 ed25519 keys"):
        find_key(None)
    for configured in (f"key::{public.line}", f"{public.line} ada@example.org"):
        config = tmp_path / "gitconfig"
        config.write_text(f'[user]\n\tsigningKey = "{configured}"\n')
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
        assert find_key(None).public == public
        assert open_envelope(find_key(None).sign(b"{}"), keys(public)).payload == b"{}"


def test_an_agent_of_other_keys_is_told_what_to_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ssh_agent: dict[str, str]
) -> None:
    """Whoever has an RSA key alone, in an agent or as git's, reads that ed25519 is wanted."""
    for name, value in ssh_agent.items():
        monkeypatch.setenv(name, value)
    config = tmp_path / "gitconfig"
    config.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.chdir(tmp_path)
    path = ssh_key(tmp_path, "old", "-t", "rsa", "-b", "2048")
    subprocess.run(["ssh-add", "-q", path], check=True, capture_output=True)
    with pytest.raises(UsageError, match="no ed25519 key, but an RSA key") as caught:
        find_key(None)
    assert "ssh-keygen -t ed25519" in caught.value.hint
    config.write_text(
        f'[user]\n\tsigningKey = "key::{path.with_suffix(".pub").read_text()[:-1]}"\n'
    )
    with pytest.raises(UsageError, match=r"user\.signingKey: an RSA key") as caught:
        find_key(None)
    assert "ssh-keygen -t ed25519" in caught.value.hint


def test_without_agent_and_file_ssh_keygen_s_reason_is_a_broken_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public half alone signs nothing."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    path = ssh_key(tmp_path, "ada")
    path.unlink()
    with pytest.raises(RunError, match="could not sign"):
        find_key(f"{path}.pub").sign(b"{}")


def changed(line: bytes, old: bytes, new: bytes) -> bytes:
    """Return a line with something else in it; that it is something else is certain."""
    assert line.count(old) == 1
    return line.replace(old, new)


@pytest.fixture(scope="module")
def machine() -> SigningKey:
    """A machine's key."""
    return machine_key()[1]


def test_envelopes_that_are_refused(machine: SigningKey) -> None:
    """Each for its own reason: unreadable, forged, or by nobody of the roster."""
    line = machine.sign(b'{"a":1}')
    known = keys(machine.public)
    assert open_envelope(line, known).payload == b'{"a":1}'
    payload = base64.b64encode(b'{"a":1}')
    signature = json.loads(line)["signatures"][0]
    second = json.dumps(signature, separators=(",", ":")).encode()
    unreadable = (
        line + b" ",
        changed(line, b'"payload":', b'"payload": '),
        changed(line, b"application/vnd.in-toto+json", b"application/json"),
        changed(line, payload, payload[:-1]),
        changed(line, second, second + b"," + second),
        changed(line, second, b""),
        changed(line, b'"payload":', b'"more":1,"payload":'),
        b"",
        b"[]",
        b"\xff",
    )
    for each in unreadable:
        with pytest.raises(UnreadableEnvelopeError):
            open_envelope(each, known)
    with pytest.raises(ForgedEnvelopeError):
        open_envelope(changed(line, payload, base64.b64encode(b'{"a":2}')), known)
    with pytest.raises(UnauthorisedEnvelopeError):
        open_envelope(line, keys(software_key()[1]))
    with pytest.raises(UnauthorisedEnvelopeError):
        open_envelope(line, {})


def test_a_key_id_that_names_another_key_is_refused(machine: SigningKey) -> None:
    """The hint is checked: signed by one key and labelled as another's is nobody's."""
    other = machine_key()[1]
    line = machine.sign(b"{}")
    relabelled = changed(
        line, machine.public.fingerprint.encode(), other.public.fingerprint.encode()
    )
    with pytest.raises(ForgedEnvelopeError):
        open_envelope(relabelled, {**keys(machine.public), **keys(other.public)})


def test_an_ssh_signature_in_another_key_s_envelope_is_refused() -> None:
    """The key inside of the armor is the one that the envelope names."""
    token, other = Token(software_key()[0]), Token(software_key()[0])
    line = seal(b"{}", token.public, other.sign(pae(PAYLOAD_TYPE, b"{}")))
    with pytest.raises(ForgedEnvelopeError):
        open_envelope(line, {**keys(token.public), **keys(other.public)})


@pytest.mark.parametrize("text", [b"QQ", b"QQ=", b"QR==", b"QQ==\n", b"Q Q=", b"_-==", b"QQ==="])
def test_base64_has_one_spelling(text: bytes) -> None:
    """No blank, no missing padding, no unused bits, no other alphabet."""
    with pytest.raises(WireError):
        decode_base64(text)


def test_a_cut_or_padded_signature_is_refused() -> None:
    """Whatever stands behind the fields of a signature makes it none."""
    token = Token(software_key()[0])
    good = decode_base64(b"".join(token.sign(MESSAGE).splitlines()[1:-1]))
    assert parse_signature(armored(good)).is_of(MESSAGE)
    for broken in (good[:-1], good + b"\0", good[:20], b"SSHSIG\0\0\0\2" + good[10:]):
        with pytest.raises(WireError):
            parse_signature(armored(broken))
    short = armor(token.public, b"\0\0\0\1x", NAMESPACE)
    with pytest.raises(WireError):
        parse_signature(short)


def armored(blob: bytes) -> bytes:
    """Return a blob in armor."""
    text = base64.b64encode(blob).decode()
    lines = "".join(f"{text[at : at + 70]}\n" for at in range(0, len(text), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n".encode()
