"""Every kind of fault: what it hits, its parameters, what proves it, and what it is not.

What a file may ask for, what is injected, what evidence must show and what documents say of a kind
all read this table; no fact of a kind stands anywhere else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from stressproof.failures.fault_kind import FaultKind, Targets
from stressproof.failures.fault_witnesses import (
    Witnesses,
    blocked,
    each_stream,
    frozen,
    killed,
    offered,
    own,
    together,
    worker_killed,
)
from stressproof.failures.parameters import MS, ParameterSpec, S, problems
from stressproof.failures.spec import FaultSpec, ScenarioSpec, WitnessSpec

LONGEST_US: Final = 600 * S
"""A fault that outlives its scenario is a leak."""

LIMITS: Final = (
    "Schedules are seeded; operating system, network and database are not, so no run repeats.",
    "Kernel faults (packet loss, memory pressure, clock steps) are not injected.",
)
"""What no fault is, of whatever kind."""

SHORTEST_US: Final = 100 * MS

_STREAMS: Final = ("both", "upstream", "downstream")


def told(fault: FaultSpec) -> str:
    """Return what is done, for people: the file's own words, or the kind's."""
    if fault.how:
        return fault.how
    kind = FAULT_KINDS.get(fault.kind)
    return fault.kind if kind is None else kind.says.removesuffix(".")


def demanded_witnesses(fault: FaultSpec) -> tuple[WitnessSpec, ...]:
    """Return what must be counted of a fault, in order: its kind's own, or the file's."""
    kind = FAULT_KINDS.get(fault.kind)
    if kind is None or kind.witnesses is None:
        return fault.witnesses
    return kind.witnesses(fault)


def limits_of(scenarios: Iterable[ScenarioSpec]) -> list[str]:
    """Return what the faults of scenarios are not, as sentences, wherever results are shown."""
    kinds = [FAULT_KINDS.get(fault.kind) for spec in scenarios for fault in spec.faults]
    return list(dict.fromkeys([*(each.limits for each in kinds if each and each.limits), *LIMITS]))


def is_spent(fault: FaultSpec, grown: Sequence[int]) -> bool:
    """Return whether a fault did all that it can, so that its time need not have passed.

    Args:
        fault: What was asked for.
        grown: By how much each of its witnesses grew, in order.
    """
    kind = FAULT_KINDS.get(fault.kind)
    if kind is None or not kind.ends_early:
        return False
    count = fault.parameters.get(_CUTS.key)
    return not isinstance(count, int) or (bool(grown) and grown[0] >= count)


def is_of_the_file(fault: FaultSpec) -> bool:
    """Return whether a fault is code of the file's, so that only its author knows what it hits."""
    kind = FAULT_KINDS.get(fault.kind)
    return kind is not None and kind.witnesses is None


def fault_problems(fault: FaultSpec) -> Iterator[str]:
    """Yield why a fault is none of its kind, one sentence each."""
    kind = FAULT_KINDS.get(fault.kind)
    if kind is None:
        yield f"there is no kind of fault {fault.kind!r}"
        return
    if not kind.fits(fault.target_kind):
        wanted = " or ".join(sorted(kind.targets))
        yield f"{fault.kind} hits {wanted}, and {fault.target or 'it'} is {fault.target_kind}"
    if bool(fault.target) is (fault.target_kind == "callers"):
        yield f"{fault.kind} of {fault.target_kind} names {fault.target or 'no target'}"
    if not SHORTEST_US <= fault.lasts_us <= LONGEST_US:
        yield f"lasts_us is {fault.lasts_us}, expected {SHORTEST_US} to {LONGEST_US}"
    if kind.sends == "never" and fault.send:
        yield f"{fault.kind} sends nothing"
    if kind.sends == "must" and not fault.send:
        yield f"{fault.kind} sends nothing, and must"
    if (kind.witnesses is None) is not bool(fault.witnesses):
        yield f"{fault.kind} has witnesses of its own" if fault.witnesses else "it has no witness"
    yield from problems(kind.parameters, fault.parameters)


def _duration(
    name: str, says: str, default: int | None = None, *, least: int = MS, most: int = LONGEST_US
) -> ParameterSpec:
    return ParameterSpec(name, "duration", says, default, least, most)


def _text(name: str, says: str, default: str | None = None, *, least: int = 0) -> ParameterSpec:
    return ParameterSpec(name, "text", says, default, least)


def _argv(name: str, says: str, *, optional: bool = False) -> ParameterSpec:
    return ParameterSpec(name, "argv", says, () if optional else None, 0 if optional else 1)


