"""Secrets on their way into a file: each becomes ``${NAME}``, and its value stays outside."""

import re
from collections.abc import Mapping
from typing import Any

from stressproof.workload.redaction import is_secret, looks_secret

_SCHEME = re.compile(r"(Bearer|Basic|Token|ApiKey|Digest)\s+(\S.*)", re.IGNORECASE | re.DOTALL)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MADE = re.compile(r"\{\{\w+\}\}")
_SHORTEST = 8  # anything shorter may stand anywhere by chance
_OURS = {"authorization": "API_TOKEN", "proxy-authorization": "PROXY_TOKEN"}


def literal(text: str) -> str:
    """Return a text that means itself in the file."""
    return text.replace("${", "$${")


class Secrets:
    """The variables of one file: one for each secret, however often it occurs.

    Attributes:
        variables: Their names, with what each holds.
    """

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def variable(self, wanted: str, holds: str, value: str | None = None) -> str:
        """Return ``${NAME}`` for a secret.

        Args:
            wanted: What it is called where it was found; the name follows from it.
            holds: What it is, for people.
            value: The secret, which is not kept in the file; None where it is not known.
        """
        base = re.sub(r"[^A-Za-z0-9]+", "_", _OURS.get(wanted.lower(), wanted)).strip("_").upper()
        base = f"API_{base or 'TOKEN'}" if not base or base[0].isdigit() else base
        if value is not None and value in self._names:
            return f"${{{self._names[value]}}}"
        name, number = base, 1
        while name in self.variables and (value is not None or self.variables[name] != holds):
            number += 1
            name = f"{base}_{number}"
        self.variables[name] = holds
        if value is not None:
            self._names[value] = name
        return f"${{{name}}}"

    def header(self, name: str, value: str) -> str:
        """Return a header's value for the file; a scheme such as ``Bearer`` stays readable."""
        found = _SCHEME.fullmatch(value)
        if found and (is_secret(name) or found[1].lower() == "bearer"):
            return f"{found[1]} {self.text(name, found[2], f'the header {name}', secret=True)}"
        return self.text(name, value, f"the header {name}")

    def text(self, name: str, value: str, holds: str, *, secret: bool = False) -> str:
        """Return a text for the file: a variable where its name or shape is a secret's.

        A text that already is ``${NAME}`` stays, and its name is noted.
        """
        given = _VARIABLE.fullmatch(value)
        if given:
            self.variables.setdefault(given[1], holds)
            return value
        made = _MADE.fullmatch(value) is not None
        if value and not made and (secret or is_secret(name) or looks_secret(value)):
            return self.variable(name, holds, value)
        return self._without_known(value)

    def _without_known(self, value: str) -> str:
        """Return a text that means itself, but for secrets that were found elsewhere."""
        known = [one for one in self._names if len(one) >= _SHORTEST and one in value]
        if not known:
            return literal(value)
        pattern = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
        return "".join(
            f"${{{self._names[part]}}}" if part in known else literal(part)
            for part in re.split(f"({pattern})", value)
        )

    def query(self, pairs: Mapping[str, str]) -> dict[str, str]:
        """Return a query's values for the file."""
        return {
            name: self.text(name, value, f"the query's {name}") for name, value in pairs.items()
        }

    def document(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """Return JSON for the file; texts whose names are a secret's become variables."""
        if isinstance(value, dict):
            return {
                str(key): self.document(item, str(key), depth + 1) for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.document(item, name, depth + 1) for item in value]
        if not isinstance(value, str):
            return value
        # In a document "key" is a word like any other.
        return self.text("" if name.lower() == "key" else name, value, f"the body's {name}")
