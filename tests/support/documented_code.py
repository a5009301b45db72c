"""The fenced code of a page, under the headings that it has there."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"

_HEADING_OR_BLOCK = re.compile(
    r"^(?:## (?P<heading>[^\n]+)|```(?P<info>[^\n`]+)\n(?P<code>.*?)^```)$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"\s*(?:#|//)")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        info: What stands behind its fence: the language, and words for the tests.
        code: Its lines.
    """

    info: tuple[str, ...]
    code: str

    @property
    def lines(self) -> int:
        """How many lines of code it has."""
        return lines_of_code(self.code)


@dataclass(frozen=True)
class Section:
    """What stands under a heading of the second level; before the first, under none."""

    heading: str
    blocks: tuple[Block, ...]

    def code(self, *info: str) -> str:
        """Return the code of the blocks with just this info, joined."""
        return "".join(block.code for block in self.blocks if block.info == info)


def lines_of_code(text: str) -> int:
    """Return how many lines are neither blank nor a comment."""
    return sum(bool(line.strip()) and not _COMMENT.match(line) for line in text.splitlines())


def sections_of(page: Path) -> list[Section]:
    """Return a page's sections in their order."""
    found: list[tuple[str, list[Block]]] = [("", [])]
    for match in _HEADING_OR_BLOCK.finditer(page.read_text(encoding="utf-8")):
        if match["heading"] is not None:
            found.append((match["heading"], []))
        else:
            found[-1][1].append(Block(tuple(match["info"].split()), match["code"]))
    return [Section(heading, tuple(blocks)) for heading, blocks in found]