_STREAM: Final = ParameterSpec(
    "stream",
    "text",
    "upstream is towards the server, downstream from it",
    "both",
    choices=_STREAMS,
)
_CUTS: Final = ParameterSpec("count", "count", "how many are cut before it is spent", 1, 1, 100_000)
_STATEMENT: Final = _text("statement", "only transactions with a statement that holds this", "")
_HTTP: Final = (
    _text("path", "of requests that it is for; * within a segment, ** across", "/**", least=1),
    _text("method", "likewise; * for any", "*", least=1),
    ParameterSpec(
        "first", "count", "only the first so many that match", None, 1, 1_000_000, optional=True
    ),
    ParameterSpec("every", "count", "each so-manieth that matches", 1, 1, 1_000_000),
)
_DELIVER: Final = ParameterSpec(
    "deliver", "flag", "the upstream does it, and the caller is told otherwise", default=False
)
_PROXIES: Final[Targets] = frozenset({"postgres", "proxy"})
_CONVERSATIONS: Final[Targets] = frozenset({"postgres", "proxy:postgres"})
_THINGS: Final[Targets] = frozenset({"postgres", "process", "container"})
_SWITCH: Final = "The proxy is switched back."
_NO_PACKETS: Final = (
    "The proxy is a user-space process: it delays, holds and resets, and drops no packets."
)
_SPOILT: Final = own(("answers spoilt", 1))


def _network(name: str, witnesses: Witnesses, says: str, *own: ParameterSpec) -> FaultKind:
    return FaultKind(name, _PROXIES, own, witnesses, says, _SWITCH, _NO_PACKETS)


def _cut(name: str, says: str) -> FaultKind:
    return FaultKind(
        name,
        _CONVERSATIONS,
        (_CUTS, _STATEMENT),
        own(("pairs cut at a commit", 1)),
        says,
        "Each connection is cut once; the rest is never armed again.",
        "A conversation under TLS cannot be read, so it is refused.",
        sends="may",
        ends_early=True,
    )


def _http(name: str, says: str, *own: ParameterSpec) -> FaultKind:
    return FaultKind(name, frozenset({"proxy:http"}), (*own, *_HTTP), _SPOILT, says, _SWITCH)


