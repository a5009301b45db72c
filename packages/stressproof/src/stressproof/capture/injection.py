"""From a plan to a failure artifact: testbeds, scenarios, provenance; a document in any case."""

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from stressproof.capture.credentials import find
from stressproof.capture.interrupts import one_interrupt
from stressproof.capture.lanes import lanes, run_beside
from stressproof.capture.probe import NOBODY, Health, probe
from stressproof.capture.stage import Stage
from stressproof.capture.subject import read_subject
from stressproof.capture.testbed_record import record_of
from stressproof.errors import UsageError
from stressproof.evidence.encoding import iterencode
from stressproof.evidence.fields import Status
from stressproof.evidence.run_clock import RunClock
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.evidence.writing import check_writable, set_aside, write_atomic
from stressproof.failures.artifact import FailureArtifact, Scenario, Trial, Unsupported
from stressproof.failures.conclusions import summarise
from stressproof.failures.spec import ScenarioSpec
from stressproof.faults.active import ActiveFaults, default_path
from stressproof.faults.refusal import demand_no_refusal
from stressproof.faults.run import ScenarioRun
from stressproof.faults.testbed import Testbed
from stressproof.faults.trial_state import Watch
from stressproof.suite import Suite
from stressproof.verify.failure.people import fold

Say = Callable[[str], None]
CarryOut = Callable[[Testbed, ScenarioRun, ScenarioSpec, Say], None]
"""What is done with a scenario whose turn it is, on its testbed."""


class InjectionPlan(Struct, frozen=True, kw_only=True):
    """What is asked for.

    Attributes:
        output: Where the artifact goes.
        executed_by: Who runs it.
        approved_by: Somebody else.
        stage: The scenarios, where they run, and what drives them.
        suite: What they belong to: names, probes, what its faults are not.
        seed: From which each scenario's own follows.
        quick: One fault a scenario; never release evidence.
        force: Discard a file that is in the way.
        command: What was run, for evidence.
        environment: Of our own process.
    """

    output: Path
    executed_by: str
    approved_by: str
    stage: Stage
    suite: Suite
    seed: int
    quick: bool
    force: bool
    command: str
    environment: Mapping[str, str]


def check_identities(executed_by: str, approved_by: str) -> None:
    """Refuse names of which nothing shows, and one person under two spellings.

    Raises:
        UsageError: They are no two people.
    """
    for flag, name in (("--executed-by", executed_by), ("--approved-by", approved_by)):
        if not any(character.isalnum() for character in fold(name)) or name != name.strip():
            raise UsageError(f"{flag} {name!r} is no name", hint="Name a person.")
    if fold(executed_by) == fold(approved_by):
        raise UsageError(
            f"{executed_by!r} cannot approve what {executed_by!r} executed",
            hint="Name somebody else with --approved-by.",
        )


