"""Whether two names are one person's, however they are written."""

import unicodedata

# Letters that look like Latin ones in most typefaces, after case folding.
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕһԁԛԝкмтвнɡıοανικρτυχγ",
    "aeopcyxijshdqwkmtbhgioavikptuxy",
)


def fold(name: str) -> str:
    """Return the name as it looks and sounds: what remains decides who it is.

    Compatibility forms are unified (NFKC), invisible characters and marks are removed, blanks are
    one, case is folded, and letters of other scripts that look Latin count as Latin.
    """
    unified = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    visible = "".join(
        " " if character.isspace() else character
        for character in unified
        if character.isspace() or not _is_invisible(character)
    )
    return " ".join(visible.translate(_LOOKALIKES).split())


def _is_invisible(character: str) -> bool:
    # C: control, format, private use, unassigned. Mn and Me: marks, among them variation selectors.
    category = unicodedata.category(character)
    return category[0] == "C" or category in {"Mn", "Me"} or character in _BLANK_LETTERS


_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Fillers that Unicode counts as letters or symbols although nothing shows."""
