"""``stressproof proxy``: a fault proxy by hand, and for toxiproxy's clients."""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from stressproof.cli.examples import examples
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.param_types import Choice, Whole
from stressproof.exits import STOPPED_BY, Exit

if TYPE_CHECKING:
    from stressproof.faults.proxy.addresses import Address
    from stressproof.faults.proxy.collection import ProxyCollection
    from stressproof.faults.proxy.toxics import Protocol

_API = "127.0.0.1:8474"
_PARTS = (2, 3)


class _Mapping(click.ParamType[tuple[str, str, str]]):
    """``[NAME=]PORT=HOST:PORT``: a name, where to listen, and what is behind it."""

    name = "mapping"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str, str]:
        """Return all three; without a name the port is it. Anything else is a usage error."""
        parts = value.split("=")
        if len(parts) not in _PARTS or not all(parts):
            self.fail(f"{value!r} is no PORT=HOST:PORT, such as 5433=127.0.0.1:5432", param, ctx)
        name, listen, upstream = parts[0], parts[-2], parts[-1]
        return name, listen, upstream


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof proxy 5433=127.0.0.1:5432 --protocol postgres",
        "stressproof proxy 8081=127.0.0.1:8080 --protocol http --api 127.0.0.1:8475",
        then="docs/fault-proxy.md has what to ask of the API. Exit codes: 2 usage · 5 an address "
        "cannot be had · 130 and 143 once it was stopped (Ctrl-C, SIGTERM), with every fault gone.",
    ),
)
@click.argument("proxies", nargs=-1, metavar="[[NAME=]PORT=HOST:PORT]...", type=_Mapping())
@click.option(
    "--protocol",
    type=Choice(["tcp", "postgres", "http"]),
    default="tcp",
    show_default=True,
    help="What is said on the connections: cuts at COMMIT and faults of HTTP need to know.",
)
@click.option(
    "--api",
    default=_API,
    show_default=True,
    metavar="HOST:PORT",
    help="Where programs control it: toxiproxy's HTTP API, and ours beside it.",
)
@click.option(
    "--allow-upstream",
    "allowed",
    multiple=True,
    metavar="HOST",
    help="A host beyond loopback that may be behind a proxy (repeatable).",
)
@click.option(
    "--seed", type=Whole(0, 2**32 - 1), default=0, show_default=True, help="Of jitter and sizes."
)
def command(
    proxies: Sequence[tuple[str, str, str]],
    protocol: "Protocol",
    api: str,
    allowed: Sequence[str],
    seed: int,
) -> Exit:
    """Put a fault proxy before each server, until it is stopped.

    PORT=HOST:PORT listens on PORT of loopback, 0 for a free one, before the server at HOST:PORT;
    it is called NAME, or by its port. Without any, clients of the API create proxies.
    """
    from stressproof.faults.proxy.addresses import parse_listen  # noqa: PLC0415  # --help
    from stressproof.faults.proxy.collection import ProxyBody  # noqa: PLC0415  # needs none of it
    from stressproof.faults.proxy.standalone import serve  # noqa: PLC0415
    from stressproof.faults.refusal import demand_no_refusal  # noqa: PLC0415

    demand_no_refusal(os.environ)
    bodies = [ProxyBody(name, upstream, listen) for name, listen, upstream in proxies]
    came = asyncio.run(
        serve(
            bodies,
            parse_listen(api),
            protocol=protocol,
            seed=seed,
            allowed=allowed,
            stop_on=[one for one in STOPPED_BY if signal.getsignal(one) != signal.SIG_IGN],
            ready=_tell,
            over=_sum_up,
        )
    )
    return STOPPED_BY[came]


def _tell(proxies: "ProxyCollection", control: "Address") -> None:
    lines = [f"{one.name}: {one.listen} to {one.upstream}, {one.protocol}" for one in proxies.all()]
    to_stdout("\n".join([*lines, f"control: http://{control}"]))


def _sum_up(proxies: "ProxyCollection") -> None:
    for one in proxies.all():
        state = one.proxy.state
        hits = ", ".join(f"{name} {times}" for name, times in sorted(state.hits.items()))
        to_stderr(
            f"{one.name}: {state.counters.links_opened} connections, {hits or 'no connection hit'}"
        )
