"""Who may sign: ``trust/allowed_signers``, the file that ``ssh-keygen -Y verify`` reads.

A stricter reading than OpenSSH's: one name a line, no pattern, no certificate authority, times in
UTC. So a key has one owner, and two machines agree until when.
"""

import re
from datetime import UTC, datetime

from msgspec import Struct

from stressproof.config.mistakes import ConfigError, Mistake
from stressproof.config.reading import Source
from stressproof.trust.keys import KeyRefusedError, PublicKey, is_key_type, parse_key
from stressproof.trust.sshsig import NAMESPACE
from stressproof.verify.failure.people import fold

ROSTER_NAME = "allowed_signers"

PRINCIPAL = r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$"
"""A name as a roster, a policy and a statement have it: ASCII, so that no two look alike."""

_OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"]*)")?(?:,|$)')
_NAMESPACE = re.compile(r"[^\s,]+")
_WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
_TIME = re.compile(r"(\d{8})(?:(\d{4})(\d{2})?)?Z", re.ASCII)
_US = 1_000_000


class Signer(Struct, frozen=True):
    """One key and its owner.

    Attributes:
        principal: The owner.
        key: The key.
        valid_after_us: From when, in microseconds since 1970; None for always.
        valid_before_us: Until when, likewise.
        line: Of the file, from 1.
    """

    principal: str
    key: PublicKey
    valid_after_us: int | None = None
    valid_before_us: int | None = None
    line: int = 0

    def is_valid_at(self, at_us: int) -> bool:
        """Return whether the key may sign at a time."""
        return (self.valid_after_us is None or self.valid_after_us <= at_us) and (
            self.valid_before_us is None or at_us < self.valid_before_us
        )


def read_roster(source: Source) -> tuple[Signer, ...]:
    """Return everybody who may sign in our namespace.

    Lines for other namespaces are other tools' affair, and are read all the same.

    Raises:
        ConfigError: A line cannot be meant; every such line is named.
    """
    signers: list[Signer] = []
    mistakes: list[Mistake] = []
    for number, text in enumerate(source.lines, 1):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        try:
            signer = _signer(text, number)
        except _LineError as error:
            mistakes.append(Mistake((), error.seen, error.hint, number))
        else:
            signers += [signer] if signer is not None else []
    mistakes += _shared(signers)
    if not (signers or mistakes):
        mistakes.append(Mistake((), "nobody may sign", f'Write NAME namespaces="{NAMESPACE}" KEY.'))
    if mistakes:
        raise ConfigError(source.name, mistakes)
    return tuple(signers)


class _LineError(Exception):
    def __init__(self, seen: str, hint: str) -> None:
        super().__init__(seen)
        self.seen = seen
        self.hint = hint


def _signer(text: str, number: int) -> Signer | None:
    """Return what a line says; None where it is about other namespaces."""
    words = _WORD.findall(text)
    name, words = words[0], words[1:]
    if is_key_type(name):
        raise _LineError(f"a key without an owner: {name}", "Write the owner's name before it.")
    _refuse_name(name)
    options: dict[str, str] = {}
    if words and not is_key_type(words[0]):
        options, words = _options(words[0]), words[1:]
    if len(words) < 2:  # noqa: PLR2004  # kind and key
        raise _LineError("no public key", f'Write NAME namespaces="{NAMESPACE}" ssh-ed25519 AAAA….')
    try:
        key = parse_key(words[0], words[1])
    except KeyRefusedError as error:
        raise _LineError(f"{name}: {error.seen}", error.hint) from error
    after, before = _instant(options, "valid-after"), _instant(options, "valid-before")
    if None not in {after, before} and (after or 0) >= (before or 0):
        raise _LineError(
            f"{name}'s key is never valid: from {options['valid-after']} until "
            f"{options['valid-before']}",
            "Let valid-before be later than valid-after.",
        )
    namespaces = options.get("namespaces", NAMESPACE)
    if any(mark in namespaces for mark in "*?!") or not all(
        map(_NAMESPACE.fullmatch, namespaces.split(","))
    ):
        raise _LineError(
            f"namespaces={namespaces!r}, which is no list of names",
            f'Write namespaces="{NAMESPACE}", or "git,{NAMESPACE}": no patterns, no blanks.',
        )
    if NAMESPACE not in namespaces.split(","):
        return None
    return Signer(name, key, after, before, number)


def _refuse_name(name: str) -> None:
    if any(mark in name for mark in "*?!"):
        raise _LineError(
            f"a pattern for names: {name!r}", "Name one person: a pattern could be anybody."
        )
    if "," in name:
        raise _LineError(
            f"one key under two names: {name!r}", "A key has one owner: leave one name."
        )
    if not re.match(PRINCIPAL, name):
        raise _LineError(
            f"{name!r} is no name", "Use letters, digits and . _ @ + -, such as ada@example.org."
        )


_KNOWN = frozenset({"namespaces", "valid-after", "valid-before"})


def _options(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _OPTION.match(text, at)
        name = match[1].lower() if match else ""
        if match is None:
            raise _LineError(
                f"{text!r} is neither a key nor options", "See ALLOWED SIGNERS in ssh-keygen(1)."
            )
        if name == "cert-authority":
            raise _LineError(
                "a certificate authority, which would decide who signs here",
                "List each person's own ed25519 key.",
            )
        if name not in _KNOWN or match[2] is None or name in found:
            raise _LineError(
                f"the option {match[0].rstrip(',')!r}",
                f"There are {', '.join(sorted(_KNOWN))}, each once and with its value in quotes.",
            )
        found[name] = match[2]
        at = match.end()
    return found


def _instant(options: dict[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    whole = match[1] + (match[2] or "0000") + (match[3] or "00") if match else ""
    try:
        at = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise _LineError(
            f"{name}={text!r}", "Write it in UTC: 20270131Z, or 20270131120000Z."
        ) from None
    return int(at.timestamp()) * _US


def _shared(signers: list[Signer]) -> list[Mistake]:
    """Return a mistake for each key with two owners, or twice, and for names that look alike."""
    mistakes = []
    owners: dict[bytes, Signer] = {}
    names: dict[str, str] = {}
    for signer in signers:
        first = owners.setdefault(signer.key.raw, signer)
        if first is not signer:
            whose = f"of {first.principal} (line {first.line})"
            mistakes.append(
                Mistake(
                    (),
                    f"one key under two names: {signer.principal}'s is also that {whose}"
                    if first.principal != signer.principal
                    else f"the key {whose} once more",
                    "A key stands once, under its one owner.",
                    signer.line,
                )
            )
        spelled = names.setdefault(fold(signer.principal), signer.principal)
        if spelled != signer.principal:
            mistakes.append(
                Mistake(
                    (),
                    f"{signer.principal!r} and {spelled!r} look like one person",
                    "Spell a name in one way.",
                    signer.line,
                )
            )
    return mistakes
