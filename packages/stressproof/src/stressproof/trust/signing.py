"""Signing: a machine with its own key, a person with the SSH key that they have.

A person's private key never passes through here: ``ssh-keygen -Y sign`` asks the agent, the file or
the token. A machine's is a PKCS#8 file, or the text of one in a variable of the CI's secrets.
"""

import os
from collections.abc import Callable, MutableMapping
from pathlib import Path

from msgspec import Struct

from stressproof.errors import RunError, UsageError
from stressproof.trust.envelope import PAYLOAD_TYPE, EnvelopeError, open_envelope, pae, seal
from stressproof.trust.keys import (
    ED25519,
    KeyRefusedError,
    PublicKey,
    is_key_type,
    parse_key,
)
from stressproof.trust.sshsig import BEGIN, NAMESPACE

VARIABLE = "STRESSPROOF_SIGNING_KEY"
"""A machine's key: its PEM text, or the path of a key file."""

MAX_BYTES = 64 * 1024
TIMEOUT_S = 120
"""For a person to find their token and touch it."""

_PEM = "-----BEGIN "
_OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----"
_REMEDY = (
    "Make one: ssh-keygen -t ed25519, or name one: --signing-key FILE (an OpenSSH .pub whose key "
    f"an agent holds, an OpenSSH key, or PKCS#8 from stressproof keys init), or set {VARIABLE}."
)


class SigningKey(Struct, frozen=True):
    """A key that can sign here.

    Attributes:
        public: Its public half.
        source: Where it is, for people.
        make: Makes the signature of a message: raw ed25519, or an armored SSH signature.
    """

    public: PublicKey
    source: str
    make: Callable[[bytes], bytes]

    def sign(self, payload: bytes) -> bytes:
        """Return the line of a bundle that carries a payload with this key's signature.

        Raises:
            RunError: The signature could not be made, or does not hold.
        """
        line = seal(payload, self.public, self.make(pae(PAYLOAD_TYPE, payload)))
        try:
            open_envelope(line, {self.public.fingerprint: self.public})
        except EnvelopeError as error:
            raise RunError(
                f"{self.source}: the signature that was made does not hold: {error.seen}",
                hint="Touch the token when it asks; one that asks for no touch is not taken.",
            ) from error
        return line


def find_key(named: str | None, environment: MutableMapping[str, str] = os.environ) -> SigningKey:
    """Return the key to sign with.

    Args:
        named: A file; None for what the environment names, else the user's own SSH key.
        environment: The variables of the process; a key in it is taken out, so that no child
            inherits it.

    Raises:
        UsageError: There is none, or it is of a kind that is not taken.
    """
    text = environment.pop(VARIABLE, "").strip()
    if named is not None:
        if named.lstrip().startswith(_PEM):
            raise UsageError(
                "--signing-key is given the text of a key, and not the name of a file",
                hint=f"Put the text into {VARIABLE}: whoever lists processes reads a command line.",
            )
        return _of_file(Path(named).expanduser(), named)
    return _of_variable(text) if text else _of_user(environment)


def _of_variable(text: str) -> SigningKey:
    """Return the key of the variable, whose value may be a secret however it is misspelt."""
    if text.startswith(_OPENSSH):
        raise UsageError(
            f"{VARIABLE} holds an OpenSSH key, which ssh-keygen alone can sign with",
            hint="Name its file, with the .pub beside it: --signing-key FILE. A machine's key is "
            "made by stressproof keys init NAME --out FILE.",
        )
    if text.startswith(_PEM):
        return _of_text(text, VARIABLE)
    path = os.path.expanduser(text)  # noqa: PTH111  # what is no path at all must not raise
    if not os.path.isfile(path):  # noqa: PTH113  # likewise
        raise UsageError(
            f"{VARIABLE} is neither the text of a key nor the name of a file",
            hint="Set it to the whole text that stressproof keys init NAME --out FILE wrote, line "
            "breaks and both dashed lines included. (Its value is not shown: it may be a secret.)",
        )
    return _of_file(Path(path), VARIABLE)


def _of_file(path: Path, source: str) -> SigningKey:
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", hint=_REMEDY) from error
    if text.lstrip().startswith(_OPENSSH):
        public = path.with_name(f"{path.name}.pub")
        if not public.is_file():
            raise UsageError(
                f"{public} is not there, which says whose key {path.name} is",
                hint=f"Write it: ssh-keygen -y -f {path} > {public}",
            )
        return _of_ssh(path, public.read_text("utf-8", "replace"))
    if text.lstrip().startswith(_PEM):
        return _of_text(text, source)
    return _of_ssh(path, text)


