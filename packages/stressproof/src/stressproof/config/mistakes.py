"""What is wrong in a file: every mistake with its place, gathered while the rest is read."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from stressproof.config.positions import Key, Place
from stressproof.errors import UsageError
from stressproof.objectives.syntax import did_you_mean

ResultT = TypeVar("ResultT")


class Mistake(Struct, frozen=True):
    """One thing that is wrong, and where.

    Attributes:
        path: Keys and positions from the top of the file.
        message: What was seen and what was expected.
        hint: What to write instead, empty where nothing is obvious.
        line: From 1, 0 where the file's text does not show it.
        pointer: That line with a caret, empty where the message has one.
    """

    path: Place
    message: str
    hint: str = ""
    line: int = 0
    pointer: str = ""

    @property
    def where(self) -> str:
        """The path as people write it: ``thresholds.http_reqs[0]``."""
        text = ""
        for key in self.path:
            if isinstance(key, int):
                text += f"[{key}]"
            else:
                bare = re.fullmatch(r"[A-Za-z0-9_-]+", key)
                text += ("." if text else "") + (key if bare else f'"{key}"')
        return text


class Mistakes:
    """Takes note of what is wrong while the rest is read.

    Args:
        unread: Places in the file of which too little is known to judge what they mean.
        in_file: Where in the file a place of the tables that are read is.

    Attributes:
        found: What is wrong.
    """

    def __init__(
        self,
        unread: Collection[Place] = (),
        in_file: Callable[[Place], Place] = lambda place: place,
    ) -> None:
        self.found: list[Mistake] = []
        self._unread = unread
        self._in_file = in_file

    def add(self, path: Place, message: str, hint: str = "") -> None:
        """Take note of a mistake, once."""
        mistake = Mistake(path, message, hint)
        if mistake not in self.found:
            self.found.append(mistake)

    def attempt(self, path: Place, read: Callable[..., ResultT], *given: Any) -> ResultT | None:
        """Return what something means, or take note that it means nothing."""
        try:
            return read(*given)
        except UsageError as error:
            self.add(path, error.message, error.hint)
            return None

    def lead_nowhere(self, path: Place, what: str, name: str, known: Collection[str]) -> None:
        """Take note of a name that nothing has."""
        self.add(
            path, f"there is no {what} {name!r}", did_you_mean(name, known) or there_are(known)
        )

    def knows(self, *place: Key) -> bool:
        """Whether all of a place could be read."""
        where = self._in_file(place)
        return not any(related(where, one) for one in self._unread)


def there_are(names: Collection[str]) -> str:
    """Return the names that there are, as a sentence."""
    known = list(dict.fromkeys(names))
    return f"There {'is' if len(known) == 1 else 'are'} {', '.join(known) or 'none'}."


def related(place: Place, other: Place) -> bool:
    """Whether one place is the other or lies in it."""
    length = min(len(place), len(other))
    return place[:length] == other[:length]


class ConfigError(UsageError):
    """A configuration that cannot be meant; holds every mistake, in the order of their lines.

    Args:
        name: How to name the file.
        mistakes: What is wrong, at least one.
    """

    def __init__(self, name: str, mistakes: Sequence[Mistake]) -> None:
        in_order = sorted(mistakes, key=lambda mistake: mistake.line)
        self.mistakes = tuple(in_order)
        blocks = [self._block(name, mistake) for mistake in in_order]
        count = f"{len(mistakes)} mistakes" if len(mistakes) > 1 else "one mistake"
        super().__init__("\n".join([*blocks, f"{name}: {count}"]))

    @staticmethod
    def _block(name: str, mistake: Mistake) -> str:
        place = f"{name}:{mistake.line}" if mistake.line else name
        where = f" {mistake.where}:" if mistake.path else ""
        more = "".join(
            f"\n{text}" for text in (mistake.pointer, mistake.hint and f"  {mistake.hint}") if text
        )
        return f"{place}:{where} {mistake.message}{more}"