class Injection:
    """One run of a plan; `run` writes the artifact whatever happens.

    Args:
        plan: What is asked for.
        say: Told what happens.
        watch: Given the state of each trial, from the thread of its testbed.
        clock: What tells the time, read now.
    """

    def __init__(
        self,
        plan: InjectionPlan,
        say: Callable[[str], None],
        *,
        watch: Watch = lambda _: None,
        clock: RunClock | None = None,
    ) -> None:
        self._plan = plan
        self._say = say
        self._watch = watch
        self._active = ActiveFaults(default_path(plan.environment))
        self._halt = threading.Event()
        self._done: dict[str, Scenario] = {}
        self._record = record_of(plan.stage)
        self._unsupported = dict(plan.suite.unsupported)
        self._before: Health | None = None
        self._after: Health | None = None
        self._clock = clock or RunClock()
        self._started_at = self._clock.now()

    def run(self) -> FailureArtifact:
        """Inject everything, write the artifact, and return it.

        Raises:
            UsageError: The identities are one, the testbed is impossible, or nothing may be broken
                on this machine.
            OutputError: The artifact cannot be written.
            InconclusiveError: A steady state is unhealthy; what was concluded is written.
            RunError: A fault could not be applied or removed; what was concluded is written.
        """
        demand_no_refusal(self._plan.environment)
        check_identities(self._plan.executed_by, self._plan.approved_by)
        check_writable(self._plan.output)
        ids = ", ".join(spec.id for spec in self._plan.stage.scenarios)
        self._say(f"injecting {ids} with seed {self._plan.seed}")
        with one_interrupt(self._say):
            try:
                self._inject(self._run_on)
            except BaseException as error:
                # A run that broke keeps what was concluded before, marked as what it is.
                self._keep("broken" if isinstance(error, Exception) else "interrupted")
                raise
            return self._keep("complete")

    def rehearse(self) -> dict[str, Trial]:
        """Start the testbed and run the baselines, break nothing and write nothing; return them.

        Raises:
            UsageError: The testbed is impossible.
            InconclusiveError: A steady state is unhealthy.
            RunError: Something does not start, or broke.
        """
        baselines: dict[str, Trial] = {}

        def rehearse_on(entered: Testbed, run: ScenarioRun, spec: ScenarioSpec, say: Say) -> None:
            del entered
            baselines[spec.id] = run.baseline()
            say(f"{spec.id}: baseline done")

        with one_interrupt(self._say):
            self._inject(rehearse_on)
        return {spec.id: baselines[spec.id] for spec in self._plan.stage.scenarios}

    def _inject(self, carry_out: CarryOut) -> None:
        """Carry out every scenario, on as many testbeds as may stand at once."""
        ours, *others = lanes(self._plan.stage)
        run_beside(
            partial(self._run_lane, ours, carry_out, main=True),
            [partial(self._run_lane, lane, carry_out) for lane in others],
            self._halt,
        )

    def _run_lane(
        self, specs: Sequence[ScenarioSpec], carry_out: CarryOut, *, main: bool = False
    ) -> None:
        """Carry out scenarios one after the other on a testbed of their own."""
        plan = self._plan
        say = self._say if main else (lambda text: self._say(f"[parallel] {text}"))
        testbed = plan.stage.testbed(self._active, seed=plan.seed, say=say, halt=self._halt)
        with testbed as entered:
            if main:
                self._look_before(entered)
            runs = [(spec, self._scenario_run(entered, spec, say)) for spec in specs]
            for _, run in runs:
                run.prepare_early()
            for spec, run in runs:
                carry_out(entered, run, spec, say)
            if main:
                self._after = self._probe(entered)

    def _scenario_run(self, entered: Testbed, spec: ScenarioSpec, say: Say) -> ScenarioRun:
        """Return a scenario ready to run, without what cannot be injected on this machine."""
        plan = self._plan
        asked = spec.part([spec.faults[0].id]) if plan.quick else spec
        left_out = {one.id: why for one in asked.faults if (why := entered.why_not(one))}
        for name, why in left_out.items():
            say(f"{spec.id}: {name} is unsupported here: {why}")
        self._unsupported |= left_out
        return ScenarioRun(
            entered,
            asked,
            seed=plan.seed,
            driver=plan.stage.drivers[spec.id],
            left_out=left_out,
            clock=self._clock,
            say=say,
            watch=self._watch,
        )

    def _look_before(self, entered: Testbed) -> None:
        """Note what is known of a testbed that stands."""
        self._before = self._probe(entered)
        self._record = record_of(self._plan.stage, entered)

    def _probe(self, entered: Testbed) -> Health:
        suite = self._plan.suite
        lent = find(entered.url, entered.service_environment(), suite.local_service)
        headers = {} if lent is None else {"authorization": f"Bearer {lent.token}"}
        return probe(entered.url, suite, headers, self._clock.now())

    def _run_on(self, entered: Testbed, run: ScenarioRun, spec: ScenarioSpec, say: Say) -> None:
        """Run one scenario, keep what is concluded, and what explains a failure."""
        plan = self._plan
        done = run.run(
            position=plan.stage.scenarios.index(spec),
            command=plan.command,
            page=plan.suite.failure_page,
        )
        self._done[spec.id] = done
        say(f"{spec.id}: {done.status}" + "".join(f"\n    {why}" for why in done.reasons))
        if done.status != "pass":
            for name, log in entered.logs().items():
                kept = keep_log(log, plan.output, f"{spec.id}.{name}")
                say(f"what {name} said is in {kept}")

    def _keep(self, status: Status) -> FailureArtifact:
        artifact = self._assemble(status)
        if not self._plan.force:
            kept = set_aside(self._plan.output)
            if kept is not None:
                self._say(f"a file was in the way; it is {kept} now")
        write_atomic(self._plan.output, iterencode(artifact))
        return artifact

    def _assemble(self, status: Status) -> FailureArtifact:
        plan, before, after = self._plan, self._before or NOBODY, self._after
        asked = plan.suite.failure_requirements()
        scenarios = [self._done[one.id] for one in plan.stage.scenarios if one.id in self._done]
        return FailureArtifact(
            schema_version=SCHEMA_VERSION,
            status=status,
            profile=asked.profile,
            runner=asked.runner,
            execution_class=asked.execution_class,
            started_at=self._started_at,
            captured_at=self._clock.now(),
            clock=self._clock.record(),
            executed_by=plan.executed_by,
            approved_by=plan.approved_by,
            seed=plan.seed,
            subject=read_subject(Path.cwd()),
            target_before=before.target,
            target_after=None if after is None else after.target,
            runtime_before=before.runtime,
            runtime_after=None if after is None else after.runtime,
            unsafe=before.unsafe,
            stage=replace(
                self._record, unsupported=[Unsupported(*one) for one in self._unsupported.items()]
            ),
            scenarios=scenarios,
            summary=summarise(scenarios),
        )


def keep_log(log: Path, output: Path, of: str) -> Path:
    """Copy a log beside the artifact under a name that says whose it is, and return where it is.

    The testbed it lies on vanishes with the run, and what explains a failure would vanish with it.
    """
    kept = output.with_name(f"{output.stem}.{of}.log")
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(log, kept)
    return kept
