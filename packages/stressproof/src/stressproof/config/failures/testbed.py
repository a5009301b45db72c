"""``[testbed]`` into its plan, with everything in it that cannot be meant."""

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import msgspec

from stressproof.config.amounts import size_bytes, time_or_least
from stressproof.config.environment import filled, names_in
from stressproof.config.failures.tables import (
    PostgresTable,
    ProcessTable,
    ProxyTable,
    ReadyTable,
    TestbedTable,
)
from stressproof.config.failures.testbed_plan import (
    ADDRESS,
    OF_A_PROCESS,
    SECRET,
    WORKERS,
    ContainerPlan,
    PostgresPlan,
    ProcessPlan,
    ProxyPlan,
    ReadyPlan,
    TestbedPlan,
)
from stressproof.config.mistakes import Mistakes
from stressproof.config.positions import Place
from stressproof.errors import UsageError
from stressproof.evidence.project_files import project_file
from stressproof.failures.loopback import require_loopback
from stressproof.failures.parameters import MS, S
from stressproof.failures.upstream import http_upstream
from stressproof.workload.target import origin_of
from stressproof.workload.templates import placeholders

_LEAST_DISK = 128 * 2**20
_MOST_DISK = 4 * 2**30
_HOST_PORT = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_PORTS = range(1, 65_536)
_PARTS = ("postgres", "process", "proxy", "container")
_STARTED = ("process", "proxy")
_TESTBED: Place = ("testbed",)