_KINDS: Final = (
    _network(
        "latency",
        each_stream("chunks delayed"),
        "Each chunk leaves so much later than it came; order is kept.",
        _duration("latency", "how much later", S),
        _duration("jitter", "more or less, at random", 0, least=0),
        _STREAM,
    ),
    _network(
        "bandwidth",
        each_stream("chunks throttled"),
        "No more than so much leaves in a second, for each connection.",
        ParameterSpec("rate", "byte_rate", "how much", 16 * 1024, 1),
        _STREAM,
    ),
    _network(
        "trickle",
        each_stream("pieces sent"),
        "Chunks leave in small pieces, with pauses between them.",
        ParameterSpec("piece", "count", "bytes of a piece", 16, 1, 2**20),
        _duration("pause", "between two", 50 * MS),
        _STREAM,
    ),
    _network(
        "black_hole",
        own(("bytes held, none let through", 1)),
        "Nothing passes and nothing is lost: all of it leaves once the fault ends.",
        _STREAM,
    ),
    _network(
        "reset",
        own(("pairs reset", 1)),
        "RST to both ends of every connection, idle ones too, again and again.",
        _duration("every", "between two resets", 200 * MS, least=10 * MS),
    ),
    _network(
        "down",
        own(("connections refused", 1)),
        "Nobody listens: new connections are refused, and those there are reset.",
    ),
    FaultKind(
        "lose_answer",
        _PROXIES,
        (
            _CUTS,
            _text("contains", "only after sent bytes that hold this (not what is prepared)", ""),
        ),
        own(("pairs cut at an answer", 1)),
        "RST once the server has begun to answer and before the client can know.",
        "Each connection is cut once; the rest is never armed again.",
        "That an answer begins does not say that it is a confirmation.",
        sends="may",
        ends_early=True,
    ),
    _cut(
        "cut_after_commit",
        "RST once the server has committed and before the client can know.",
    ),
    _cut(
        "cut_before_commit",
        "RST when the client asks to commit, and the server never hears of it.",
    ),
    _http(
        "http_answer",
        "The proxy answers for the upstream.",
        ParameterSpec("status", "count", "of the answer", 500, 200, 599),
        ParameterSpec("headers", "table", "likewise", {}),
        _text("body", "likewise", ""),
        _DELIVER,
    ),
    _http(
        "http_delay",
        "The answer leaves so much later than it came.",
        _duration("delay", "how much later", 5 * S),
        _duration("jitter", "more or less, at random", 0, least=0),
    ),
    _http(
        "http_truncate",
        "The whole head and a part of the body leave, and then the connection ends.",
        ParameterSpec("keep", "share", "of the body", 500_000, 0, 999_999),
    ),
    _http(
        "http_garbage",
        "Bytes that are no HTTP in place of the answer, and then the connection ends.",
        _DELIVER,
    ),
    _http("http_hang", "No answer leaves until the fault ends, and then RST.", _DELIVER),
    _http("http_reset", "RST in place of the answer.", _DELIVER),
    FaultKind(
        "kill",
        _THINGS,
        (),
        killed,
        "SIGKILL to it and to every process below it.",
        "It is started again.",
        "SIGKILL is a process crash and no power loss: what the kernel had was kept.",
    ),
    FaultKind(
        "freeze",
        _THINGS,
        (),
        frozen,
        "SIGSTOP to it and to every process below it, which keep what they hold.",
        "SIGCONT to all of them.",
    ),
    FaultKind(
        "stop",
        frozenset({"process", "container"}),
        (),
        own(("ended in time", 1), ("ready again", 1)),
        "It is asked to end, as at a deployment.",
        "It is started again.",
    ),
    FaultKind(
        "kill_worker",
        frozenset({"process"}),
        (
            ParameterSpec("index", "count", "which one, in order of their pids", 0, 0, 255),
            _text("holding", "a database: one that is in a transaction there", ""),
        ),
        worker_killed,
        "SIGKILL to one worker; its master lives.",
        "The master replaces it.",
        ends_early=True,
    ),
    FaultKind(
        "lock",
        frozenset({"postgres"}),
        (
            _text("sql", "takes the lock", least=1),
            ParameterSpec("waiters", "count", "sessions seen waiting at least", 1, 1, 1000),
            ParameterSpec(
                "holder",
                "text",
                "how the lock ends: let go, or its session terminated",
                "release",
                choices=("release", "terminate"),
            ),
        ),
        blocked,
        "A session of ours holds a lock, in a transaction that does nothing.",
        "The session ends, and with it the lock.",
    ),
    FaultKind(
        "terminate_sessions",
        frozenset({"postgres"}),
        (
            _text("application", "of sessions with such a name (LIKE)", "%", least=1),
            _duration("every", "between two rounds", 100 * MS, least=10 * MS),
        ),
        own(("backends terminated", 1)),
        "pg_terminate_backend on every session, again and again.",
        "No more are ended.",
    ),
    FaultKind(
        "exhaust_connections",
        frozenset({"postgres"}),
        (),
        own(("connections refused with 53300", 1), ("sessions of the service ended", 1)),
        "Every connection that the server grants is taken, once the service's are ended.",
        "All of them are closed.",
    ),
    FaultKind(
        "read_only",
        frozenset({"postgres"}),
        (),
        own(("probes refused with 25006", 1)),
        "Transactions of the database may only read.",
        "The setting is reset.",
        "Sessions that set their transactions read-write themselves are not stopped.",
    ),
    FaultKind(
        "disk_full",
        frozenset({"postgres"}),
        (),
        own(("writes refused with ENOSPC", 1), ("probes refused with 53100", 1)),
        "Ballast fills the bounded file system that the database is on.",
        "The ballast is unlinked.",
    ),
    FaultKind(
        "race",
        frozenset({"callers"}),
        (ParameterSpec("batches", "count", "how many, one after the other", 1, 1, 100),),
        together,
        "Requests are sent at one moment, batch after batch.",
        "There is nothing to undo.",
        sends="must",
        ends_early=True,
    ),
    FaultKind(
        "flood",
        frozenset({"callers"}),
        (
            ParameterSpec("rate", "rate", "how many", None, 1, 1000),
            ParameterSpec(
                "over", "count", "what more must have been offered than", 1, 1, 1_000_000
            ),
        ),
        offered,
        "Far more is asked for than may be, beside the load.",
        "No more is asked for.",
        sends="must",
    ),
    FaultKind(
        "send_each",
        frozenset({"callers"}),
        (
            _text("table", "of rows, as `prepare` or a file made them", least=1),
            _text("kind_from", "the column that tells operations apart", ""),
        ),
        own(("requests answered", 1)),
        "One request is sent for each row of a table.",
        "There is nothing to undo.",
        sends="must",
        ends_early=True,
    ),
    FaultKind(
        "command",
        frozenset({"any"}),
        (
            _argv("run", "makes the fault"),
            _argv("undo", "unmakes it; harmless twice"),
            _argv("mark", "prints `on` where the owner has given it up", optional=True),
            _argv("healed", "ends with 0 once it is healed", optional=True),
        ),
        None,
        "A command of the file's makes it.",
        "Another one unmakes it.",
        "What a command does nobody but its author knows.",
    ),
    FaultKind(
        "python",
        frozenset({"any"}),
        (
            _text("class", "of the fault, as `file.py:Class`", least=1),
            ParameterSpec("parameters", "table", "what it is called with", {}),
            _argv("undo", "unmakes what outlives the process", optional=True),
        ),
        None,
        "A class of the file's makes it.",
        "The same class unmakes it.",
        "What a class does nobody but its author knows.",
    ),
)

FAULT_KINDS: Final[Mapping[str, FaultKind]] = MappingProxyType({each.name: each for each in _KINDS})
"""By name."""
