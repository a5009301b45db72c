"""Sets of HTTP statuses in words."""

from collections.abc import Iterable

_ALL_OF_A_CLASS = 100


def in_words(statuses: Iterable[int]) -> str:
    """Return statuses as a person writes them: ``2xx, 404``."""
    left = sorted(set(statuses))
    classes = [
        first
        for first in range(100, 600, _ALL_OF_A_CLASS)
        if sum(first <= status < first + _ALL_OF_A_CLASS for status in left) == _ALL_OF_A_CLASS
    ]
    words = [f"{first // _ALL_OF_A_CLASS}xx" for first in classes]
    words += [str(status) for status in left if status - status % _ALL_OF_A_CLASS not in classes]
    return ", ".join(words)
