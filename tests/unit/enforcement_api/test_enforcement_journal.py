# ruff: noqa: ARG002  # what stands in for the database takes what the database takes
import asyncio
import resource
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from enforcement.api import counters, metrics
from enforcement.api.counters import CounterFile, Slot
from enforcement.api.gate import Gate
from enforcement.api.journal import Journal, JournalError
from enforcement.api.paths import ROUTES
from enforcement.api.refusals import RefusalError
from enforcement.domain.enums import Outcome, Role, Source
from enforcement.domain.errors import ConflictError, NotFoundError
from enforcement.domain.failsafe import FailsafeEntry, fail_safe
from enforcement.domain.identity import Caller
from enforcement.domain.policy import DEFAULT_POLICY, Policy
from enforcement.domain.request import GateRequest, gate_request
from enforcement.logs import Log
from enforcement.store.errors import (
    ContendedError,
    DeadlineError,
    LockTimeoutError,
    OutcomeUnknownError,
    StoreError,
    UnavailableError,
)
from enforcement.store.gates import GateAnswer

pytestmark = pytest.mark.gate

NOW = datetime(2026, 2, 25, 12, tzinfo=UTC)
CALLER = Caller(tenant_id=UUID(int=1), principal_id=UUID(int=2), role=Role.MEMBER)
DOWN = UnavailableError("database_unavailable", "gone")


def asked() -> GateRequest:
    """Return a gate request."""
    return gate_request(
        source=Source.TERRAFORM,
        action="create",
        resource_reference="aws_instance.web",
        estimated_monthly_delta_usd="10",
    )


def entry() -> FailsafeEntry:
    """Return a fail-safe of its own."""
    return fail_safe(
        asked(),
        DEFAULT_POLICY,
        trigger="gate_timeout",
        details="",
        decision_id=uuid4(),
        tenant_id=CALLER.tenant_id,
        created_by=CALLER.principal_id,
        now=NOW,
    )


