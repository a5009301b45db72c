"""Environment names: many spellings of production and of everything before it."""

from typing import Final

PROD: Final = "prod"
NONPROD: Final = "nonprod"

_ALIASES: Final = {
    "prod": PROD,
    "production": PROD,
    "live": PROD,
    "": NONPROD,
    "nonprod": NONPROD,
    "non-prod": NONPROD,
    "dev": NONPROD,
    "test": NONPROD,
    "stage": NONPROD,
    "staging": NONPROD,
}


def normalise(name: str) -> str:
    """Map known spellings to ``prod`` or ``nonprod``; keep any other name, lower-cased.

    A name that is kept counts as non-production and takes its source's default mode.
    """
    folded = name.strip().lower()
    return _ALIASES.get(folded, folded)


def is_production(environment: str) -> bool:
    """Say whether a *normalised* environment is production."""
    return environment == PROD
