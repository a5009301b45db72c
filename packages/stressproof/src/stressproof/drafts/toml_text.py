"""Values as TOML, and remarks as its comments."""

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_UNFIT = re.compile(r"[\x7f\ud800-\udfff]")
WIDTH = 100


def key(name: str) -> str:
    """Return a key, quoted where it has to be."""
    return name if _BARE.fullmatch(name) else text(name)


def text(value: str) -> str:
    """Return a text on one line."""
    quoted = json.dumps(value, ensure_ascii=False)
    return _UNFIT.sub(lambda found: f"\\u{_scalar(found[0]):04x}", quoted)


def _scalar(char: str) -> int:
    """Return a character's code; half of a pair, which TOML does not have, is replaced."""
    return ord(char) if ord(char) < 0x80 else 0xFFFD  # noqa: PLR2004  # beyond ASCII


def value(given: Any) -> str:
    """Return a text, number, truth, list or table on one line.

    Raises:
        TypeError: TOML has no such value.
    """
    if isinstance(given, str):
        return text(given)
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int | float):
        return repr(given)
    if isinstance(given, list | tuple):
        return f"[{', '.join(map(value, given))}]"
    if isinstance(given, Mapping):
        inner = ", ".join(f"{key(str(name))} = {value(one)}" for name, one in given.items())
        return f"{{ {inner} }}" if inner else "{}"
    raise TypeError(f"TOML has no {type(given).__name__}")


def comment(words: str) -> str:
    """Return a remark: one line, whatever it holds."""
    shown = "".join(char if char.isprintable() else " " for char in words)
    return f"# {' '.join(shown.split())}"


def commented(lines: list[str]) -> list[str]:
    """Return lines as comments; taking ``# `` away brings them back."""
    return [f"# {line}" for line in lines]
