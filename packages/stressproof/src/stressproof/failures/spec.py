"""What a failure scenario is made of: requests, faults, checks, effects and invariants.

A `ScenarioSpec` is a complete value, and data alone. A file compiles to it, `stressproof.faults`
runs it, evidence carries it, and everything in the evidence is judged against it: what is asked
for and cannot be found there was not done.
"""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from stressproof.evidence.failure import Name, Parameter, RecoveryObjectives
from stressproof.evidence.fields import Text
from stressproof.evidence.measurements import Count
from stressproof.failures.answer_class import CHECK_FAILED, NOT_SENT, AnswerClass
from stressproof.failures.parameters import MS, S

Sql = Annotated[str, Meta(max_length=20_000)]
Patterns = Annotated[tuple[Text, ...], Meta(max_length=200)]

TargetKind = Literal[
    "postgres", "process", "container", "proxy", "proxy:postgres", "proxy:http", "callers"
]
"""What a fault hits; a proxy by the protocol that it understands."""


_SOON: Final = RecoveryObjectives(
    rto_service_us=3 * S, window_us=1_500 * MS, window_operations=8, slow_us=1_500 * MS, bad_ppm=0
)
"""Three seconds after healing begins a good second and a half."""

WATCH_AFTER_US: Final = 2_500 * MS
"""How long is watched beyond the objective: what comes then must be healthy, all of it."""

_SUCCESS = range(200, 300)
_REFUSALS = range(400, 500)
_BRACE = re.compile(r"\{[^{}]*\}")


class AnswerRule(Struct, frozen=True, forbid_unknown_fields=True, rename={"answer_class": "class"}):
    """A rule for answers: the first of a request's that holds adds its note to the code.

    Attributes:
        note: After the status and a slash; ``{json.path}`` stands for what the answer has there.
        when: A check as `stressproof.workload.checks` reads them; empty for any answer.
        answer_class: Of answers with this note; empty for what follows from the status.
        keep: ``name=json:path``: a value that is collected for invariants.
    """

    note: Text
    when: Text = ""
    answer_class: AnswerClass | Literal[""] = ""
    keep: Text = ""


class RequestSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of request.

    Attributes:
        kind: As operations name it.
        weight: Its share of the load; 0 for what only faults send.
        keyed: Whether it asks for an effect, so that each has a key.
        sent: How many effects it is asked for beside the load, without faults and with them;
            operations where it asks for no effect.
        rows_of: The ``send_each`` fault that sends it once for each row of a table, which nobody
            can count beforehand; operations are of this kind, or of it, an underscore and a word of
            the row. Empty for none.
        expect: Statuses that mean what was asked for; none for every 2xx.
        definite: Statuses that promise that there is no effect.
        answers: What notes answers get, in order.
        definition_sha256: Of what is sent, as the file has it; empty where no file has it.
    """

    kind: Name
    weight: Count = 0
    keyed: bool = False
    sent: tuple[Count, Count] = (0, 0)
    rows_of: Annotated[str, Meta(max_length=200)] = ""
    expect: Annotated[tuple[Count, ...], Meta(max_length=400)] = ()
    definite: Annotated[tuple[Count, ...], Meta(max_length=200)] = ()
    answers: Annotated[tuple[AnswerRule, ...], Meta(max_length=20)] = ()
    definition_sha256: Annotated[str, Meta(max_length=64)] = ""

    def classify(self, status: int, note: str) -> AnswerClass:
        """Return the class of an answer.

        Args:
            status: Of HTTP, 0 where no answer came.
            note: What the rules added, or `CHECK_FAILED` where a check of the request does not
                hold; where no answer came, the code that says why.
        """
        if status == 0:
            return "rejected" if note in NOT_SENT else "unknown"
        if note == CHECK_FAILED:
            return "unknown"
        if note:
            for rule in self.answers:
                if rule.note and _is_note(note, rule.note):
                    if rule.answer_class:
                        return rule.answer_class
                    break
        return self._by_status(status)

    def _by_status(self, status: int) -> AnswerClass:
        expected = status in self.expect if self.expect else status in _SUCCESS
        if expected and status < _REFUSALS.start:
            return "ok"
        if status in _REFUSALS:
            return "refused" if expected else "rejected"
        return "rejected" if status in self.definite else "unknown"


def _is_note(note: str, rule: str) -> bool:
    """Return whether a rule's note can have turned out so: each brace stands for anything.

    Literal parts are found from left to right, so that no rule can make this slow.
    """
    first, *others = _BRACE.split(rule)
    if not others:
        return note == first
    *middle, last = others
    if not (note.startswith(first) and note.endswith(last)):
        return False
    at, end = len(first), len(note) - len(last)
    for part in middle:
        found = note.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end


class WitnessSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """What proves that a fault took effect.

    Attributes:
        name: What is counted.
        needs: By how much it must grow, at least.
        run: What prints the count, of a witness that a file names; empty where an injector counts.
    """

    name: Name
    needs: Annotated[int, Meta(ge=1, le=2**53)] = 1
    run: Annotated[tuple[Text, ...], Meta(max_length=200)] = ()


class Send(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests that a fault sends.

    Attributes:
        request: Their kind.
        times: How many.
        same: Whether all of them ask for one effect, with one row.
    """

    request: Name
    times: Annotated[int, Meta(ge=1, le=1000)] = 1
    same: bool = True


class FaultSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One fault of a scenario; what its kind says is `stressproof.failures.fault_kinds`'.

    Attributes:
        id: Within the scenario.
        kind: A name of `FAULT_KINDS`.
        lasts_us: How long it holds, where it is not spent before.
        target: What it hits, as the testbed names it; empty for callers.
        target_kind: What that is.
        parameters: All of its kind.
        send: What it sends.
        witnesses: Of a kind that leaves them to the file; others have their kind's.
        objectives: What recovery is held against.
        watched_longer_us: Watched beyond what the objective needs.
        how: What is done, for people; empty for what the kind says.
    """

    id: Name
    kind: Name
    lasts_us: Annotated[int, Meta(ge=0, le=600 * S)]
    target: Annotated[str, Meta(max_length=200)] = ""
    target_kind: TargetKind = "callers"
    parameters: Mapping[str, Parameter] = {}
    send: Annotated[tuple[Send, ...], Meta(max_length=20)] = ()
    witnesses: Annotated[tuple[WitnessSpec, ...], Meta(max_length=20)] = ()
    objectives: RecoveryObjectives = _SOON
    watched_longer_us: Annotated[int, Meta(ge=0, le=3600 * S)] = 0
    how: Text = ""

    @property
    def watch_us(self) -> int:
        """How long recovery is watched."""
        return self.objectives.rto_service_us + WATCH_AFTER_US + self.watched_longer_us


class CheckSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One check over operations.

    Attributes:
        id: Of `stressproof.failures.checks.CHECKS`.
        about: A fault's id, empty for the whole trial.
        parameters: Of the check.
        baseline: Also made in the trial without faults.
    """

    id: Name
    about: Annotated[str, Meta(max_length=200)] = ""
    parameters: Mapping[str, Parameter] = {}
    baseline: bool = False


UNDISTURBED: Final = CheckSpec("undisturbed", "", {"of": ("*",), "settle_us": 0}, baseline=True)
"""What a trial without faults is held against, unless a scenario says why not."""


