"""``[[failure]]`` of a file into scenarios, with everything in them that cannot be meant."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from stressproof.config.amounts import share_ppm, time_or_least
from stressproof.config.environment import names_in, texts_in
from stressproof.config.failures.answer_rules import kept_name
from stressproof.config.failures.checks import EFFECTS, ChecksReader
from stressproof.config.failures.faults import FaultsReader
from stressproof.config.failures.final_reads import read_final_reads
from stressproof.config.failures.load import LoadReader
from stressproof.config.failures.plan import FailureFile, FailureLoad, FailurePlan
from stressproof.config.failures.requests import Asked, Known, kinds_of
from stressproof.config.failures.scenario_sense import (
    MOST_OPERATIONS,
    expected_operations,
    senseless,
)
from stressproof.config.failures.tables import FailureTable
from stressproof.config.failures.testbed import TestbedReader
from stressproof.config.failures.testbed_plan import TestbedPlan
from stressproof.config.mistakes import Mistakes
from stressproof.config.plan_file import PlanFile
from stressproof.config.plans import PlanReader
from stressproof.config.positions import Place
from stressproof.evidence.failure import RecoveryObjectives
from stressproof.evidence.project_files import project_file
from stressproof.failures.fault_kinds import FAULT_KINDS
from stressproof.failures.parameters import MS, S
from stressproof.failures.spec import FaultSpec, Invariant, RequestSpec, ScenarioSpec
from stressproof.workload.tables import Table

_FILLED = frozenset({"url", "dsn", "run", "env", "upstream"})
"""Keys of the testbed whose texts may take something from the environment."""


def read_failures(
    file: FailureFile,
    plan: PlanFile,
    environment: Mapping[str, str] | None,
    mistakes: Mistakes,
    *,
    at_hand: bool = False,
) -> FailurePlan | None:
    """Return what a file says of failures, None where it says nothing; specs lack their files.

    Args:
        file: What it says of them.
        plan: What it says of loads.
        environment: What ``${}`` is taken from; None leaves it as it is written.
        mistakes: Takes what is wrong; with any, what is returned is of no use.
        at_hand: Whether the folder holds what the file names; a commit's need not be there.
    """
    if file.testbed is None:
        if file.failures:
            mistakes.add(("failure", 0), "nothing says what is broken", "Write [testbed].")
        return None
    _demand_own_texts(file, mistakes)
    testbed = TestbedReader(
        file.testbed, plan.folder, environment, mistakes, at_hand=at_hand
    ).read()
    return _Reader(file, plan, testbed, environment, mistakes, at_hand=at_hand).read()


def _demand_own_texts(file: FailureFile, mistakes: Mistakes) -> None:
    """Refuse what would come from the environment into a spec, or where nothing fills it."""
    said = {
        "testbed": file.testbed,
        "effects": file.effects,
        "invariant": file.invariants,
        "failure": file.failures,
    }
    for where, text in texts_in(msgspec.to_builtins(said), ()):
        if names_in(text) and not (where[0] == "testbed" and _FILLED.intersection(where)):
            mistakes.add(
                where,
                f"{text!r} would come from the environment",
                "Processes may be given it by run and env; what is broken and checked is the "
                "file's.",
            )


class _Reader:
    """Reads every failure of a file."""

    def __init__(
        self,
        file: FailureFile,
        plan: PlanFile,
        testbed: TestbedPlan,
        environment: Mapping[str, str] | None,
        mistakes: Mistakes,
        *,
        at_hand: bool,
    ) -> None:
        self._file = file
        self._plan = plan
        self._testbed = testbed
        self._environment = environment
        self._mistakes = mistakes
        self._at_hand = at_hand
        loads = plan.profiles.values()
        rules = [rule for load in loads for one in load.request for rule in one.answers]
        rules += [rule for load in loads for rule in load.answers]
        kept = {kept_name(rule) for rule in rules} - {""}
        self._reads = read_final_reads(file.effects, file.invariants, testbed, kept, mistakes)
        self._loads: dict[str, FailureLoad] = {}
        self._all_tables: tuple[Table, ...] | None = None

    def read(self) -> FailurePlan:
        """Return the plan."""
        scenarios: list[ScenarioSpec] = []
        for at, table in enumerate(self._file.failures):
            place: Place = ("failure", at)
            if table.id in [one.id for one in scenarios]:
                self._mistakes.add((*place, "id"), f"the id {table.id!r} is given twice")
            scenarios.append(self._scenario(table, place))
        operations = sum(map(expected_operations, scenarios))
        if not self._mistakes.found and operations > MOST_OPERATIONS:
            self._mistakes.add(
                ("failure", len(scenarios) - 1),
                f"all failures send some {operations:,} requests, and evidence holds "
                f"{MOST_OPERATIONS:,}",
                "Ask at lower rates, or break things for a shorter time.",
            )
        asked = [one for scenario in scenarios for one in scenario.requests]
        if self._reads.effects and asked and not any(one.keyed for one in asked):
            self._mistakes.add(
                ("effects",),
                "no request of a failure asks for an effect",
                "Write {{effect}} into a field that the business keeps, such as a reference.",
            )
        return FailurePlan(self._testbed, tuple(scenarios), self._loads, self._file)

    def _scenario(self, table: FailureTable, place: Place) -> ScenarioSpec:
        before = len(self._mistakes.found)
        known = self._known(table)
        given = (self._plan, known, self._environment, self._mistakes)
        reader = LoadReader(table, place, *given)
        timeout_us = reader.timeout_us()
        objectives = self._objectives(table, place)
        injected = FaultsReader(table, place, self._testbed, objectives, self._mistakes).read(
            reader.asked, known
        )
        kinds = self._mistakes.attempt(place, kinds_of, reader.asked, injected) or {}
        specs = tuple(spec for spec, _ in kinds.values())
        sent = [one for _, one in kinds.values()]
        reader.demand_sendable({one.request.name for one in sent})
        self._demand_source(table, place, specs)
        self._loads[table.id] = FailureLoad(
            tuple(one.request for one in sent),
            tuple(one.effect for one in sent),
            self._tables(sent),
        )
        if table.ripe != "0s" and not table.prepare:
            self._mistakes.add((*place, "ripe"), "nothing is prepared that could ripen")
        # Names of kinds are judged only where all of them are known.
        certain = specs if _sends_what_is_asked(injected, reader.asked) else ()
        checks = ChecksReader(table, place, certain, injected, timeout_us, self._mistakes).read()
        scenario = ScenarioSpec(
            id=table.id,
            title=table.title,
            question=table.question,
            steady_us=time_or_least(self._mistakes, (*place, "steady"), table.steady, S, 600 * S),
            rate_per_s=reader.rate_per_s(),
            timeout_us=timeout_us,
            requests=specs,
            faults=tuple(injected),
            checks=checks,
            effects=self._reads.effects if any(one.keyed for one in specs) else None,
            invariants=self._invariants(table, place),
            off=table.off,
            prepare=table.prepare,
            ripe_us=time_or_least(self._mistakes, (*place, "ripe"), table.ripe, 0, 600 * S),
            files=dict.fromkeys(self._files(table, place, injected, sent), ""),
            parallel=table.parallel,
        )
        if reader.load is not None and len(self._mistakes.found) == before:
            self._mistakes.found += senseless(scenario, place)
        return scenario

    def _known(self, table: FailureTable) -> Known:
        testbed = self._testbed
        parts = {*testbed.postgres, *testbed.process, *testbed.proxy}
        return Known(self._plan.data, testbed.secrets, parts, prepares=bool(table.prepare))

    def _objectives(self, table: FailureTable, place: Place) -> RecoveryObjectives:
        mistakes, good = self._mistakes, (*place, "good")
        bad_ppm = mistakes.attempt((*good, "errors"), share_ppm, table.good.errors, 0, 999_999)
        return RecoveryObjectives(
            rto_service_us=time_or_least(mistakes, (*place, "recover"), table.recover, 0, 3600 * S),
            window_us=time_or_least(
                mistakes, (*good, "within"), table.good.within, 100 * MS, 60 * S
            ),
            window_operations=table.good.operations,
            slow_us=time_or_least(mistakes, (*good, "slow"), table.good.slow, MS, 60 * S),
            bad_ppm=bad_ppm or 0,
        )

    def _demand_source(
        self, table: FailureTable, place: Place, specs: Sequence[RequestSpec]
    ) -> None:
        """Refuse effects that nobody could find again."""
        keyed = [one.kind for one in specs if one.keyed]
        read = self._reads.effects is not None or set(EFFECTS) <= set(table.off)
        if keyed and not read and self._mistakes.knows("effects"):
            self._mistakes.add(
                (*place, "load"),
                f"{keyed[0]} asks for an effect, and nothing says where effects are read",
                "Write [effects].",
            )

    def _tables(self, asked: Iterable[Asked]) -> tuple[Table, ...]:
        """Return the tables that requests take from; none where nothing is read."""
        if self._environment is None:
            return ()
        if self._all_tables is None:
            self._all_tables = PlanReader(self._plan, self._environment).tables()
        used = {name for one in asked for name in one.tables}
        return tuple(one for one in self._all_tables if one.name in used)

    def _invariants(self, table: FailureTable, place: Place) -> tuple[Invariant, ...]:
        known = {one.id: one for one in self._reads.invariants}
        if table.invariants is None:
            return self._reads.invariants
        for at, name in enumerate(table.invariants):
            if name not in known and self._mistakes.knows("invariant"):
                self._mistakes.lead_nowhere((*place, "invariants", at), "invariant", name, known)
        return tuple(known[name] for name in table.invariants if name in known)

    def _files(
        self,
        table: FailureTable,
        place: Place,
        injected: Sequence[FaultSpec],
        asked: Iterable[Asked],
    ) -> Iterator[str]:
        """Yield the files that decide what happens, beside the services' own."""
        for one in asked:
            yield from one.files
            for name in one.tables:
                data = self._plan.data.get(name)
                if data is not None and not data.generated:
                    yield data.file
        for postgres in self._testbed.postgres.values():
            yield from postgres.load
        named = [((*place, "prepare"), table.prepare)] if table.prepare else []
        named += [
            ((*place, "fault", at, "class"), str(fault.parameters["class"]))
            for at, fault in enumerate(injected)
            if "class" in fault.parameters
        ]
        for where, text in named:
            path, _, name = text.rpartition(":")
            if not path.endswith(".py") or not name.isidentifier():
                self._mistakes.add(
                    where, f"{text!r} names nothing in a file", "Such as file.py:name."
                )
                continue
            found = self._mistakes.attempt(where, project_file, self._plan.folder, path)
            if found is not None and self._at_hand and not found.is_file():
                self._mistakes.add(where, f"there is no file {path!r} beside the file")
            yield path


def _sends_what_is_asked(injected: Iterable[FaultSpec], asked: Mapping[str, Asked]) -> bool:
    """Whether every fault that sends something sends requests that there are."""
    return bool(asked) and all(
        fault.send and {one.request for one in fault.send} <= asked.keys()
        for fault in injected
        if FAULT_KINDS[fault.kind].sends == "must" or fault.send
    )
