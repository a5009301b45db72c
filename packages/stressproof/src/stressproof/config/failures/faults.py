"""The faults of a failure: each as a spec, or why it is none."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stressproof.config.amounts import time_or_least
from stressproof.config.failures.kind_tables import FaultTable, SendTable, WitnessTable
from stressproof.config.failures.parameters import parameter
from stressproof.config.failures.requests import Asked, Known
from stressproof.config.failures.tables import FailureTable
from stressproof.config.failures.testbed_plan import TestbedPlan
from stressproof.config.mistakes import Mistakes
from stressproof.config.positions import Place
from stressproof.evidence.failure import Parameter, RecoveryObjectives
from stressproof.failures.fault_kind import FaultKind
from stressproof.failures.fault_kinds import FAULT_KINDS, LONGEST_US, SHORTEST_US, fault_problems
from stressproof.failures.parameters import S
from stressproof.failures.spec import WATCH_AFTER_US, FaultSpec, Send, TargetKind, WitnessSpec
from stressproof.workload.templates import placeholders

_HOUR_US = 3600 * S
_CALLERS: TargetKind = "callers"
_LEAST_RACERS = 2
_LEAST_WORKERS = 2
_TLS = re.compile(r"\bsslmode=(?:require|verify-ca|verify-full)\b")


class FaultsReader:
    """Reads the faults of one failure.

    Args:
        table: The failure.
        place: Where it stands.
        testbed: What they hit.
        objectives: What recovery from each is held against, where it does not say otherwise.
        mistakes: Takes what is wrong.
    """

    def __init__(
        self,
        table: FailureTable,
        place: Place,
        testbed: TestbedPlan,
        objectives: RecoveryObjectives,
        mistakes: Mistakes,
    ) -> None:
        self._table = table
        self._place = place
        self._testbed = testbed
        self._objectives = objectives
        self._mistakes = mistakes

    def read(self, asked: Mapping[str, Asked], known: Known) -> list[FaultSpec]:
        """Return them in order.

        Args:
            asked: Requests that they can send, by name; none where they could not be read.
            known: What their texts may take from rows.
        """
        found: list[FaultSpec] = []
        for at, table in enumerate(self._table.fault):
            place = (*self._place, "fault", at)
            if table.id in [one.id for one in found]:
                self._mistakes.add((*place, "id"), f"the id {table.id!r} is given twice")
            found.append(self._fault(table, place, asked, known))
        return found

    def _fault(
        self, table: FaultTable, place: Place, asked: Mapping[str, Asked], known: Known
    ) -> FaultSpec:
        kind = FAULT_KINDS[str(type(table).__struct_config__.tag)]
        before = len(self._mistakes.found)
        objectives, watched_longer_us = self._recovery(table, place)
        lasts_us = time_or_least(
            self._mistakes, (*place, "lasts"), table.lasts, SHORTEST_US, LONGEST_US
        )
        spec = FaultSpec(
            id=table.id,
            kind=kind.name,
            lasts_us=lasts_us,
            target=table.target,
            target_kind=self._target_kind(table, kind, place),
            parameters=self._parameters(table, kind, place, known),
            send=self._send(table, kind, place, asked),
            witnesses=self._witnesses(table, kind, place),
            objectives=objectives,
            watched_longer_us=watched_longer_us,
            how=table.how,
        )
        self._demand_fit(spec, place)
        if len(self._mistakes.found) == before:
            for problem in fault_problems(spec):
                self._mistakes.add(place, problem)
        return spec

    def _recovery(self, table: FaultTable, place: Place) -> tuple[RecoveryObjectives, int]:
        """Return what recovery is held against, and how much longer than needed it is watched."""
        objectives = self._objectives
        if table.recover is not None:
            recover_us = time_or_least(
                self._mistakes, (*place, "recover"), table.recover, 0, _HOUR_US
            )
            objectives = msgspec.structs.replace(objectives, rto_service_us=recover_us)
        if table.watch is None:
            return objectives, 0
        least_us = objectives.rto_service_us + WATCH_AFTER_US
        watch_us = time_or_least(
            self._mistakes, (*place, "watch"), table.watch, least_us, 2 * _HOUR_US
        )
        return objectives, watch_us - least_us

    def _target_kind(self, table: FaultTable, kind: FaultKind, place: Place) -> TargetKind:
        kinds = self._testbed.target_kinds
        where = (*place, "target")
        if not table.target:
            if not kind.fits(_CALLERS):
                self._mistakes.add(
                    place, f"{kind.name} hits nothing", f"Write target = a {_wanted(kind)}."
                )
            return _CALLERS
        if kind.targets == {_CALLERS}:
            hint = "Leave target out."
            self._mistakes.add(where, f"{kind.name} hits callers, and nothing of the testbed", hint)
            return _CALLERS
        if table.target not in kinds:
            if self._mistakes.knows("testbed"):
                self._mistakes.lead_nowhere(where, "part of the testbed", table.target, kinds)
            return _CALLERS
        found = kinds[table.target]
        if not kind.fits(found):
            self._mistakes.add(
                where,
                f"{kind.name} hits a {_wanted(kind)}, and {table.target} is a {_said(found)}",
                _remedy(kind, found),
            )
        return found

    def _parameters(
        self, table: FaultTable, kind: FaultKind, place: Place, known: Known
    ) -> dict[str, Parameter]:
        found: dict[str, Parameter] = {}
        for spec in kind.parameters:
            value: Any = getattr(table, f"{spec.name}_")
            if value is None:
                continue
            read = self._mistakes.attempt((*place, spec.name), parameter, spec, value)
            if read is None:
                continue
            found[spec.key] = read
            texts = (read,) if isinstance(read, str) else read if isinstance(read, tuple) else ()
            for text in texts:
                problem = known.problem(placeholders(text))
                if problem is not None:
                    self._mistakes.add((*place, spec.name), problem.message, problem.hint)
        return kind.complete(found)

    def _send(
        self, table: FaultTable, kind: FaultKind, place: Place, asked: Mapping[str, Asked]
    ) -> tuple[Send, ...]:
        if kind.sends == "never":
            return ()
        given, request = getattr(table, "send"), getattr(table, "request")  # noqa: B009  # of some
        if given and request:
            hint = "Leave one of them out: request is short for send."
            self._mistakes.add((*place, "request"), "send and request both say what is sent", hint)
        if request:
            places: list[tuple[Place, SendTable]] = [((*place, "request"), SendTable(request))]
        elif isinstance(given, SendTable):
            places = [((*place, "send", "request"), given)]
        else:
            places = [((*place, "send", at, "request"), one) for at, one in enumerate(given or ())]
        if not places and kind.sends == "must":
            self._mistakes.add(place, f"{kind.name} sends nothing", "Write send = { request = … }.")
        for where, one in places:
            if asked and one.request not in asked:
                self._mistakes.lead_nowhere(where, "request", one.request, list(asked))
        races = any(one.name == "batches" for one in kind.parameters)
        sent = tuple(
            Send(one.request, one.times, races if one.same is None else one.same)
            for _, one in places
        )
        if races and sent and sum(one.times for one in sent) < _LEAST_RACERS:
            self._mistakes.add((*place, "send"), "a race of one is none", "Write times = 20 or so.")
        return sent

    def _witnesses(
        self, table: FaultTable, kind: FaultKind, place: Place
    ) -> tuple[WitnessSpec, ...]:
        if kind.witnesses is not None:
            return ()
        given: Mapping[str, int] | Sequence[WitnessTable] = getattr(table, "witness")  # noqa: B009
        if not given:
            hint = "Write witness = …: what is counted, and by how much it must grow."
            self._mistakes.add(place, f"nothing proves that {table.id} took effect", hint)
        if isinstance(given, Mapping):
            return tuple(WitnessSpec(name, needs) for name, needs in given.items())
        return tuple(WitnessSpec(one.name, one.needs, one.run or ()) for one in given)

    def _demand_fit(self, spec: FaultSpec, place: Place) -> None:
        """Refuse what the testbed cannot bear, although the kind fits."""
        testbed = self._testbed
        postgres = testbed.postgres.get(spec.target)
        if postgres is not None and postgres.dsn:
            self._demand_of_running(spec, place)
        if spec.kind == "disk_full" and postgres is not None and not postgres.disk_bytes:
            self._mistakes.add(
                (*place, "target"),
                f"the disk of {spec.target} has no bound of its own",
                f'Write disk = "160MiB" in [testbed.postgres.{spec.target}].',
            )
        process = testbed.process.get(spec.target)
        known = process is None or process.workers >= _LEAST_WORKERS or process.worker
        if spec.kind == "kill_worker" and not known:
            self._mistakes.add(
                (*place, "target"),
                f"nobody knows the workers of {spec.target}",
                f"Write workers = 2 or worker = … in [testbed.process.{spec.target}].",
            )
        index = spec.parameters.get("index")
        if isinstance(index, int) and process is not None and 0 < process.workers <= index:
            self._mistakes.add(
                (*place, "index"),
                f"{spec.target} has {process.workers} workers, counted from 0",
                f"Write 0 to {process.workers - 1}.",
            )
        holding = spec.parameters.get("holding")
        if holding and holding not in testbed.postgres and self._mistakes.knows("testbed"):
            where = (*place, "holding")
            self._mistakes.lead_nowhere(where, "database", str(holding), testbed.postgres)
        if spec.kind.startswith("cut_") and self._speaks_tls(spec.target):
            self._mistakes.add(
                (*place, "target"),
                f"{spec.kind} reads the conversation, and that with {spec.target} is under TLS",
                "Write sslmode=disable: it is this machine's loopback.",
            )
        if testbed.attach and spec.kind == "command" and not spec.parameters.get("mark"):
            self._mistakes.add(
                place,
                "nothing says that what runs here may be broken",
                "Write mark = …: a command that prints on where its owner has given it up.",
            )

    def _demand_of_running(self, spec: FaultSpec, place: Place) -> None:
        """Refuse what a database that runs already cannot be made to suffer."""
        targets = FAULT_KINDS[spec.kind].targets
        if "process" in targets or spec.kind == "disk_full":
            self._mistakes.add(
                (*place, "target"),
                f"{spec.target} runs already, and {spec.kind} is for what is started here",
                "Let it be started, without dsn; or write a command with its undo.",
            )
        elif self._testbed.attach and "proxy" in targets:
            self._mistakes.add(
                (*place, "target"),
                f"an attached service does not reach {spec.target} through a proxy of ours",
                "Put a stressproof proxy before it, and name that: [testbed.proxy.NAME] control.",
            )

    def _speaks_tls(self, target: str) -> bool:
        """Return whether a conversation is asked to be under TLS, as far as the file shows."""
        testbed = self._testbed
        dsn = testbed.postgres[target].dsn if target in testbed.postgres else ""
        texts = [text for one in testbed.process.values() for text in one.texts]
        of_target = [
            text
            for text in texts
            if any(name.partition(".")[0] == target for name in placeholders(text))
        ]
        return any(_TLS.search(text) for text in (dsn, *of_target))


def _wanted(kind: FaultKind) -> str:
    """Return what a kind hits, for people."""
    return " or ".join(_said(target) for target in sorted(kind.targets))


def _said(target: str) -> str:
    part, colon, protocol = target.partition(":")
    return f"{part} of {protocol}" if colon else part


def _remedy(kind: FaultKind, found: TargetKind) -> str:
    """Return what makes a target fit, if that is one word in the file."""
    protocols = [target.partition(":")[2] for target in kind.targets if ":" in target]
    if protocols and found.startswith("proxy"):
        return f'Write protocol = "{protocols[0]}" for it, if that is what it speaks.'
    return f"{kind.name} is for: {_wanted(kind)}."
