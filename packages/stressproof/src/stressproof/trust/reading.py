"""A policy from a folder on disk, for people who sign and for gates that are given one."""

import os
from typing import TYPE_CHECKING

from stressproof.config.reading import read_bytes
from stressproof.errors import UsageError
from stressproof.trust.policy import FOLDER, POLICY_NAME, TrustPolicy, policy_of
from stressproof.trust.roster import ROSTER_NAME

if TYPE_CHECKING:
    from pathlib import Path


def load_policy(path: "Path | str") -> TrustPolicy:
    """Return the policy of a file, with the roster that lies beside it.

    Raises:
        ConfigError: Something cannot be meant; every such thing of a file is named.
        UsageError: A file is absent, cannot be read, or is too large.
    """
    named = os.fspath(path)
    folder = named[: len(named) - len(named.rpartition("/")[2])]
    found = []
    for needed in (named, folder + ROSTER_NAME):
        if not os.access(needed, os.F_OK):
            raise UsageError(
                f"{needed} is not there",
                hint=f"A policy is {FOLDER}/{POLICY_NAME} with {FOLDER}/{ROSTER_NAME} beside it; "
                "docs/signing.md has both, ready to copy.",
            )
        found.append(read_bytes(needed))
    return policy_of(found[0], found[1], folder.rstrip("/") or ".")