def _of_text(text: str, source: str) -> SigningKey:
    """Return the key of a PKCS#8 text; a passphrase is asked for on the terminal."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  # only to sign
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # likewise
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # likewise
        load_pem_private_key,
    )

    password = _passphrase(source) if "ENCRYPTED" in text else None
    try:
        key = load_pem_private_key(text.strip().encode() + b"\n", password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{source} holds no key that can be read", hint=_REMEDY) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"{source} holds a key that is not ed25519",
            hint="Make one: stressproof keys init NAME --out FILE.",
        )
    public = PublicKey(ED25519, key.public_key().public_bytes_raw())
    return SigningKey(public, source, key.sign)


def _passphrase(source: str) -> bytes:
    import getpass  # noqa: PLC0415  # only for such a key

    if not is_attended():
        raise UsageError(
            f"{source} has a passphrase, and nobody is at a terminal to say it",
            hint="A machine's key has none: keep it in the CI's secrets.",
        )
    return getpass.getpass(f"Passphrase of {source}: ").encode()


def is_attended() -> bool:
    """Return whether somebody is at a terminal who could say a passphrase."""
    import sys  # noqa: PLC0415  # only where one is asked for

    return bool(sys.stdin) and sys.stdin.isatty()


def _of_ssh(path: Path, public: str) -> SigningKey:
    """Return the key that ssh-keygen finds by a file, with its public half as the file has it."""
    kind, _, rest = public.strip().partition(" ")
    try:
        key = parse_key(kind, rest.split(" ")[0].strip())
    except KeyRefusedError as error:
        raise UsageError(f"{path}: {error.seen}", hint=error.hint) from error
    return SigningKey(key, str(path), lambda message: _ssh_keygen(path, message))


def _ssh_keygen(path: Path, message: bytes) -> bytes:
    """Let ssh-keygen sign; what it asks for (a passphrase, a touch) it asks the person itself."""
    import subprocess  # noqa: PLC0415  # only where a person signs

    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(path)]
    try:
        ended = subprocess.run(
            command, input=message, stdout=subprocess.PIPE, check=False, timeout=TIMEOUT_S
        )
    except FileNotFoundError as error:
        raise UsageError(
            "there is no ssh-keygen on this machine",
            hint="Install OpenSSH, or make a key of another kind: stressproof keys init.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RunError(f"ssh-keygen did not sign within {TIMEOUT_S} s") from error
    if ended.returncode or not ended.stdout.startswith(BEGIN):
        raise RunError(
            f"ssh-keygen could not sign with {path} (its reason stands above)",
            hint="Add the key to an agent (ssh-add), or name the file of the private key.",
        )
    return ended.stdout


def _of_user(environment: MutableMapping[str, str]) -> SigningKey:
    """Return the SSH key that git signs with, else the only ed25519 key that an agent holds."""
    configured = _of_git()
    if configured is not None:
        return configured
    held, refused = {}, []
    for line in _answer("ssh-add", "-L").splitlines() if environment.get("SSH_AUTH_SOCK") else ():
        kind, _, rest = line.partition(" ")
        if not is_key_type(kind):
            continue  # it says that there are none
        try:
            key = parse_key(kind, rest.split(" ")[0])
        except KeyRefusedError as error:
            refused.append(error.seen)
        else:
            held[key.fingerprint] = key
    if len(held) == 1:
        [key] = held.values()
        return _of_agent(key)
    seen = "no key to sign with was found"
    if refused:
        seen = f"an agent holds no ed25519 key, but {refused[0]}"
    if held:
        seen = f"an agent holds {len(held)} ed25519 keys"
    raise UsageError(seen, hint=_REMEDY)


def _of_git() -> SigningKey | None:
    """Return the key that git signs with, None where it names none of SSH's."""
    configured = _answer("git", "config", "--get", "user.signingKey")
    # git takes a public key itself, too, with or without its prefix.
    words = configured.removeprefix("key::").split()
    if words and is_key_type(words[0]):
        try:
            key = parse_key(words[0], " ".join(words[1:2]))
        except KeyRefusedError as error:
            raise UsageError(f"git's user.signingKey: {error.seen}", hint=error.hint) from error
        return _of_agent(key)
    if configured and os.path.isfile(os.path.expanduser(configured)):  # noqa: PTH111, PTH113  # likewise
        return _of_file(Path(configured).expanduser(), "git's user.signingKey")
    return None


def _of_agent(key: PublicKey) -> SigningKey:
    return SigningKey(key, "the SSH agent", lambda message: _through_agent(key, message))


def _through_agent(key: PublicKey, message: bytes) -> bytes:
    """Let ssh-keygen sign with a key that only an agent has: it wants the public half as a file."""
    import tempfile  # noqa: PLC0415  # only where a person signs

    with tempfile.TemporaryDirectory(prefix="stressproof-") as folder:
        path = Path(folder) / "key.pub"
        path.write_text(key.line + "\n", "utf-8")
        return _ssh_keygen(path, message)


def _answer(*command: str) -> str:
    """Return what a program prints, nothing where it has no answer."""
    import subprocess  # noqa: PLC0415  # only where a person signs

    try:
        ended = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.decode("utf-8", "replace").strip()


def make_key(passphrase: bytes = b"") -> tuple[bytes, PublicKey]:
    """Return a new ed25519 key: PKCS#8 in PEM, and its public half."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # only here
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # likewise
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.generate()
    sealed: KeySerializationEncryption = NoEncryption()
    if passphrase:
        sealed = BestAvailableEncryption(passphrase)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed)
    return pem, PublicKey(ED25519, key.public_key().public_bytes_raw())
