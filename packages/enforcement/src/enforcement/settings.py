"""Settings of the service: flags, then ``ENFORCEMENT_*`` variables, then defaults.

Everything is read and judged once, before anything starts, and every fault found is listed.
"""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

PREFIX: Final = "ENFORCEMENT_"
MIN_SECRET_LENGTH: Final = 32
MAX_FALLBACK_SECRETS: Final = 5

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})
_PROTECTIONS: Final = ("idempotency_off", "lock_off", "limits_off")
REQUEST_LOGS: Final = ("none", "errors", "all")

N = TypeVar("N", int, float)


class SettingsError(Exception):
    """Settings that cannot be meant.

    Attributes:
        faults: Every one found, each naming the setting, what was seen and what is expected.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the service is told; seconds unless a name says otherwise.

    Attributes:
        host: Address to listen on.
        port: 0 takes a free one.
        workers: Processes that answer requests.
        dsn: Of the database; empty keeps an embedded one.
        migrate: Bring the database of ``dsn`` to this code's schema first; ``dsn`` then names a
            role that may, and the service itself connects as ``enforcement_app``.
        data_dir: Secrets, fail-safe journals, the embedded database.
        state_dir: Where a running service leaves its address and token for others.
        seed: Keep a tenant with a past; the default where the database is embedded.
        seed_decisions: How many decisions that tenant has at least.
        gate_timeout_seconds: A gate answers within this plus 0.25 s, whatever happens.
        operation_timeout_seconds: Hard deadline of every other operation.
        statement_timeout_seconds: Bound the database puts on one statement.
        drain_seconds: How long a stop waits for requests in flight.
        worker_timeout_seconds: A worker silent for so long is replaced.
        principal_ttl_seconds: How long a principal is believed without asking the database.
        principal_max_age_seconds: How long one is believed while the database does not answer;
            then writes are refused, and gates are answered by the fail-safe.
        sweep_seconds: How often approvals and tokens whose time is over are expired.
        pool_size: Connections of each worker to the database.
        max_connections: Clients' connections that each worker holds; fewer where the process may
            not open so many files.
        request_timeout_seconds: How long a request may take to arrive, or an answer to be read.
        idle_timeout_seconds: How long a connection may wait for its next request.
        jwt_secret: Of bearer tokens (HS256); empty makes one and keeps it in ``data_dir``.
        jwt_fallback_secrets: Former ones that still verify, newest first.
        jwt_issuer: Demanded of bearer tokens.
        jwt_audience: Demanded of bearer tokens.
        approval_secret: Of approval tokens; empty as for ``jwt_secret``.
        approval_fallback_secrets: Former ones that still verify, newest first.
        app_password: Of the role ``enforcement_app``; empty as for ``jwt_secret``.
        request_log: Which requests are logged: ``none``, ``errors`` (5xx) or ``all``.
        max_body_bytes: Larger request bodies are refused.
        public_metrics: Whether ``/metrics`` answers without a token, too.
        unsafe: Protections switched off; only tests of teeth do that.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    dsn: str = ""
    migrate: bool = False
    data_dir: str = ""
    state_dir: str = ""
    seed: bool = True
    seed_decisions: int = 5000
    gate_timeout_seconds: float = 2.0
    operation_timeout_seconds: float = 5.0
    statement_timeout_seconds: float = 5.0
    drain_seconds: float = 10.0
    worker_timeout_seconds: float = 5.0
    principal_ttl_seconds: float = 5.0
    principal_max_age_seconds: float = 60.0
    sweep_seconds: float = 5.0
    pool_size: int = 8
    max_connections: int = 1024
    request_timeout_seconds: float = 10.0
    idle_timeout_seconds: float = 75.0
    jwt_secret: str = ""
    jwt_fallback_secrets: tuple[str, ...] = ()
    jwt_issuer: str = "enforcement"
    jwt_audience: str = "authenticated"
    approval_secret: str = ""
    approval_fallback_secrets: tuple[str, ...] = ()
    app_password: str = ""
    request_log: str = "errors"
    max_body_bytes: int = 262_144
    public_metrics: bool = True
    unsafe: tuple[str, ...] = ()

    @property
    def lock_timeout_seconds(self) -> float:
        """Return the longest wait for a tenant's lock: 0.8 of the gate's time, 0.05 to 5 s."""
        return min(5.0, max(0.05, 0.8 * self.gate_timeout_seconds))


def state_home(environ: Mapping[str, str] | None = None) -> Path:
    """Return the user's folder for state: ``$XDG_STATE_HOME`` or ``~/.local/state``."""
    environ = os.environ if environ is None else environ
    configured = environ.get("XDG_STATE_HOME", "")
    # The specification says that a relative path here is to be ignored.
    if configured and Path(configured).is_absolute():
        return Path(configured)
    return Path.home() / ".local" / "state"


