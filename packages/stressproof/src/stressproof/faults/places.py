"""Where the parts of a testbed are, and the texts of its file that refer to them."""

import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from stressproof.config.failures.testbed_plan import (
    PORT,
    SCRATCH,
    SECRET,
    WORKERS,
    TestbedPlan,
)
from stressproof.errors import UsageError
from stressproof.failures.loopback import require_loopback
from stressproof.workload.target import origin_of
from stressproof.workload.templates import Place, Template

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
"""What a process is given of our environment, beside what the file passes on."""

LOOPBACK = "127.0.0.1"
_SECRET_BYTES = 48
"""As texts 64 characters: what HMAC with SHA-512 asks of a key."""


class Places:
    """Ports, addresses, secrets and environments of what stands.

    Args:
        plan: What the file says.
        environment: Of our own process.

    Attributes:
        ports: Of processes, by name.
        secrets: By name.
    """

    def __init__(self, plan: TestbedPlan, environment: Mapping[str, str]) -> None:
        self._plan = plan
        self._inherited = {
            name: environment[name] for name in (*INHERITED, *plan.pass_env) if name in environment
        }
        self.secrets = {name: secrets.token_urlsafe(_SECRET_BYTES) for name in plan.secrets}
        self.ports: dict[str, int] = {}
        self._addresses: dict[str, dict[str, str]] = {}
        self._folders: dict[str, Path] = {}

    def make_room(self, folder: Path) -> None:
        """Choose a port for each process, so that texts may refer to what starts later.

        Args:
            folder: Takes one for each of them.
        """
        self.ports = {name: free_port() for name in self._plan.process}
        for name, port in self.ports.items():
            self.add(name, LOOPBACK, port)
            self._folders[name] = folder / name
            self._folders[name].mkdir()

    def add(self, name: str, host: str, port: int) -> None:
        """Note where a part listens."""
        self._addresses[name] = {
            "url": f"http://{host}:{port}",
            "address": f"{host}:{port}",
            "host": host,
            "port": str(port),
        }

    def add_url(self, name: str, url: str) -> None:
        """Note the URL by which clients know a part."""
        self._addresses.setdefault(name, {})["url"] = url

    def text(self, where: str, text: str, *, of: str = "") -> str:
        """Return a text with ports, addresses and secrets for its braces.

        Args:
            where: It stands, for messages.
            text: With braces.
            of: The process whose own ``{{port}}`` is meant.

        Raises:
            UsageError: One means nothing.
        """
        template = Template.of(text, Place.TEXT)
        values = {name: self._value(name, of) for name in template.needs}
        for name, value in values.items():
            if value is None:
                raise UsageError(f"{where}: {{{{{name}}}}} means nothing here")
        return template.fill(values).decode()

    def _value(self, name: str, of: str) -> str | None:
        table, dot, attribute = name.partition(".")
        if not dot:
            return self._own(name, of) if of else None
        if table == SECRET:
            return self.secrets.get(attribute)
        return self._addresses.get(table, {}).get(attribute)

    def _own(self, name: str, of: str) -> str | None:
        """Return what a process asks of itself."""
        return {
            PORT: str(self.ports[of]),
            WORKERS: str(self._plan.process[of].workers),
            SCRATCH: str(self._folders[of]),
        }.get(name)

    def environment(self, name: str = "") -> dict[str, str]:
        """Return the whole environment of a process, or of a command where none is named."""
        own = self._plan.process[name].env if name else {}
        where = f"testbed.process.{name}.env"
        return {
            **self._inherited,
            **{key: self.text(where, value, of=name) for key, value in own.items()},
        }

    def direct(self, name: str) -> str:
        """Return the URL of a process, or one that is given, past every proxy.

        Raises:
            UsageError: Nothing of this name answers HTTP.
        """
        if name in self.ports:
            return self._addresses[name]["url"]
        if "://" not in name:
            raise UsageError(f"{name} is nothing that answers HTTP here")
        require_loopback(origin_of(name).host)
        return name


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
