"""A policy from a folder on disk, for people who sign and for gates that are given one."""

from pathlib import Path

from stressproof.config.reading import read_bytes
from stressproof.errors import UsageError
from stressproof.trust.policy import FOLDER, POLICY_NAME, TrustPolicy, policy_of
from stressproof.trust.roster import ROSTER_NAME


def load_policy(path: Path) -> TrustPolicy:
    """Return the policy of a file, with the roster that lies beside it.

    Raises:
        ConfigError: Something cannot be meant; every such thing of a file is named.
        UsageError: A file is absent, cannot be read, or is too large.
    """
    folder = path if path.is_dir() else path.parent
    named = folder / POLICY_NAME if path.is_dir() else path
    for needed in (named, folder / ROSTER_NAME):
        if not needed.is_file():
            raise UsageError(
                f"{needed} is not there",
                hint=f"A policy is {FOLDER}/{POLICY_NAME} with {FOLDER}/{ROSTER_NAME} beside it; "
                "docs/signing.md has both, ready to copy.",
            )
    return policy_of(read_bytes(named), read_bytes(folder / ROSTER_NAME), str(folder))
