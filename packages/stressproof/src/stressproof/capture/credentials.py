"""Where a capture's bearer token comes from: the environment, or a service on this machine."""

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from stressproof.errors import UsageError
from stressproof.suite import LocalService

TOKEN_VARIABLE = "STRESSPROOF_TOKEN"  # noqa: S105  # the variable's name, not a token
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SENDABLE = re.compile(r"[\x20-\x7e\xa0-\xff]+")
"""A token is what its service takes for one; RFC 6750's alphabet is only a custom."""
_STATE_BYTES = 65_536


class Credential(Struct, frozen=True):
    """A bearer token and where it came from.

    Attributes:
        token: The secret; never written to evidence, logs or messages.
        source: For people: the variable, or the file.
        instance_id: The service that the token is for, where the source says so.
        others: Tokens of further tenants, for profiles that load several.
    """

    token: str
    source: str
    instance_id: str | None = None
    others: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Credential(source={self.source!r})"


def from_environment(environment: Mapping[str, str]) -> Credential | None:
    """Return the token of ``STRESSPROOF_TOKEN``, None where it is unset or empty.

    Quotes and a ``Bearer`` prefix, as people paste them, are taken off.

    Raises:
        UsageError: What remains cannot be sent.
    """
    raw = environment.get(TOKEN_VARIABLE, "").strip()
    if not raw:
        return None
    token = raw.strip("\"'").removeprefix("Bearer ").removeprefix("bearer ").strip()
    if not _SENDABLE.fullmatch(token):
        raise UsageError(
            f"{TOKEN_VARIABLE} holds characters that no header can carry ({len(token)} in all)",
            hint="Paste the token alone, as one line.",
        )
    return Credential(token=token, source=TOKEN_VARIABLE)


def state_file(url: str, environment: Mapping[str, str], local: LocalService | None) -> Path | None:
    """Return where a service on loopback leaves its credentials, None for any other host.

    The service names the file for the host it was told to listen on; localhost, 127.0.0.1 and ::1
    are one, so the first that exists is it.
    """
    parts = urlsplit(url)
    if local is None or parts.hostname not in _LOOPBACK:
        return None
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    base = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    names = [parts.hostname, "127.0.0.1", "localhost", "::1"]
    paths = [Path(base) / local.state_folder / f"{name}_{port}.json" for name in names]
    return next((path for path in paths if path.exists()), paths[0])


def from_state_file(path: Path, local: LocalService) -> Credential | None:
    """Return the token that a service on this machine left for its own user.

    Only a regular file that is ours and that nobody else can read is believed.

    Raises:
        UsageError: The file is there and cannot be believed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unbelievable(path, local, error.strerror or str(error)) from error
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise _unbelievable(path, local, "it is not a regular file of this user")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise _unbelievable(path, local, "others can read it (expected mode 0600)")
        content = stream.read(_STATE_BYTES)
    try:
        state: Any = json.loads(content)
        token, instance_id = state["token"], state["instance_id"]
    except (ValueError, KeyError, TypeError) as error:
        raise _unbelievable(path, local, "it does not hold a token and an instance id") from error
    if not isinstance(token, str) or not isinstance(instance_id, str):
        raise _unbelievable(path, local, "its token or instance id is not a string")
    others = state.get("other_tokens", [])
    if not isinstance(others, list) or not all(isinstance(one, str) for one in others):
        raise _unbelievable(path, local, "its other_tokens is not a list of strings")
    return Credential(token=token, source=str(path), instance_id=instance_id, others=tuple(others))


def _unbelievable(path: Path, local: LocalService, why: str) -> UsageError:
    return UsageError(
        f"{path} cannot be used for credentials: {why}",
        hint=f"Restart `{local.start}`, remove the file, or set {TOKEN_VARIABLE}.",
    )


def find(
    url: str, environment: Mapping[str, str], local: LocalService | None = None
) -> Credential | None:
    """Return the token to use against a target, None where there is none to be had.

    Args:
        url: The target.
        environment: The variables of the process.
        local: How a service on this machine lends its token, None where none does.

    Raises:
        UsageError: A source is there and cannot be believed.
    """
    named = from_environment(environment)
    if named is not None:
        return named
    path = state_file(url, environment, local)
    return None if path is None or local is None else from_state_file(path, local)
