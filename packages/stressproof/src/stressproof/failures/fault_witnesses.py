"""What must be counted of a fault, and how much of it, so that it took effect for certain."""

from collections.abc import Callable

from stressproof.failures.spec import FaultSpec, WitnessSpec

Witnesses = Callable[[FaultSpec], tuple[WitnessSpec, ...]]


def racers(fault: FaultSpec) -> int:
    """Return how many requests a batch of a race sends at one moment."""
    return sum(one.times for one in fault.send)


def own(*witnesses: tuple[str, int]) -> Witnesses:
    """Return the same witnesses for every fault: names, and by how much each must grow."""
    found = tuple(WitnessSpec(name, needs) for name, needs in witnesses)
    return lambda _: found


def each_stream(counted: str) -> Witnesses:
    """Return one witness for each direction that a fault of a proxy works in."""

    def witnesses(fault: FaultSpec) -> tuple[WitnessSpec, ...]:
        stream = fault.parameters.get("stream", "both")
        return tuple(
            WitnessSpec(f"{counted} {each}")
            for each in ("upstream", "downstream")
            if stream in {"both", each}
        )

    return witnesses


def killed(fault: FaultSpec) -> tuple[WitnessSpec, ...]:
    """Return what proves that it died: a server of PostgreSQL tells of its recovery itself."""
    if fault.target_kind == "postgres":
        crashes = WitnessSpec("crash recoveries in the server's log")
        return WitnessSpec("processes killed", 2), crashes
    return WitnessSpec("processes killed"), WitnessSpec("ready again")


def frozen(fault: FaultSpec) -> tuple[WitnessSpec, ...]:
    """Return what proves that it stands still, each of PostgreSQL's processes too."""
    needs = 2 if fault.target_kind == "postgres" else 1
    return WitnessSpec("processes stopped", needs), WitnessSpec("probes unanswered")


def worker_killed(fault: FaultSpec) -> tuple[WitnessSpec, ...]:
    """Return what proves that a worker died, in a transaction where it was to."""
    worker = (WitnessSpec("workers killed"), WitnessSpec("workers replaced"))
    if not fault.parameters.get("holding"):
        return worker
    return (
        WitnessSpec("sessions of the worker that held a lock when it died"),
        WitnessSpec("of them ended by the server"),
        *worker,
    )


def blocked(fault: FaultSpec) -> tuple[WitnessSpec, ...]:
    """Return what proves that a lock was in somebody's way."""
    return (WitnessSpec("sessions blocked by the holder", _number(fault, "waiters")),)


def together(fault: FaultSpec) -> tuple[WitnessSpec, ...]:
    """Return what proves that requests raced: half of a batch under way at one time."""
    return (WitnessSpec("requests under way at the same time", max(2, racers(fault) // 2)),)


def offered(fault: FaultSpec) -> tuple[WitnessSpec, ...]:
    """Return what proves that more was asked for than may be."""
    return (WitnessSpec("requests offered", _number(fault, "over") + 1),)


def _number(fault: FaultSpec, name: str) -> int:
    value = fault.parameters.get(name, 1)
    return value if isinstance(value, int) and value >= 1 else 1
