"""What the parent process tells a worker, once, through a pipe that holds the secrets too."""

import msgspec

from enforcement.settings import Settings


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """What was built: null where there is no git checkout to ask."""

    version: str
    git_commit: str | None = None
    git_dirty: bool | None = None


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a worker needs.

    Attributes:
        settings: Complete, with secrets.
        instance_id: The same in all workers of one service.
        build: As ``/health`` shows it.
        started_at: Of the service, RFC 3339.
        started_monotonic_ns: Of the service; the clock is one for all processes of a host.
        slot: This worker's number, from 0.
        counter_path: Of the shared counter file.
        journal_dir: Where fail-safes are journalled.
        listener_fd: The listening socket, inherited.
        parent_pid: Dies this process, the worker dies too.
    """

    settings: Settings
    instance_id: str
    build: Build
    started_at: str
    started_monotonic_ns: int
    slot: int
    counter_path: str
    journal_dir: str
    listener_fd: int
    parent_pid: int