def load(flags: Mapping[str, str | None], environ: Mapping[str, str] | None = None) -> Settings:
    """Read and judge all settings.

    Args:
        flags: By setting name; None where the flag was not given.
        environ: Usually ``os.environ``.

    Raises:
        SettingsError: With every fault found.
    """
    environ = os.environ if environ is None else environ
    reader = _Reader(flags, environ)
    dsn = reader.dsn()
    home = state_home(environ) / "enforcement"
    settings = Settings(
        host=reader.text("host", "127.0.0.1"),
        port=reader.integer("port", 8000, 0, 65_535),
        workers=reader.integer("workers", 2, 1, 64),
        dsn=dsn,
        migrate=reader.boolean("migrate"),
        data_dir=reader.text("data_dir", str(home / "data")),
        state_dir=str(home),
        seed=reader.boolean("seed", default=not dsn),
        seed_decisions=reader.integer("seed_decisions", 5000, 0, 1_000_000),
        gate_timeout_seconds=reader.seconds("gate_timeout_seconds", 2.0, 0.05, 30.0),
        operation_timeout_seconds=reader.seconds("operation_timeout_seconds", 5.0, 0.05, 60.0),
        statement_timeout_seconds=reader.seconds("statement_timeout_seconds", 5.0, 0.05, 60.0),
        drain_seconds=reader.seconds("drain_seconds", 10.0, 0.0, 600.0),
        worker_timeout_seconds=reader.seconds("worker_timeout_seconds", 5.0, 1.0, 300.0),
        principal_ttl_seconds=reader.seconds("principal_ttl_seconds", 5.0, 0.0, 3600.0),
        principal_max_age_seconds=reader.seconds("principal_max_age_seconds", 60.0, 0.0, 3600.0),
        sweep_seconds=reader.seconds("sweep_seconds", 5.0, 0.1, 3600.0),
        pool_size=reader.integer("pool_size", 8, 1, 256),
        max_connections=reader.integer("max_connections", 1024, 8, 65_536),
        request_timeout_seconds=reader.seconds("request_timeout_seconds", 10.0, 0.5, 300.0),
        idle_timeout_seconds=reader.seconds("idle_timeout_seconds", 75.0, 0.5, 3600.0),
        jwt_secret=reader.secret("jwt_secret"),
        jwt_fallback_secrets=reader.secrets("jwt_fallback_secrets"),
        jwt_issuer=reader.text("jwt_issuer", "enforcement"),
        jwt_audience=reader.text("jwt_audience", "authenticated"),
        approval_secret=reader.secret("approval_secret"),
        approval_fallback_secrets=reader.secrets("approval_fallback_secrets"),
        app_password=reader.text("app_password", ""),
        request_log=reader.choice("request_log", "errors", REQUEST_LOGS),
        max_body_bytes=reader.integer("max_body_bytes", 262_144, 1024, 16_777_216),
        public_metrics=reader.boolean("public_metrics", default=True),
        unsafe=reader.unsafe(),
    )
    if settings.migrate and not settings.dsn:
        reader.faults.append("--migrate needs --dsn: the embedded database is always migrated")
    if reader.faults:
        raise SettingsError(reader.faults)
    return settings


