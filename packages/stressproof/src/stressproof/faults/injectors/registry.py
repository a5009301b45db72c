"""From a fault as data to what makes it: one injector for each kind that is not a proxy's."""

from collections.abc import Mapping
from typing import Final

from stressproof.errors import UsageError
from stressproof.failures.fault_kinds import fault_problems, is_of_the_file
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.bed import Bed, Maker, argv_of, number_of, text_of
from stressproof.faults.injectors.callers import Flood, Race, SendEach
from stressproof.faults.injectors.commands import CommandFault
from stressproof.faults.injectors.containers import ContainerVictim
from stressproof.faults.injectors.outages import Freeze, Kill, Stop
from stressproof.faults.injectors.python import PythonFault
from stressproof.faults.injectors.victims import ProcessVictim, Victim
from stressproof.faults.injectors.workers import KillHoldingWorker, KillWorker, Workers
from stressproof.faults.load import Load


def injector(fault: FaultSpec, bed: Bed, load: Load) -> Injector:
    """Return what makes a fault.

    Args:
        fault: As the scenario has it.
        bed: Where.
        load: That sends what it sends.

    Raises:
        UsageError: It cannot be made there: the reason is told.
        InconclusiveError: This machine does not allow it.
    """
    problem = next(fault_problems(fault), None)
    if problem is not None:
        raise UsageError(f"the fault {fault.id}: {problem}")
    makers = _MAKERS
    if fault.target_kind == "postgres" and not is_of_the_file(fault):
        from stressproof.faults.injectors import database_registry  # noqa: PLC0415  # a driver

        makers = database_registry.MAKERS
    maker = makers.get(fault.kind)
    if maker is None:
        raise UsageError(f"{fault.id}: {fault.kind} is a fault of a proxy")
    return maker(fault, bed, load)


def _victim(fault: FaultSpec, bed: Bed) -> Victim:
    if fault.target_kind == "container":
        return ContainerVictim(*bed.container(fault.target))
    found = bed.running(fault.target)
    return ProcessVictim(found.process, found.address)


def _kill(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return Kill(fault, _victim(fault, bed))


def _freeze(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return Freeze(fault, _victim(fault, bed))


def _stop(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return Stop(fault, _victim(fault, bed))


def _kill_worker(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    found = bed.running(fault.target)
    if not found.workers:
        raise UsageError(
            f"{fault.id}: nobody says how many workers {fault.target} has",
            hint=f"Write workers = 2, or as many as it has, in [testbed.process.{fault.target}].",
        )
    workers = Workers(found.process.pid, found.workers, found.worker)
    holding = text_of(fault, "holding")
    if not holding:
        return KillWorker(fault, workers, index=number_of(fault, "index"))
    database = bed.database(holding)
    return KillHoldingWorker(fault, workers, database.proxy, database.query)


def _race(fault: FaultSpec, bed: Bed, load: Load) -> Injector:
    return Race(fault, load, bed.requests.batches(fault))


def _flood(fault: FaultSpec, bed: Bed, load: Load) -> Injector:
    return Flood(fault, load, bed.requests.mix(fault), rate_per_s=number_of(fault, "rate_per_s"))


def _send_each(fault: FaultSpec, bed: Bed, load: Load) -> Injector:
    return SendEach(fault, load, bed.requests.of_rows(fault))


def _command(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return CommandFault(fault, bed.folder, bed.environment())


def _python(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    if bed.attached and not argv_of(fault, "undo"):
        raise UsageError(
            f"{fault.id} breaks what runs already, and nothing undoes it should we be killed",
            hint="Name a command that does: undo = [...].",
        )
    return PythonFault(fault, bed.project, bed.folder)


_MAKERS: Final[Mapping[str, Maker]] = {
    "kill": _kill,
    "freeze": _freeze,
    "stop": _stop,
    "kill_worker": _kill_worker,
    "race": _race,
    "flood": _flood,
    "send_each": _send_each,
    "command": _command,
    "python": _python,
}
"""What makes each kind; those of proxies are `stressproof.faults.proxy.kinds`'."""