class Effects(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Where effects are found: one row each, its text and how often it is there.

    Attributes:
        from_: What is asked, as the testbed names it: directly, past proxies, after healing.
        sql: Its query; one of `sql`, `http` and `run` is given.
        http: Path that is asked.
        rows: ``json:path`` of the list in its answer.
        effect: ``json:path`` of the effect's text in each of the list.
        count: ``json:path`` of how often it is there; empty where each row is one.
        run: A command that prints lines of an effect and a count.
    """

    from_: Annotated[str, Meta(max_length=200)] = ""
    sql: Sql = ""
    http: Text = ""
    rows: Text = ""
    effect: Text = ""
    count: Text = ""
    run: Annotated[tuple[Text, ...], Meta(max_length=200)] = ()


class Invariant(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What must hold in the end, as a question whose answer is two numbers.

    They are how many things were compared, and how many of those are wrong.

    Attributes:
        id: As in the artifact's checks.
        title: What holds, as a sentence without its full stop.
        from_: What is asked, as the testbed names it.
        sql: Its query, which returns both numbers; one of `sql`, `http` and `run` is given.
        http: Path that is asked.
        compared: ``json:path`` of the first number in its answer.
        violations: Likewise of the second.
        run: A command that prints both.
        at_least: How many things it compares at least; ``effects`` stands for as many as there are
            effects with an operation of these kinds (`of`) that ended with one of `codes`.
        of: Patterns of kinds.
        codes: Patterns of codes, or classes.
        settle_us: It is asked again until nothing is wrong, for so long at most.
        faults_only: It has nothing to look at in a baseline.
    """

    id: Name
    title: Text
    from_: Annotated[str, Meta(max_length=200)] = ""
    sql: Sql = ""
    http: Text = ""
    compared: Text = ""
    violations: Text = ""
    run: Annotated[tuple[Text, ...], Meta(max_length=200)] = ()
    at_least: Annotated[int, Meta(ge=1, le=2**53)] | Literal["effects"] = 1
    of: Patterns = ("*",)
    codes: Patterns = ("ok",)
    settle_us: Annotated[int, Meta(ge=0, le=60 * S)] = 0
    faults_only: bool = False


class ScenarioSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One failure scenario.

    Attributes:
        id: Such as ``FI-001``.
        title: What it is about.
        question: What a reader wants to know, answered by a pass.
        steady_us: Load without a fault before the first one, and in the baseline.
        rate_per_s: Arrivals a second.
        timeout_us: Of one request.
        requests: What is asked, the load's first and in the order of its weights.
        faults: In order.
        checks: Over operations.
        effects: Where effects are found; None where nothing asks for any.
        invariants: Asked in the end.
        off: Checks that are made of others and not of this, and why not.
        prepare: What makes rows before any load, as ``file.py:function``; empty for nothing.
        ripe_us: How old these rows are before they are used.
        files: What `prepare`, faults and the testbed load, by path: sha256.
        parallel: It runs beside the others, on a second testbed of its own service and database.
    """

    id: Name
    title: Text
    question: Text
    steady_us: Annotated[int, Meta(ge=0, le=600 * S)]
    rate_per_s: Annotated[int, Meta(ge=1, le=1000)]
    timeout_us: Annotated[int, Meta(ge=1, le=600 * S)] = 8 * S
    requests: Annotated[tuple[RequestSpec, ...], Meta(max_length=1000)]
    faults: Annotated[tuple[FaultSpec, ...], Meta(max_length=32)]
    checks: Annotated[tuple[CheckSpec, ...], Meta(max_length=2000)]
    effects: Effects | None = None
    invariants: Annotated[tuple[Invariant, ...], Meta(max_length=100)] = ()
    off: Mapping[str, Text] = {}
    prepare: Text = ""
    ripe_us: Annotated[int, Meta(ge=0, le=3600 * S)] = 0
    files: Mapping[str, Text] = {}
    parallel: bool = False

    @property
    def scheduled(self) -> list[RequestSpec]:
        """What the load asks at its rate."""
        return [request for request in self.requests if request.weight]

    def request_of(self, kind: str) -> RequestSpec | None:
        """Return the request that operations of a kind are, None where there is none."""
        for request in self.requests:
            if request.kind == kind or (request.rows_of and kind.startswith(f"{request.kind}_")):
                return request
        return None

    def classify(self, kind: str, status: int, note: str) -> AnswerClass:
        """Return the class of an answer to an operation of a kind (`RequestSpec.classify`).

        Raises:
            LookupError: There is no such request.
        """
        request = self.request_of(kind)
        if request is None:
            raise LookupError(f"the scenario {self.id} has no request {kind!r}")
        return request.classify(status, note)

    def demanded_checks(self, *, with_faults: bool) -> list[CheckSpec]:
        """Return the checks over operations of a trial; without faults nothing may be wrong."""
        if with_faults:
            return list(self.checks)
        own = [check for check in self.checks if check.baseline]
        if UNDISTURBED.id in self.off:
            return own
        return [UNDISTURBED, *own]

    def demanded_invariants(self, *, with_faults: bool) -> list[Invariant]:
        """Return the invariants that are asked in a trial."""
        return [one for one in self.invariants if with_faults or not one.faults_only]

    def part(self, faults: Collection[str]) -> "ScenarioSpec":
        """Return the scenario with some of its faults, and with the checks these can satisfy.

        What it proves is less than the scenario; an artifact of it is no evidence for the scenario.
        """
        kept = {fault.id for fault in self.faults if fault.id in faults}
        return replace(
            self,
            faults=tuple(fault for fault in self.faults if fault.id in kept),
            checks=tuple(check for check in self.checks if not check.about or check.about in kept),
        )
