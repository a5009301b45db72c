"""The version of the shape that both kinds of evidence have, and what is said of every other one.

Until the first release each change of shape raises it. Older shapes are not read: what this version
asks was not recorded then, so a conversion could only invent it.
"""

from typing import Any, Literal

SchemaVersion = Literal[3]
"""Of the documents that this version writes and reads."""

SCHEMA_VERSION: SchemaVersion = 3


def is_current(found: Any) -> bool:
    """Return whether a ``schema_version`` is the one known here: the integer, not ``3.0``."""
    return type(found) is int and found == SCHEMA_VERSION


def version_remedy(found: Any) -> str:
    """Return what to do about a ``schema_version`` that is not the one known here."""
    if type(found) is not int or found < 1:
        return "No version of stressproof writes this; capture or inject again."
    if found < SCHEMA_VERSION:
        return (
            f"Schema {found} is an older stressproof's and lacks what schema {SCHEMA_VERSION} "
            "records: capture or inject again with this version."
        )
    return f"Schema {found} is a newer stressproof's: use that version, or capture or inject again."
