"""From a fault of a database as data to what makes it."""

from collections.abc import Mapping
from typing import Final

from stressproof.errors import UsageError
from stressproof.extras import extra
from stressproof.failures.spec import FaultSpec
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.bed import Bed, Maker, number_of, text_of
from stressproof.faults.injectors.database import ExhaustConnections, Lock, TerminateSessions
from stressproof.faults.injectors.database_limits import DiskFull, ReadOnly
from stressproof.faults.injectors.outages import Freeze, Kill
from stressproof.faults.injectors.postgres_victim import PostgresVictim
from stressproof.faults.load import Load

with extra("postgres", "breaking a PostgreSQL database"):
    from disposable_postgres import PostgresServer


def _server(fault: FaultSpec, bed: Bed) -> PostgresServer:
    server = bed.database(fault.target).server
    if server is None:
        raise UsageError(
            f"{fault.id}: {fault.kind} needs a server that is started here, and {fault.target} "
            "runs already",
            hint="Leave out its dsn, or break it by a command of yours.",
        )
    return server


def _kill(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return Kill(fault, PostgresVictim(_server(fault, bed)))


def _freeze(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return Freeze(fault, PostgresVictim(_server(fault, bed)))


def _lock(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return Lock(
        fault,
        bed.database(fault.target).dsn,
        bed.requests.text(text_of(fault, "sql")),
        terminate=text_of(fault, "holder") == "terminate",
    )


def _terminate_sessions(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return TerminateSessions(
        fault,
        bed.database(fault.target).dsn,
        text_of(fault, "application"),
        every_us=number_of(fault, "every_us"),
    )


def _exhaust_connections(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return ExhaustConnections(fault, bed.database(fault.target).dsn)


def _read_only(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    database = bed.database(fault.target)
    return ReadOnly(fault, database.dsn, outlives_us=database.server is None)


def _disk_full(fault: FaultSpec, bed: Bed, _: Load) -> Injector:
    return DiskFull(fault, _server(fault, bed), bed.database(fault.target).why_no_disk)


MAKERS: Final[Mapping[str, Maker]] = {
    "kill": _kill,
    "freeze": _freeze,
    "lock": _lock,
    "terminate_sessions": _terminate_sessions,
    "exhaust_connections": _exhaust_connections,
    "read_only": _read_only,
    "disk_full": _disk_full,
}
"""What makes each kind that hits a database."""
