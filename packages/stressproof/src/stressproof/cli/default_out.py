"""Where evidence goes that nobody named a place for."""

from datetime import UTC, datetime
from pathlib import Path

from stressproof.config.schema import EVIDENCE_FOLDER


def default_out(kind: str = "") -> Path:
    """Return a file of its time in the folder of evidence.

    Args:
        kind: Of evidence, for its name; empty for a capture's.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return Path(EVIDENCE_FOLDER) / f"{stamp}{kind and '.'}{kind}.json"
