"""``[testbed]``, ``[effects]``, ``[[invariant]]`` and ``[[failure]]`` of ``stressproof.toml``."""

from typing import Annotated

from msgspec import Meta, Struct, field

from stressproof.config.failures.kind_tables import CheckTable, FaultTables
from stressproof.config.plan_tables import Duration, Name

Argv = Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
"""A command and its arguments, never a shell line."""

_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_ID = r"^[A-Z][A-Z0-9]{0,15}-[0-9]{1,4}$"
_Sentence = Annotated[str, Meta(min_length=1, max_length=200)]
_Sql = Annotated[str, Meta(min_length=1, max_length=20_000)]
_AtLeast = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class ReadyTable(Struct, frozen=True, forbid_unknown_fields=True):
    """When a process is ready; one of these."""

    http: Annotated[str | None, Meta(description="A path that answers 2xx, such as /health.")] = (
        None
    )
    tcp: Annotated[bool | None, Meta(description="Its port takes connections; the default.")] = None
    log: Annotated[str | None, Meta(description="A regex that a line of its output matches.")] = (
        None
    )
    run: Annotated[Argv | None, Meta(description="A command that ends with 0.")] = None
    within: Annotated[Duration, Meta(description="1s to 10m, or it is an error.")] = "30s"


class PostgresTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A PostgreSQL of the testbed's own behind a proxy, or one that runs already."""

    load: Annotated[
        tuple[str, ...],
        Meta(description="SQL files beside this one, run before anything else starts."),
    ] = ()
    settings: Annotated[
        dict[str, str], Meta(description="Of the server, such as max_connections.")
    ] = {}
    disk: Annotated[
        str | None,
        Meta(
            description="Its data on a tmpfs of this size, which disk_full fills: 128MiB to 4GiB."
        ),
    ] = None
    database: Annotated[str, Meta(description="Its name; that of the table if empty.")] = ""
    dsn: Annotated[
        str | None,
        Meta(
            description="Of one that runs already, from ${NAME}; its owner has marked it "
            "disposable."
        ),
    ] = None


class ProcessTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A service, or something that it needs, started for each trial."""

    run: Annotated[
        Argv,
        Meta(
            description="The command; {{port}} is a free port, {{workers}} their number, "
            "{{scratch}} a folder of its own, {{NAME.url}} another's address."
        ),
    ]
    env: Annotated[
        dict[Annotated[str, Meta(pattern=_VARIABLE)], str],
        Meta(description="Its environment, beside PATH, HOME, LANG, TMPDIR and pass_env."),
    ] = {}
    cwd: Annotated[str, Meta(description="A folder of the project.")] = "."
    ready: Annotated[ReadyTable, Meta(description="When it is ready.")] = ReadyTable()
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Meta(description="How many children do its work; kill_worker needs 2."),
    ] = None
    worker: Annotated[
        str | None,
        Meta(description="A regex of a worker's command line; its parent's program if empty."),
    ] = None
    stop: Annotated[
        str, Meta(description="The signal that ends it.", pattern="^(TERM|INT|QUIT)$")
    ] = "TERM"
    stop_within: Annotated[Duration, Meta(description="Then it is killed; 100ms to 5m.")] = "10s"


class ProxyTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A proxy before something that the service talks to."""

    upstream: Annotated[
        str | None,
        Meta(
            description="{{NAME.address}} of a process, host:port, or https://host: plain HTTP in, "
            "TLS out. Beyond this machine only by --allow-upstream."
        ),
    ] = None
    protocol: Annotated[
        str,
        Meta(
            description="What faults may know of the conversation.", pattern="^(tcp|postgres|http)$"
        ),
    ] = "tcp"
    control: Annotated[
        str | None, Meta(description="The API of a stressproof proxy that runs, on loopback.")
    ] = None
    name: Annotated[str, Meta(description="What it is called there; as here if empty.")] = ""


class ContainerTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A container that runs already, labelled stressproof.disposable=on by its owner."""

    name: Annotated[str, Meta(description="As the program knows it.", min_length=1)]
    program: Annotated[
        str, Meta(description="Which program knows it.", pattern="^(docker|podman)$")
    ] = "docker"


class TestbedTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What runs while failures are injected, each trial anew."""

    target: Annotated[str, Meta(description="The process that the load talks to.")] = ""
    attach: Annotated[
        bool, Meta(description="All of it runs already: nothing is started, nothing stopped.")
    ] = False
    url: Annotated[
        str | None, Meta(description="Where an attached service answers, on loopback.")
    ] = None
    secrets: Annotated[
        tuple[Name, ...], Meta(description="Random for each run: {{secret.NAME}}.", max_length=64)
    ] = ()
    pass_env: Annotated[
        tuple[Annotated[str, Meta(pattern=_VARIABLE)], ...],
        Meta(description="Variables of this environment that processes are given."),
    ] = ()
    testbeds: Annotated[
        int, Meta(description="How many stand at once, for parallel failures.", ge=1, le=4)
    ] = 1
    postgres: Annotated[dict[Name, PostgresTable], Meta(description="Databases, by name.")] = {}
    process: Annotated[dict[Name, ProcessTable], Meta(description="Processes, by name.")] = {}
    proxy: Annotated[dict[Name, ProxyTable], Meta(description="Proxies, by name.")] = {}
    container: Annotated[dict[Name, ContainerTable], Meta(description="Containers, by name.")] = {}


class EffectsTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Where effects are read in the end: past proxy and service, after healing."""

    source: Annotated[
        str,
        Meta(description="A database, a process, or a URL on loopback; none for run."),
    ] = field(default="", name="from")
    sql: Annotated[
        _Sql | None, Meta(description="One row an effect: its text, and how often it is there.")
    ] = None
    http: Annotated[
        str | None, Meta(description="A path that answers with a list in JSON, such as /charges.")
    ] = None
    rows: Annotated[str, Meta(description="Where the list is: json:charges.")] = ""
    effect: Annotated[str, Meta(description="Where a row has its effect: json:reference.")] = ""
    count: Annotated[
        str, Meta(description="Where a row says how often; each row is one if empty.")
    ] = ""
    run: Annotated[
        Argv | None, Meta(description="A command that prints lines of EFFECT COUNT.")
    ] = None


class InvariantTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that must be true in the end."""

    id: Annotated[Name, Meta(description="As evidence calls it.")]
    title: Annotated[_Sentence, Meta(description="What holds, as a sentence.")]
    source: Annotated[
        str,
        Meta(description="A database, a process, or a URL on loopback; none for run."),
    ] = field(default="", name="from")
    sql: Annotated[
        _Sql | None,
        Meta(description="One row: how many were compared, and how many of them are wrong."),
    ] = None
    http: Annotated[str | None, Meta(description="A path that answers with these as JSON.")] = None
    compared: Annotated[str, Meta(description="Where the answer has it: json:checked.")] = ""
    violations: Annotated[str, Meta(description="Likewise: json:wrong.")] = ""
    run: Annotated[Argv | None, Meta(description="A command that prints COMPARED VIOLATIONS.")] = (
        None
    )
    at_least: Annotated[
        _AtLeast | str,
        Meta(
            description='Fewest to compare, or "effects": no fewer than were acknowledged. Fewer '
            "are inconclusive."
        ),
    ] = 1
    of: Annotated[
        tuple[str, ...],
        Meta(description="Requests whose effects it compares at least.", min_length=1),
    ] = ("*",)
    codes: Annotated[
        tuple[str, ...],
        Meta(description="Answers whose effects it compares at least.", min_length=1),
    ] = ("ok",)
    settle: Annotated[
        Duration, Meta(description="Asked again until nothing is wrong, 0s to 60s.")
    ] = "0s"
    faults_only: Annotated[bool, Meta(description="A baseline gives it nothing to look at.")] = (
        False
    )


class GoodTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What a window must be so that service is back."""

    within: Annotated[Duration, Meta(description="How long it is, 100ms to 1m.")] = "1.5s"
    operations: Annotated[int, Meta(description="Fewest that begin in it.", ge=1, le=10_000)] = 8
    slow: Annotated[Duration, Meta(description="Its p99 is quicker; 1ms to 1m.")] = "1.5s"
    errors: Annotated[str, Meta(description="How many may be unhealthy, such as 1%.")] = "0%"


class FailureTable(Struct, frozen=True, forbid_unknown_fields=True):
    """One failure scenario: a baseline without faults, and a trial with them."""

    id: Annotated[str, Meta(description="Such as SHOP-001; unique.", pattern=_ID)]
    title: Annotated[_Sentence, Meta(description="What it is about.")]
    question: Annotated[_Sentence, Meta(description="What a pass answers with yes.")]
    load: Annotated[str, Meta(description="The profile that is asked, of an open rate.")]
    fault: Annotated[
        tuple[FaultTables, ...],
        Meta(description="What is broken, one after the other.", min_length=1, max_length=32),
    ]
    rate: Annotated[
        str | int | None, Meta(description="Arrivals, 1/s to 1000/s; the profile's.")
    ] = None
    steady: Annotated[
        Duration,
        Meta(description="Before the first fault, 1s to 10m; unhealthy then: nothing is broken."),
    ] = "3s"
    recover: Annotated[
        Duration,
        Meta(description="From healing to the first good window, 0s to 1h; a fault may differ."),
    ] = "3s"
    good: Annotated[GoodTable, Meta(description="What a good window is.")] = GoodTable()
    checks: Annotated[
        tuple[CheckTable, ...],
        Meta(description="What must hold, beside what always must.", max_length=256),
    ] = ()
    invariants: Annotated[
        tuple[str, ...] | None, Meta(description="Which of the file's; all of them.")
    ] = None
    off: Annotated[
        dict[str, str],
        Meta(description="Checks that are not made, each with the reason, which is printed."),
    ] = {}
    prepare: Annotated[
        str,
        Meta(description='Makes rows before any load: "failures.py:tokens"; {{made.column}}.'),
    ] = ""
    ripe: Annotated[
        Duration, Meta(description="How old its rows are before they are used, 0s to 10m.")
    ] = "0s"
    parallel: Annotated[
        bool, Meta(description="It runs beside others, on a testbed of its own.")
    ] = False
