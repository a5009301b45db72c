"""``${NAME}`` in a file: from the environment, once, and never written down.

``${NAME:-default}`` has a default, ``$${`` is a ``${`` as it stands.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stressproof.config.positions import Place
from stressproof.errors import UsageError

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|(\$\{)", re.ASCII)


def names_in(text: str) -> bool:
    """Return whether a text takes something from the environment."""
    return any(match[0] != "$${" for match in _VARIABLE.finditer(text))


def unset_in(text: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables of a text that have neither a value nor a default."""
    for match in _VARIABLE.finditer(text):
        if match[1] is not None and match[2] is None and not environment.get(match[1]):
            yield match[1]


def filled(text: str, environment: Mapping[str, str] | None) -> str:
    """Return a text with what the environment says; None leaves it as it is written.

    Raises:
        UsageError: A variable is not set and has no default, or the text is not closed.
    """
    if environment is None:
        return text

    def value(match: re.Match[str]) -> str:
        name, default, broken = match.groups()
        if broken:
            raise UsageError(
                f"{text!r} has a ${{ that names nothing",
                hint="Write ${NAME} or ${NAME:-default}; $${ is a ${ as it stands.",
            )
        if name is None:
            return "${"
        # As in a shell, a default also stands for what is empty.
        found = environment.get(name) or default
        if found is None:
            raise UsageError(
                f"the environment has no {name}",
                hint=f"Set it, or write a default: ${{{name}:-…}}.",
            )
        return found

    return _VARIABLE.sub(value, text)


def filled_values(value: Any, environment: Mapping[str, str] | None) -> Any:
    """Return JSON with its texts filled; raises as `filled`."""
    if isinstance(value, str):
        return filled(value, environment)
    if isinstance(value, list):
        return [filled_values(item, environment) for item in value]
    if isinstance(value, dict):
        return {key: filled_values(item, environment) for key, item in value.items()}
    return value


def texts_in(value: Any, path: Place) -> Iterator[tuple[Place, str]]:
    """Yield every text of a value with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list | tuple):
        for at, item in enumerate(value):
            yield from texts_in(item, (*path, at))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(item, (*path, key))
