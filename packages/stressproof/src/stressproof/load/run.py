"""One round: start the workers together, add up what they report, hand back what was measured."""

import resource
from collections.abc import Callable

import msgspec

from stressproof.errors import UsageError
from stressproof.load.addresses import resolve, tls_context
from stressproof.load.messages import Job
from stressproof.load.requests import prepare
from stressproof.load.result import RoundResult, StopFlag, Tick, WorkerLostError
from stressproof.load.round import Observers, Round, Settled
from stressproof.load.tokens import authorised
from stressproof.load.unique_values import UniqueValues
from stressproof.load.worker_pool import WorkerPool
from stressproof.workload.data import Data
from stressproof.workload.executors import Executor
from stressproof.workload.limits import MAX_WORKER_RATE, MAX_WORKERS
from stressproof.workload.rates import US_PER_S
from stressproof.workload.workload import Workload

__all__ = ["RoundResult", "StopFlag", "Tick", "WorkerLostError", "run_round"]

_SPARE_FILES = 64


def run_round(
    workload: Workload,
    *,
    workers: int = 1,
    on_tick: Callable[[Tick], None] | None = None,
    on_settled: Settled | None = None,
    stop: StopFlag | None = None,
    resolution_s: int = 1,
) -> RoundResult:
    """Run one round in worker processes, and wait for its end.

    Args:
        workload: What to ask of whom.
        workers: Processes; never more than there are users.
        on_tick: Called about once a second.
        on_settled: Called with a second and all rows before it that it was not called with yet,
            once nothing can be added to them: their requests have ended; and with the steps of
            flows that are known by now, to which rows refer in their order of discovery.
        stop: Ends the round early when it is set.
        resolution_s: Seconds a row covers.

    Raises:
        UsageError: The workload cannot be run as it is.
        TargetError: The target's name cannot be resolved, no token was issued, or a user could not
            be set up.
        WorkerLostError: A worker died; what was measured is attached.
        RunError: The workers could not be started.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise UsageError(
            f"the number of workers is {workers}, expected 1 to {MAX_WORKERS}",
            hint="one worker for each core is the most that helps",
        )
    _demand_rates(workload, workers)
    executors = [scenario.executor for scenario in workload.scenarios]
    workers = min(workers, *(executor.max_users for executor in executors))
    # What is wrong with placeholders, tables and authorities is said here rather than in a worker.
    Data(workload).demand_enough(workload.round_number + 1)
    prepare(workload, UniqueValues(0, 1))
    tls_context(workload.target)
    _demand_files(sum(-(-executor.max_users // workers) for executor in executors))
    addresses = resolve(workload.target)
    target, keeper = authorised(workload.target)
    workload = msgspec.structs.replace(workload, target=target)
    jobs = [Job(workload, addresses, worker, workers, resolution_s) for worker in range(workers)]
    try:
        with WorkerPool(jobs) as pool:
            observers = Observers(on_tick, on_settled, stop or StopFlag())
            return Round(workload, pool, observers, resolution_s, keeper).run()
    finally:
        if keeper is not None:
            keeper.close()


def _demand_rates(workload: Workload, workers: int) -> None:
    for scenario in workload.scenarios:
        rate = _peak_rate(scenario.executor)
        if rate > MAX_WORKER_RATE * workers:
            raise UsageError(
                f"{rate:g} arrivals a second are too many for {workers} worker(s), "
                f"expected at most {MAX_WORKER_RATE:,} each",
                hint="ask for less, or use more --workers",
            )


def _peak_rate(executor: Executor) -> float:
    if executor.time_unit_us is None:
        return 0.0
    highest = max(executor.rate, *(stage.target for stage in executor.stages), 0)
    return highest * US_PER_S / executor.time_unit_us


def _demand_files(connections: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and connections + _SPARE_FILES > hard:
        raise UsageError(
            f"{connections} connections in one worker need more files than the {hard} allowed",
            hint="raise the hard limit (ulimit -Hn), or use more --workers",
        )
