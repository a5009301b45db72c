"""A process as a file plans it, made ready to be started."""

import signal
from collections.abc import Sequence
from pathlib import Path

from stressproof.config.failures.testbed_plan import ProcessPlan
from stressproof.faults import readiness
from stressproof.faults.active import ActiveFaults
from stressproof.faults.places import LOOPBACK, Places
from stressproof.faults.service_process import ServiceProcess
from stressproof.programs import program


def planned_process(
    name: str, plan: ProcessPlan, places: Places, *, folder: Path, log: Path, active: ActiveFaults
) -> ServiceProcess[bool]:
    """Return a process that is not started yet.

    Args:
        name: In the file.
        plan: What the file says of it.
        places: What its texts refer to.
        folder: Of the file.
        log: Where it writes.
        active: The list that ends it where we cannot.

    Raises:
        UsageError: A text refers to nothing.
    """
    where, within = f"testbed.process.{name}", folder / plan.cwd
    environment = places.environment(name)

    def argv(given: Sequence[str]) -> list[str]:
        words = [places.text(where, word, of=name) for word in given]
        return [program(words[0]) or words[0], *words[1:]]

    def until() -> tuple[readiness.Ready, str]:
        ready, port = plan.ready, places.ports[name]
        if ready.http:
            awaited = f"an answer below 400 from http://{LOOPBACK}:{port}{ready.http}"
            return readiness.by_http(LOOPBACK, port, ready.http), awaited
        if ready.log:
            return readiness.by_log(ready.log), f"a line that matches {ready.log!r}"
        if ready.run:
            command = argv(ready.run)
            awaited = f"{' '.join(command)} to end with 0"
            return readiness.by_command(command, environment, within), awaited
        return readiness.by_tcp(LOOPBACK, port), f"{LOOPBACK}:{port} to take a connection"

    ready, awaited = until()
    return ServiceProcess(
        name,
        argv(plan.run),
        environment,
        ready,
        awaited=awaited,
        log=log,
        active=active,
        folder=within,
        start_timeout_s=plan.ready.within_us / 1e6,
        stop_signal=signal.Signals[f"SIG{plan.stop}"],
        stop_timeout_s=plan.stop_within_us / 1e6,
    )
