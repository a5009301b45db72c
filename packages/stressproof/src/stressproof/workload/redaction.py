"""What must never reach a log, an artifact or an error sample, and how it is kept out."""

import re
from collections.abc import Iterable, Mapping

MASK = "***"

_SECRET_NAMES = re.compile(
    r"auth(?!or(?!i[sz]))|cookie|token|secret|passw(?:or)?d|passphrase|credential|session|signature"
    r"|csrf|xsrf|jwt|^key$|(?:api|access|subscription|functions|private|master|licen[cs]e)[-_]?key",
    re.IGNORECASE,
)
# Credentials that a server may echo although we never sent them.
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_SECRET_SHAPES = re.compile(rf"(?i:\b(bearer|basic)\s+)[A-Za-z0-9._~+/=-]{{6,}}|{_JWT.pattern}")
_PUBLIC_NAMES = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "user-agent"}
)
_SHORTEST_SECRET = 4  # anything shorter would mask ordinary words


def is_secret(header: str) -> bool:
    """Return whether a header of this name carries a credential."""
    return _SECRET_NAMES.search(header) is not None


def looks_secret(text: str) -> bool:
    """Return whether a text holds a token that shows what it is, whatever it is called."""
    return _JWT.search(text) is not None


# Possessive and not begun within a name: linear, whatever the text.
_NAMED = re.compile(
    r"""(?P<lead>(?P<quote>["']?)(?<![\w.\[\]-])(?P<name>[\w.\[\]-]++)(?P=quote)\s*+[=:]\s*+)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*+(?:"|$)|[^\s&"',;{}\[\]]+)"""
)


def masked_text(text: str) -> str:
    """Return text in which what is named like a secret is masked: in queries, forms and JSON."""

    def mask(found: re.Match[str]) -> str:
        return f"{found['lead']}{MASK}" if is_secret(found["name"]) else found[0]

    return _NAMED.sub(mask, text)


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers that can be shown: secret values are replaced by `MASK`."""
    return {name: MASK if is_secret(name) else value for name, value in headers.items()}


class Redactor:
    """Replaces what headers carried, and what looks like a credential, in text that will be kept.

    Which header a service takes its key from only the service knows, so that the value of any may
    be one; those that say how to talk are none.

    Args:
        headers: Whose values are replaced.
        secrets: What else is.
    """

    def __init__(self, headers: Iterable[Mapping[str, str]], secrets: Iterable[str] = ()) -> None:
        values = set(secrets)
        for one in headers:
            for name, value in one.items():
                if name.lower() not in _PUBLIC_NAMES:
                    values.update((value, *value.split()))
        self._values: list[str] = []
        self.learn(values)

    def learn(self, secrets: Iterable[str]) -> None:
        """Replace these, too, from now on."""
        values = {*self._values, *(one for one in secrets if len(one) >= _SHORTEST_SECRET)}
        # Longest first, so that no remainder of a longer secret survives.
        self._values = sorted(values, reverse=True, key=len)

    def clean(self, text: str) -> str:
        """Return the text without secrets and without control characters."""
        for value in self._values:
            text = text.replace(value, MASK)
        text = _SECRET_SHAPES.sub(MASK, text)
        return "".join(char if char.isprintable() else " " for char in text)