class Workshop:
    """Makes journals of several workers in one folder."""

    def __init__(self, folder: Path, file: CounterFile) -> None:
        self.folder = folder
        self.slots = [file.slot(number) for number in range(4)]

    def journal(self, number: int = 0, workers: int = 4) -> Journal:
        """Open the journal of a worker."""
        made = Journal(
            self.folder,
            slot_number=number,
            workers=workers,
            slot=self.slots[number],
            log=Log("test"),
        )
        made.open()
        return made


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A folder for journals, and counters for four workers."""
    layout = metrics.layout(ROUTES)
    counters.create(tmp_path / "counters", 4, layout)
    file = CounterFile(tmp_path / "counters", 4, layout)
    made = Workshop(tmp_path / "journal", file)
    yield made
    for slot in made.slots:
        slot.close()
    file.close()


class Book:
    """Takes entries as the database does: each once."""

    def __init__(self) -> None:
        self.entries: dict[UUID, FailsafeEntry] = {}
        self.error: Exception | None = None
        self.calls = 0

    async def record(self, written: FailsafeEntry) -> bool:
        """Write an entry, or fail as told."""
        self.calls += 1
        if self.error is not None:
            raise self.error
        new = written.decision.decision_id not in self.entries
        self.entries[written.decision.decision_id] = written
        return new


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until something is true; the ceiling is for hangs alone."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # what is waited for has no event to give
            await asyncio.sleep(0.01)


async def replayed(journal: Journal, book: Book) -> None:
    """Replay until nothing is pending."""
    task = asyncio.create_task(journal.replay(book.record))
    await until(lambda: journal.pending == 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_entries_outlive_the_worker_and_come_back_equal(workshop: Workshop) -> None:
    """What one worker wrote the next reads, field by field, and gives to the database once."""
    written = [entry() for _ in range(20)]

    async def first() -> None:
        journal = workshop.journal()
        await asyncio.gather(*(journal.append(item) for item in written))
        journal.close()

    asyncio.run(first())
    book = Book()

    async def second() -> None:
        journal = workshop.journal()
        assert journal.pending == 20
        await replayed(journal, book)
        journal.close()

    asyncio.run(second())
    assert list(book.entries.values()) == written
    assert (workshop.folder / "worker-0.jsonl").stat().st_size == 0


def test_a_database_that_stays_away_loses_nothing(workshop: Workshop) -> None:
    """While every write fails all entries stay, in memory and on disk; then they are written."""
    book = Book()
    book.error = DOWN

    async def outage() -> None:
        journal = workshop.journal()
        written = entry()
        await journal.append(written)
        task = asyncio.create_task(journal.replay(book.record))
        await until(lambda: book.calls >= 2)
        assert journal.pending == 1
        assert str(written.decision.decision_id) in (workshop.folder / "worker-0.jsonl").read_text()
        book.error = None
        await until(lambda: journal.pending == 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        journal.close()

    asyncio.run(outage())
    assert len(book.entries) == 1


def test_the_journals_of_workers_that_are_no_more_are_adopted(workshop: Workshop) -> None:
    """With fewer workers than before, each left file is taken over by exactly one of them."""

    async def write(number: int) -> None:
        journal = workshop.journal(number)
        await journal.append(entry())
        journal.close()

    for number in range(4):
        asyncio.run(write(number))
    first = workshop.journal(0, workers=2)
    second = workshop.journal(1, workers=2)
    assert (first.pending, second.pending) == (2, 2)
    names = {path.name for path in workshop.folder.iterdir()}
    assert names == {"worker-0.jsonl", "worker-1.jsonl"}
    first.close()
    second.close()
    again = workshop.journal(0, workers=2)
    assert again.pending == 2, "what was adopted is on disk"
    again.close()


def test_a_line_cut_by_a_crash_is_set_aside(workshop: Workshop) -> None:
    """Half a line at the end does not keep the whole ones from being read."""

    async def write() -> None:
        journal = workshop.journal()
        await journal.append(entry())
        journal.close()

    asyncio.run(write())
    path = workshop.folder / "worker-0.jsonl"
    with path.open("ab") as stream:
        stream.write(path.read_bytes()[:100])
    journal = workshop.journal()
    assert journal.pending == 1
    assert (workshop.folder / "set-aside.jsonl").stat().st_size == 101
    journal.close()


def test_what_the_database_will_never_take_is_set_aside(workshop: Workshop) -> None:
    """An entry of a tenant that is gone does not hold up the others for ever."""
    book = Book()
    book.error = NotFoundError("tenant_unknown", "no such tenant")

    async def run() -> None:
        journal = workshop.journal()
        await journal.append(entry())
        await replayed(journal, book)
        journal.close()

    asyncio.run(run())
    assert (workshop.folder / "set-aside.jsonl").stat().st_size > 0


class Court:
    """Decides as told."""

    def __init__(self, error: BaseException | None = None, *, hangs: bool = False) -> None:
        self.error = error
        self.hangs = hangs
        self.policy: Policy | None = DEFAULT_POLICY

    async def evaluate(
        self, caller: Caller, request: GateRequest, *, deadline_s: float, decision_id: UUID
    ) -> GateAnswer:
        """Hang, or raise."""
        if self.hangs:
            await asyncio.sleep(3600)
        assert self.error is not None
        raise self.error

    def known_policy(self, tenant_id: UUID) -> Policy | None:
        """Return the policy last read."""
        return self.policy


class Clerk:
    """Counts for the database, or says why not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    async def __call__(self, tenant_id: UUID, left_s: float) -> None:
        """Count, or raise."""
        assert (tenant_id, left_s > 0) == (CALLER.tenant_id, True)
        self.asked += 1
        if self.error is not None:
            raise self.error


def gate_of(court: Court, journal: Journal, slot: Slot, clerk: Clerk | None = None) -> Gate:
    """Return a gate before a court."""
    return Gate(
        court,
        clerk or Clerk(),
        journal,
        timeout_s=0.05,
        slot=slot,
        log=Log("test"),
        clock=lambda: NOW,
    )


TRIGGERS = (
    (DeadlineError("deadline_exceeded", ""), "gate_timeout"),
    (LockTimeoutError("lock_timeout", ""), "gate_lock_timeout"),
    (ContendedError("lock_contended", ""), "gate_lock_contended"),
    (DOWN, "gate_evaluation_error"),
    (OutcomeUnknownError("outcome_unknown", ""), "gate_evaluation_error"),
    (ValueError("a bug"), "gate_evaluation_error"),
)


@pytest.mark.parametrize(("error", "trigger"), TRIGGERS)
def test_whatever_goes_wrong_has_its_trigger(
    workshop: Workshop, error: Exception, trigger: str
) -> None:
    """Each failure becomes a fail-safe with its reason, journalled before it is answered."""

    async def run() -> None:
        journal = workshop.journal()
        gate = gate_of(Court(error), journal, workshop.slots[0])
        answer = await gate.decide(CALLER, asked(), known=True, counted=True, began_ns=0)
        assert answer.decision.failsafe
        assert answer.decision.reason_codes[0] == trigger
        assert answer.decision.outcome is Outcome.REQUIRE_APPROVAL
        text = (workshop.folder / "worker-0.jsonl").read_text()
        assert str(answer.decision.decision_id) in text
        journal.close()

    asyncio.run(run())