class TestbedReader:
    """Reads ``[testbed]``.

    Args:
        table: What the file says.
        folder: The project's.
        environment: What ``${}`` is taken from; None leaves it as it is written.
        mistakes: Takes what is wrong.
        at_hand: Whether the folder holds what the file names; a commit's need not be there.
    """

    def __init__(
        self,
        table: TestbedTable,
        folder: Path,
        environment: Mapping[str, str] | None,
        mistakes: Mistakes,
        *,
        at_hand: bool,
    ) -> None:
        self._at_hand = at_hand
        self._table = table
        self._folder = folder
        self._environment = environment
        self._mistakes = mistakes

    def read(self) -> TestbedPlan:
        """Return the plan; of what is wrong it has as much as could be read."""
        table = self._table
        self._demand_one_name_each()
        self._demand_target()
        plan = TestbedPlan(
            target=table.target,
            url=self._text(("url",), table.url or "") if table.attach else "",
            secrets=table.secrets,
            pass_env=table.pass_env,
            testbeds=table.testbeds,
            postgres={name: self._postgres(name, one) for name, one in table.postgres.items()},
            process={name: self._process(name, one) for name, one in table.process.items()},
            proxy={name: self._proxy(name, one) for name, one in table.proxy.items()},
            container={
                name: ContainerPlan(name=one.name, program=one.program)
                for name, one in table.container.items()
            },
        )
        self._demand_placeholders(plan)
        return msgspec.structs.replace(plan, order=self._order(plan))

    def _add(self, place: Place, message: str, hint: str = "") -> None:
        self._mistakes.add((*_TESTBED, *place), message, hint)

    def _text(self, place: Place, text: str) -> str:
        return self._mistakes.attempt((*_TESTBED, *place), filled, text, self._environment) or ""

    def _demand_one_name_each(self) -> None:
        taken: dict[str, str] = {SECRET: "the word before secrets"}
        for part in _PARTS:
            for name in getattr(self._table, part):
                if name in taken:
                    self._add(
                        (part, name),
                        f"the name {name!r} is taken: it is {taken[name]}",
                        "Give everything of the testbed a name of its own.",
                    )
                taken.setdefault(name, f"[testbed.{part}.{name}]")

    def _demand_target(self) -> None:
        table = self._table
        if not table.attach:
            if table.url is not None:
                self._add(("url",), "a URL is for what runs already", "Write attach = true too.")
            if not table.target:
                self._add((), "nothing says what the load talks to", "Write target = a process.")
            elif table.target not in table.process and self._mistakes.knows(*_TESTBED, "process"):
                place = (*_TESTBED, "target")
                self._mistakes.lead_nowhere(place, "process", table.target, table.process)
            return
        if table.url is None:
            self._add((), "nothing says where the attached service answers", "Write url = …")
        elif not names_in(table.url):
            self._mistakes.attempt((*_TESTBED, "url"), demand_attachable, table.url)
        for name in table.process:
            self._add(
                ("process", name),
                "attached: nothing is started, and this process would be",
                "Leave it out, or leave attach out.",
            )

    def _postgres(self, name: str, table: PostgresTable) -> PostgresPlan:
        place: Place = ("postgres", name)
        if table.dsn is None and self._table.attach:
            self._add(
                place,
                "attached: nothing is started, and this database would be",
                "Name the one that runs: dsn = …",
            )
        for at, path in enumerate(table.load):
            self._demand_file((*place, "load", at), path)
        if table.dsn is not None:
            for key in ("load", "settings", "disk"):
                if getattr(table, key):
                    self._add(
                        (*place, key),
                        f"{key} is for a database that is started, and this one runs already",
                        "Leave it out, or leave dsn out.",
                    )
        disk = 0
        if table.disk is not None:
            where = (*_TESTBED, *place, "disk")
            sizes = (_LEAST_DISK, _MOST_DISK)
            disk = self._mistakes.attempt(where, size_bytes, table.disk, *sizes) or 0
        return PostgresPlan(
            load=table.load,
            settings=table.settings,
            disk_bytes=disk,
            database=table.database or name,
            dsn=self._text((*place, "dsn"), table.dsn or ""),
        )

    def _process(self, name: str, table: ProcessTable) -> ProcessPlan:
        place: Place = ("process", name)
        if not table.run[0] or any("\0" in word for word in table.run):
            self._add((*place, "run"), "a command starts with its program, and holds no NUL")
        if table.cwd != ".":
            self._demand_file((*place, "cwd"), table.cwd, folder=True)
        if table.worker is not None:
            self._demand_regex((*place, "worker"), table.worker)
        stop = self._time((*place, "stop_within"), table.stop_within, 100 * MS, 300 * S)
        return ProcessPlan(
            run=tuple(self._text((*place, "run"), word) for word in table.run),
            env={key: self._text((*place, "env", key), text) for key, text in table.env.items()},
            cwd=table.cwd,
            ready=self._ready((*place, "ready"), table.ready),
            workers=table.workers or 0,
            worker=table.worker or "",
            stop=table.stop,
            stop_within_us=stop,
        )

    def _ready(self, place: Place, table: ReadyTable) -> ReadyPlan:
        given = [key for key in ("http", "tcp", "log", "run") if getattr(table, key)]
        if len(given) > 1:
            self._add(place, f"ready says {' and '.join(given)}", "Leave one of them.")
        if table.http is not None and not table.http.startswith("/"):
            self._add((*place, "http"), f"{table.http!r} is no path", "Such as /health.")
        if table.log is not None:
            self._demand_regex((*place, "log"), table.log)
        return ReadyPlan(
            http=table.http or "",
            log=table.log or "",
            run=tuple(self._text((*place, "run"), word) for word in table.run or ()),
            within_us=self._time((*place, "within"), table.within, S, 600 * S),
        )

    def _proxy(self, name: str, table: ProxyTable) -> ProxyPlan:
        place: Place = ("proxy", name)
        where = (*_TESTBED, *place)
        if self._table.attach:
            if table.upstream is not None:
                self._add(
                    (*place, "upstream"),
                    "attached: a proxy of ours would be in nobody's way",
                    "Name the API of the one that runs there: control = …",
                )
            if table.control is None:
                self._add(place, "nothing says where this proxy is", "Write control = host:port.")
            else:
                self._mistakes.attempt((*where, "control"), _demand_loopback, table.control)
        else:
            if table.control is not None:
                self._add(
                    (*place, "control"),
                    "a proxy that runs already is for an attached service",
                    "Write upstream = … instead.",
                )
            if table.upstream is None:
                self._add(place, "nothing says what is behind this proxy", "Write upstream = …")
            elif not placeholders(table.upstream) and not names_in(table.upstream):
                upstream = (*where, "upstream")
                self._mistakes.attempt(upstream, _demand_upstream, table.upstream, table.protocol)
        return ProxyPlan(
            upstream=self._text((*place, "upstream"), table.upstream or ""),
            protocol=table.protocol,
            control=table.control or "",
            name=table.name or name,
        )

    def _time(self, place: Place, text: str, least_us: int, most_us: int) -> int:
        return time_or_least(self._mistakes, (*_TESTBED, *place), text, least_us, most_us)

    def _demand_file(self, place: Place, path: str, *, folder: bool = False) -> None:
        found = self._mistakes.attempt((*_TESTBED, *place), project_file, self._folder, path)
        if found is None or not self._at_hand:
            return
        if not (found.is_dir() if folder else found.is_file()):
            what = "folder" if folder else "file"
            self._add(place, f"there is no {what} {path!r} beside the file")

    def _demand_regex(self, place: Place, text: str) -> None:
        try:
            re.compile(text)
        except re.error as error:
            self._add(place, f"{text!r} is no regex: {error}")

    def _demand_placeholders(self, plan: TestbedPlan) -> None:
        for part in _STARTED:
            for name in getattr(plan, part):
                for text in plan.texts(name):
                    for one in sorted(placeholders(text)):
                        self._demand_placeholder((part, name), one, plan)

    def _demand_placeholder(self, place: Place, one: str, plan: TestbedPlan) -> None:
        """Refuse what stands for nothing in a text of a process or proxy."""
        name, dot, what = one.partition(".")
        part, own = place
        where = self._place_of(place, one)
        if not dot:
            words = OF_A_PROCESS if part == "process" else ()
            if name not in words:
                own_words = "".join(f"{{{{{word}}}}}, " for word in words)
                self._add(
                    where,
                    f"{{{{{one}}}}} means nothing here",
                    f"There are {own_words}{{{{secret.NAME}}}} and {{{{NAME.url}}}} of others.",
                )
            elif name == WORKERS and not plan.process[str(own)].workers:
                self._add(where, "nothing says how many workers it has", "Write workers = 2 too.")
        elif name == SECRET:
            if what not in plan.secrets and self._mistakes.knows(*_TESTBED, "secrets"):
                self._mistakes.lead_nowhere((*_TESTBED, *where), "secret", what, plan.secrets)
        else:
            known = [*plan.postgres, *plan.process, *plan.proxy]
            if name not in known:
                if all(self._mistakes.knows(*_TESTBED, one) for one in _PARTS):
                    self._mistakes.lead_nowhere((*_TESTBED, *where), "part", name, known)
            elif what not in ADDRESS:
                asked = ", ".join(f"{{{{{name}.{word}}}}}" for word in sorted(ADDRESS))
                self._add(where, f"{{{{{one}}}}} means nothing", f"There are {asked}.")
            elif name == own:
                self._add(where, f"{{{{{one}}}}} is its own", "Its own port is {{port}}.")

    def _place_of(self, place: Place, placeholder: str) -> Place:
        """Return the key in whose text a placeholder stands."""
        part, name = place
        table = getattr(self._table, str(part))[name]
        if isinstance(table, ProxyTable):
            return (*place, "upstream")
        for key, text in table.env.items():
            if placeholder in placeholders(text):
                return (*place, "env", key)
        at = next((at for at, word in enumerate(table.run) if placeholder in placeholders(word)), 0)
        return (*place, "run", at)

    def _order(self, plan: TestbedPlan) -> tuple[str, ...]:
        if plan.attach:
            return ()
        parts = (*plan.postgres, *plan.process, *plan.proxy)
        graph = {name: [one for one in plan.needs(name) if one in parts] for name in parts}
        try:
            return tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle: list[str] = error.args[1]
            if len(set(circle)) > 1:
                part = next(each for each in _PARTS if circle[0] in getattr(plan, each))
                self._add(
                    (part, circle[0]),
                    f"{' before '.join(circle)}: nothing of it could start first",
                    "Give one of them an address that it does not need at its start.",
                )
            return ()


def demand_attachable(url: str) -> None:
    """Refuse a service that cannot be attached.

    Raises:
        UsageError: It is beyond this machine, or speaks TLS, which the load of failures does not.
    """
    origin = origin_of(url)
    require_loopback(origin.host)
    if origin.secure:
        raise UsageError(
            f"{url} is HTTPS, and failures are asked for over plain HTTP",
            hint="Name where the service speaks plainly, behind whatever ends its TLS.",
        )


def _demand_loopback(address: str) -> None:
    require_loopback(_host_of(address))


def _host_of(address: str) -> str:
    match = _HOST_PORT.fullmatch(address)
    if match is None or int(match["port"]) not in _PORTS:
        raise UsageError(f"{address!r} is no host:port", hint="Such as 127.0.0.1:6379.")
    return match["host"].strip("[]")


def _demand_upstream(upstream: str, protocol: str) -> None:
    """Refuse what no proxy can be put before; a host elsewhere is the operator's to allow."""
    if "://" in upstream:
        http_upstream(upstream, protocol)
    else:
        _host_of(upstream)