class _Reader:
    """Takes one setting after the other and remembers what is wrong with each."""

    def __init__(self, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> None:
        self.flags = flags
        self.environ = environ
        self.faults: list[str] = []

    def _raw(self, name: str) -> tuple[str | None, str]:
        """Return the text given, if any, and what the user calls this setting."""
        flag = self.flags.get(name)
        if flag is not None:
            return flag, f"--{name.replace('_', '-')}"
        variable = PREFIX + name.upper()
        return self.environ.get(variable), variable

    def text(self, name: str, default: str) -> str:
        raw, label = self._raw(name)
        if raw is None:
            return default
        if "\x00" in raw or raw != raw.strip():
            self.faults.append(f"{label} begins or ends with white space, or holds U+0000")
        return raw or default

    def dsn(self) -> str:
        """Return the DSN; one that is given and empty was meant to be another.

        Without one the service keeps a database of its own, in which nothing was ever limited.
        """
        raw, label = self._raw("dsn")
        if raw == "":
            self.faults.append(
                f"{label} is empty; leave it out for a database of the service's own"
            )
        return self.text("dsn", "")

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        return self._number(name, default, least, most, _integer, "a whole number")

    def seconds(self, name: str, default: float, least: float, most: float) -> float:
        return self._number(name, default, least, most, _finite, "a number of seconds")

    def _number(
        self, name: str, default: N, least: N, most: N, parse: Callable[[str], N], what: str
    ) -> N:
        raw, label = self._raw(name)
        if raw is None or raw == "":
            return default
        try:
            value = parse(raw)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            self.faults.append(f"{label} is {raw[:40]!r}, expected {what} from {least} to {most}")
            return default
        return value

    def boolean(self, name: str, *, default: bool = False) -> bool:
        raw, label = self._raw(name)
        if raw is None:
            return default
        word = (raw or "").lower()
        if word not in _TRUE | _FALSE:
            self.faults.append(f"{label} is {word[:40]!r}, expected true or false")
        return word in _TRUE

    def choice(self, name: str, default: str, words: tuple[str, ...]) -> str:
        raw, label = self._raw(name)
        if raw is None or raw == "":
            return default
        if raw not in words:
            self.faults.append(f"{label} is {raw[:40]!r}, expected one of {', '.join(words)}")
        return raw

    def secret(self, name: str) -> str:
        raw, label = self._raw(name)
        if raw and len(raw) < MIN_SECRET_LENGTH:
            self.faults.append(
                f"{label} has {len(raw)} characters, expected at least {MIN_SECRET_LENGTH}"
            )
        return raw or ""

    def secrets(self, name: str) -> tuple[str, ...]:
        raw, label = self._raw(name)
        parts = tuple(part for part in (raw or "").split(",") if part)
        if len(parts) > MAX_FALLBACK_SECRETS:
            self.faults.append(f"{label} lists {len(parts)}, at most {MAX_FALLBACK_SECRETS}")
        if any(len(part) < MIN_SECRET_LENGTH for part in parts):
            self.faults.append(f"{label}: each needs at least {MIN_SECRET_LENGTH} characters")
        return parts

    def unsafe(self) -> tuple[str, ...]:
        """Read ``ENFORCEMENT_UNSAFE_*``; a misspelt one would let a test of teeth bite air."""
        prefix = PREFIX + "UNSAFE_"
        for variable in sorted(self.environ):
            word = variable.removeprefix(prefix).lower()
            if variable.startswith(prefix) and word not in _PROTECTIONS:
                names = ", ".join(prefix + name.upper() for name in _PROTECTIONS)
                self.faults.append(f"{variable} is unknown, expected one of {names}")
        return tuple(name for name in _PROTECTIONS if self.boolean(f"unsafe_{name}"))


def _integer(text: str) -> int:
    # int() would take signs, spaces, underscores and the digits of every script.
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