def test_an_evaluation_that_never_ends_is_left_behind(workshop: Workshop) -> None:
    """A database call that keeps no deadline does not keep the answer."""

    async def run() -> None:
        journal = workshop.journal()
        gate = gate_of(Court(hangs=True), journal, workshop.slots[0])
        async with asyncio.timeout(20):
            answer = await gate.decide(CALLER, asked(), known=True, counted=True, began_ns=0)
        assert answer.decision.reason_codes[0] == "gate_timeout"
        journal.close()

    asyncio.run(run())


def test_a_policy_never_loaded_is_a_hard_denial(workshop: Workshop) -> None:
    """Who was never known to this worker is denied."""

    async def run() -> None:
        journal = workshop.journal()
        court = Court(DOWN)
        court.policy = None
        answer = await gate_of(court, journal, workshop.slots[0]).decide(
            CALLER, asked(), known=True, counted=True, began_ns=0
        )
        assert answer.decision.outcome is Outcome.DENY
        assert answer.decision.reason_codes == ("gate_evaluation_error", "hard_mode_fail_closed")
        journal.close()

    asyncio.run(run())


def test_a_conflict_is_no_reason_for_a_fail_safe(workshop: Workshop) -> None:
    """What the domain refuses is refused, and nothing is journalled."""

    async def run() -> None:
        journal = workshop.journal()
        gate = gate_of(Court(ConflictError("idempotency_conflict", "")), journal, workshop.slots[0])
        with pytest.raises(ConflictError):
            await gate.decide(CALLER, asked(), known=True, counted=True, began_ns=0)
        assert journal.pending == 0
        journal.close()

    asyncio.run(run())


def test_what_a_worker_admitted_alone_the_database_counts_before_it_decides(
    workshop: Workshop,
) -> None:
    """No room there is a refusal; no database is a fail-safe; a counted one is not asked again."""
    full = RefusalError(429, "rate_limited", "no room")

    async def ask(clerk: Clerk, *, counted: bool) -> str:
        journal = workshop.journal()
        gate = gate_of(Court(ValueError("decided")), journal, workshop.slots[0], clerk)
        try:
            answer = await gate.decide(CALLER, asked(), known=True, counted=counted, began_ns=0)
            return answer.decision.reason_codes[0]
        except RefusalError as refusal:
            return refusal.code
        finally:
            journal.close()

    willing, refusing = Clerk(), Clerk(full)
    assert asyncio.run(ask(refusing, counted=False)) == "rate_limited"
    assert asyncio.run(ask(refusing, counted=True)) == "gate_evaluation_error"
    assert asyncio.run(ask(Clerk(LockTimeoutError("lock", "")), counted=False)) == (
        "gate_lock_timeout"
    )
    assert asyncio.run(ask(willing, counted=False)) == "gate_evaluation_error"
    assert (willing.asked, refusing.asked) == (1, 1)


def test_without_disk_there_is_no_answer(workshop: Workshop) -> None:
    """A fail-safe that cannot be journalled is a refusal of status 503, and nothing is pending."""

    async def run() -> None:
        journal = workshop.journal()
        gate = gate_of(Court(DOWN), journal, workshop.slots[0])
        journal.close()
        with pytest.raises(RefusalError) as caught:
            await gate.decide(CALLER, asked(), known=True, counted=True, began_ns=0)
        assert (caught.value.status, caught.value.code) == (503, "failsafe_not_journalled")
        assert journal.pending == 0

    asyncio.run(run())


def test_half_a_line_is_taken_back(workshop: Workshop) -> None:
    """When the disk takes a part of an entry only, the next entry still begins a line."""

    async def run() -> None:
        journal = workshop.journal()
        await journal.append(entry())
        path = workshop.folder / "worker-0.jsonl"
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
        try:
            with pytest.raises(JournalError):
                await journal.append(entry())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await journal.append(entry())
        journal.close()

    asyncio.run(run())
    again = workshop.journal()
    assert again.pending == 2
    assert not (workshop.folder / "set-aside.jsonl").exists()
    again.close()


def test_store_errors_are_all_covered() -> None:
    """Every kind of store error is either in the table above or a kind of one that is."""
    covered = tuple(type(error) for error, _ in TRIGGERS)
    left = {kind.__name__ for kind in StoreError.__subclasses__() if not issubclass(kind, covered)}
    assert left == {"ReadOnlyError", "EvaluationError", "SchemaError"}
