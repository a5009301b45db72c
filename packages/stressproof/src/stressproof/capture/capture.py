"""A capture from start to end: preflight, probe, rounds, probe, artifact."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from stressproof.capture import preflight as preflights
from stressproof.capture.artifact import Probes, assemble, endpoint_results, finish_run
from stressproof.capture.counters import Counters, read_counters
from stressproof.capture.credentials import Credential, find
from stressproof.capture.fitting import fitted
from stressproof.capture.observer import Observer, SettledRows
from stressproof.capture.plan import Plan
from stressproof.capture.probe import read_health, read_limits, read_parity
from stressproof.capture.steps import joined, renumbered, step_record
from stressproof.capture.subject import read_subject
from stressproof.capture.watch import ThresholdWatch
from stressproof.capture.workload import build_workload
from stressproof.errors import RunError, TargetError
from stressproof.evidence.fields import Status
from stressproof.evidence.measurements import Row, RunMeasurements
from stressproof.evidence.preflight import Preflight
from stressproof.evidence.run_clock import RunClock
from stressproof.evidence.stress import Run, StressArtifact
from stressproof.evidence.workload import WorkloadEndpoint, WorkloadFile
from stressproof.load.addresses import tls_context
from stressproof.load.client import Client
from stressproof.load.result import HurryError
from stressproof.load.run import RoundResult, StopFlag, Tick, WorkerLostError, run_round
from stressproof.load.steps import Step
from stressproof.load.tokens import authorised
from stressproof.objectives.objectives import Objectives
from stressproof.quantities import count_of
from stressproof.workload.data import Data

_PAUSE_STEP_S = 0.05


class Capture:
    """One capture under way; `artifact` can be asked for at any point and tells the truth then.

    Args:
        plan: What to do.
        credential: The bearer token to use, if any.
        observer: Told about progress.
        stop: Set from outside (a signal) to end early with what there is.
        folder: The checkout whose commit the evidence is about.
        watch: Judges thresholds meanwhile, and ends the capture where one says so.
        clock: What tells the time, read now.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        credential: Credential | None,
        observer: Observer,
        stop: StopFlag,
        folder: Path,
        watch: ThresholdWatch | None = None,
        clock: RunClock | None = None,
    ) -> None:
        self._plan = plan
        self._watch = watch
        self._credential = credential
        self._observer = observer
        self._stop = stop
        self._clock = clock or RunClock()
        self._started_at = self._clock.now()
        self._subject = read_subject(folder)
        self._workload = build_workload(plan, credential)
        Data(self._workload).demand_enough(plan.rounds)
        target, keeper = authorised(self._workload.target)
        if keeper is not None:
            keeper.close()  # each round has a token of its own
        self._client = Client(target, timeout_s=plan.preflight.timeout_seconds)
        self._preflight: Preflight = preflights.skipped(plan.preflight)
        self._before: Probes | None = None
        self._after: Probes | None = None
        self._results: list[tuple[Sequence[WorkloadEndpoint], RunMeasurements, Run]] = []
        self._files: set[WorkloadFile] = set()
        self._told_s = 0

    def run(self) -> StressArtifact:
        """Do it all and return the artifact, whatever became of the capture.

        The artifact's status says how it ended: ``complete``, ``preflight_failed``,
        ``interrupted`` or ``broken``.

        Raises:
            TargetError: The target is not the service that the credential is for.
            UsageError: The certificates named cannot be read.
        """
        self._stop.may_leave = True
        try:
            status = self._run()
        except HurryError:
            if self._before is None:  # nothing is known that could be kept
                raise KeyboardInterrupt from None
            status = "interrupted"
        finally:
            self._stop.may_leave = False
        return self._artifact(status)

    def _run(self) -> Status:
        self._before = self._probe()
        self._check_instance()
        if self._stop.is_set():
            return "interrupted"
        if self._plan.preflight.enabled:
            number = len(self._plan.endpoints)
            self._observer.phase(f"preflight: {count_of(number, 'endpoint')}")
            self._preflight = preflights.run_preflight(
                self._client,
                msgspec.structs.replace(self._workload, target=self._client.target),
                self._plan.preflight,
                self._stop.is_set,
            )
            if self._stop.is_set():
                return "interrupted"
            if self._preflight.failures and not self._plan.preflight.allow_failures:
                return "preflight_failed"
        # Counted from here, so that the preflight's own requests are not in the difference.
        self._before = self._probe()
        status = self._rounds()
        if not self._stop.at_once:
            self._after = self._probe(loaded=True)
        return status

    def _probe(self, *, loaded: bool = False) -> Probes:
        """Ask the target about itself: what it counted first after the load, and last before it.

        So no other question of ours is among the requests counted between the two readings.
        """
        asked = self._plan.probes
        counters = self._counters() if loaded else None
        health = read_health(self._client, asked.health, self._clock.now())
        parity = read_parity(self._client, asked.parity)
        runtime = msgspec.structs.replace(health.runtime, parity=parity)
        return Probes(
            health=msgspec.structs.replace(health, runtime=runtime),
            limits=read_limits(self._client, asked.limits),
            counters=counters if loaded else self._counters(),
        )

    def _counters(self) -> Counters | None:
        return read_counters(self._client, self._plan.probes.counters)

    def _check_instance(self) -> None:
        """Never hand a token of one service to another that took its port."""
        wanted = self._credential.instance_id if self._credential else None
        seen = self._before.health.target.instance_id if self._before else None
        if wanted is not None and seen is not None and wanted != seen:
            raise TargetError(
                f"the service at {self._plan.url} is instance {seen}, but the credentials in "
                f"{self._credential.source if self._credential else ''} are for {wanted}",
                hint="Restart the service, or set STRESSPROOF_TOKEN.",
            )

    def _rounds(self) -> Status:
        for run_index in range(1, self._plan.rounds + 1):
            if run_index > 1 and not self._paused():
                return "interrupted"
            self._observer.phase(f"round {run_index}/{self._plan.rounds}")
            self._stop.may_leave = False
            status = self._round(run_index)
            self._stop.may_leave = not self._stop.at_once
            if status != "complete":
                return status
        return "complete"

    def _round(self, run_index: int) -> Status:
        self._told_s = 0
        try:
            result = run_round(
                msgspec.structs.replace(self._workload, round_number=run_index - 1),
                workers=self._plan.workers,
                on_tick=lambda tick: self._tick(run_index, tick),
                on_settled=lambda until_s, rows, steps: self._settled(
                    run_index, until_s, rows, steps
                ),
                stop=self._stop,
                resolution_s=self._plan.resolution_seconds,
            )
        except WorkerLostError as error:
            self._observer.phase(f"round {run_index} broke: {error.message}")
            self._keep(run_index, error.partial)
            return "broken"
        self._keep(run_index, result)
        return "interrupted" if result.interrupted else "complete"

    def _tick(self, run_index: int, tick: Tick) -> None:
        self._clock.observe()
        self._observer.tick(run_index, tick)

    def _settled(
        self, run_index: int, until_s: int, rows: Sequence[Row], steps: Sequence[Step]
    ) -> None:
        """Hand rows on, and end the capture where a threshold that may do so is crossed."""
        self._observer.rows(SettledRows(run_index, until_s, rows, self._endpoints(steps)))
        self._told_s = until_s
        if self._watch is None or self._stop.is_set():
            return
        if self._watch.settled(run_index, until_s, rows, steps):
            crossed = ", ".join(str(threshold) for threshold in self._watch.crossed)
            self._observer.phase(f"round {run_index} ends at second {until_s}: crossed {crossed}")
            self._stop.set()

    def _keep(self, run_index: int, result: RoundResult) -> None:
        """Derive a round's figures and add it to what the artifact will hold."""
        measured = result.measurements(run_index)
        if self._watch is not None:
            self._watch.round_done(measured, result.steps)
        endpoints = self._endpoints(result.steps)
        steps = endpoints[len(self._plan.endpoints) :]
        self._tell_rest(measured, endpoints)
        run = finish_run(endpoints, result, measured, self._clock)
        self._results.append((steps, measured, run))
        self._files |= {WorkloadFile(file.path, file.sha256, file.role) for file in result.files}
        self._observer.round_done(run)

    def _endpoints(self, steps: Sequence[Step]) -> list[WorkloadEndpoint]:
        return [*self._plan.endpoints, *map(step_record, steps)]

    def _tell_rest(self, measured: RunMeasurements, endpoints: Sequence[WorkloadEndpoint]) -> None:
        """Hand on what had not settled when a round ended."""
        resolution_s = self._plan.resolution_seconds
        rest = measured.rows[self._told_s // resolution_s * len(endpoints) :]
        if rest:
            until_s = rest[-1].second + resolution_s
            self._observer.rows(SettledRows(measured.run_index, until_s, rest, endpoints))

    def _finished(self) -> tuple[list[WorkloadEndpoint], list[RunMeasurements], list[Run]]:
        """Return the steps of all rounds, and the rounds with a row for each."""
        items = len(self._plan.endpoints)
        steps: list[WorkloadEndpoint] = []
        for found, _, _ in self._results:
            steps = joined(steps, found)
        loops = frozenset(one.name for one in self._plan.scenarios if not one.executor.closed_loop)
        measured = [
            renumbered(run, items, found, steps, open_scenarios=loops)
            for found, run, _ in self._results
        ]
        endpoints = [*self._plan.endpoints, *steps]
        runs = [
            msgspec.structs.replace(run, endpoints=endpoint_results(endpoints, counted))
            for (_, _, run), counted in zip(self._results, measured, strict=True)
        ]
        return steps, measured, runs

    def _paused(self) -> bool:
        """Wait between rounds; return False where the wait was cut short."""
        until = time.monotonic() + self._plan.pause_seconds
        while time.monotonic() < until and not self._stop.is_set():
            time.sleep(_PAUSE_STEP_S)
        return not self._stop.is_set()

    def _artifact(self, status: Status) -> StressArtifact:
        if self._before is None:
            raise RunError("an artifact was asked for before the target was probed")
        steps, measured, runs = self._finished()
        artifact = assemble(
            self._plan,
            status=status,
            started_at=self._started_at,
            clock=self._clock,
            subject=self._subject,
            preflight=self._preflight,
            before=self._before,
            after=self._after,
            runs=runs,
            measured=measured,
            steps=steps,
            files=sorted(self._files, key=lambda file: (file.path, file.role)),
        )
        return fitted(artifact)


def demand_usable(plan: Plan, credential: Credential | None) -> None:
    """Refuse what could not even begin, before anything is written or signed about a run.

    Raises:
        UsageError: What is asked cannot be meant, its data are too few, or certificates cannot be
            read.
    """
    workload = build_workload(plan, credential)
    Data(workload).demand_enough(plan.rounds)
    tls_context(workload.target)


def capture(
    plan: Plan,
    *,
    credential: Credential | None = None,
    objectives: Objectives | None = None,
    observer: Observer | None = None,
    stop: StopFlag | None = None,
    folder: Path | None = None,
) -> StressArtifact:
    """Load a service as planned, and return the evidence of it, whatever became of it.

    Args:
        plan: What to do (`stressproof.plan_capture`).
        credential: The bearer token to use; None looks for one as the command does, in
            ``STRESSPROOF_TOKEN`` and where a service on this machine leaves one.
        objectives: What is asked beside the plan's limits; its aborts end the capture.
        observer: Told about progress.
        stop: Set from outside to end early with what there is.
        folder: The checkout whose commit the evidence is about, the working directory if None.

    Raises:
        TargetError: The target is not the service that the credential is for.
        UsageError: A credential or certificates are there and cannot be used.
    """
    return Capture(
        plan,
        credential=credential or find(plan.url, os.environ, plan.local_service),
        observer=observer or Observer(),
        stop=stop or StopFlag(),
        folder=folder or Path.cwd(),
        watch=ThresholdWatch(objectives, plan) if objectives and objectives.thresholds else None,
    ).run()
