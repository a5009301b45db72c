"""A gate's answer: the decision of the database, or in time the fail-safe.

::

    0 ............ 0.95 x gate timeout ........ gate timeout + 0.25 s
    | evaluate, hard deadline | journal, answer |

Whatever the database does, an answer leaves within the gate timeout and a quarter of a second.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, NoReturn, Protocol
from uuid import UUID, uuid4

from enforcement.api import metrics
from enforcement.api.counters import Slot
from enforcement.api.journal import Journal, JournalError
from enforcement.api.problems import RETRY_AFTER_S
from enforcement.api.refusals import RefusalError
from enforcement.domain import reasons
from enforcement.domain.decision import Decision
from enforcement.domain.errors import EnforcementError
from enforcement.domain.failsafe import fail_safe
from enforcement.domain.identity import Caller
from enforcement.domain.policy import Policy
from enforcement.domain.request import GateRequest
from enforcement.logs import Log, place_of
from enforcement.store.errors import StoreError, failsafe_reason
from enforcement.store.gates import GateAnswer

# The store keeps its own deadline; this is for the day it does not.
GUARD_S: Final = 0.05
# Requests that waited together give up together, and answering a crowd takes time too.
EVALUATION_SHARE: Final = 0.95
LEAST_S: Final = 0.02
_NS: Final = 1_000_000_000
_NS_PER_US: Final = 1000


class Judge(Protocol):
    """Decides with the database."""

    async def evaluate(
        self, caller: Caller, request: GateRequest, *, deadline_s: float, decision_id: UUID
    ) -> GateAnswer:
        """Return what was committed; raises as ``enforcement.store.gates.evaluate``."""
        ...

    def known_policy(self, tenant_id: UUID) -> Policy | None:
        """Return the policy last read, without I/O."""
        ...


class Gate:
    """Answers gate requests.

    Args:
        judge: The database.
        confirm: Has the database count a request of a tenant that was admitted without it, in so
            many seconds at most.
        journal: Of this worker.
        timeout_s: The gate timeout.
        slot: Counters.
        log: Of this worker.
        clock: Wall clock, for fail-safes.
    """

    def __init__(
        self,
        judge: Judge,
        confirm: Callable[[UUID, float], Awaitable[None]],
        journal: Journal,
        *,
        timeout_s: float,
        slot: Slot,
        log: Log,
        clock: Callable[[], datetime],
    ) -> None:
        self._judge = judge
        self._confirm = confirm
        self._journal = journal
        self._timeout_s = timeout_s
        self._slot = slot
        self._log = log
        self._clock = clock
        self._overdue: set[asyncio.Task[GateAnswer]] = set()

    async def decide(
        self, caller: Caller, request: GateRequest, *, known: bool, counted: bool, began_ns: int
    ) -> GateAnswer:
        """Decide a request.

        Args:
            caller: Who asks.
            request: Normalised.
            known: Whether the caller was looked up; a token alone decides nothing.
            counted: Whether the limits in the database know of this request.
            began_ns: When the request arrived, on the monotonic clock.

        Raises:
            EnforcementError: The domain refuses (an idempotency conflict, an unknown tenant).
            RefusalError: 503 ``failsafe_not_journalled``: there is neither database nor disk; or
                429, where the database says so late.
        """
        if not known:
            return await self._fail_safe(
                caller,
                request,
                reasons.GATE_EVALUATION_ERROR,
                "the principal cannot be looked up now",
                began_ns,
                None,
            )
        # Known before it is asked for: what is answered instead can then name it.
        decision_id = uuid4()
        left_s = EVALUATION_SHARE * self._timeout_s - (time.monotonic_ns() - began_ns) / _NS
        judging = self._evaluate if counted else self._confirm_and_evaluate
        task = asyncio.ensure_future(judging(caller, request, max(LEAST_S, left_s), decision_id))
        await asyncio.wait({task}, timeout=max(LEAST_S, left_s) + GUARD_S)
        if not task.done():
            self._leave_behind(task)
            return await self._fail_safe(
                caller, request, reasons.GATE_TIMEOUT, "no answer in time", began_ns, decision_id
            )
        error = task.exception()
        if error is None:
            answer = task.result()
            self._count(answer.decision, "normal", began_ns)
            if answer.replayed:
                self._slot.add(metrics.REPLAYS)
            return answer
        if isinstance(error, RefusalError):
            raise error
        if isinstance(error, EnforcementError) and not isinstance(error, StoreError):
            raise error
        trigger, details = self._trigger(error)
        return await self._fail_safe(caller, request, trigger, details, began_ns, decision_id)

    async def _evaluate(
        self, caller: Caller, request: GateRequest, left_s: float, decision_id: UUID
    ) -> GateAnswer:
        return await self._judge.evaluate(
            caller, request, deadline_s=left_s, decision_id=decision_id
        )

    async def _confirm_and_evaluate(
        self, caller: Caller, request: GateRequest, left_s: float, decision_id: UUID
    ) -> GateAnswer:
        """Decide in the database only what its limits have room for."""
        began_ns = time.monotonic_ns()
        await self._confirm(caller.tenant_id, left_s)
        left_s -= (time.monotonic_ns() - began_ns) / _NS
        return await self._evaluate(caller, request, max(LEAST_S, left_s), decision_id)

    def _trigger(self, error: BaseException) -> tuple[str, str]:
        """Return the reason code of a failure and one line for operators."""
        if isinstance(error, StoreError):
            self._slot.add(metrics.DB_ERRORS)
            return failsafe_reason(error), error.detail
        if not isinstance(error, Exception):
            _reraise(error)
        self._log.error("gate_bug", error=type(error).__name__, place=place_of(error))
        return reasons.GATE_EVALUATION_ERROR, f"internal error: {type(error).__name__}"

    async def _fail_safe(
        self,
        caller: Caller,
        request: GateRequest,
        trigger: str,
        details: str,
        began_ns: int,
        instead_of: UUID | None,
    ) -> GateAnswer:
        entry = fail_safe(
            request,
            self._judge.known_policy(caller.tenant_id),
            trigger=trigger,
            details=details,
            decision_id=uuid4(),
            tenant_id=caller.tenant_id,
            created_by=caller.principal_id,
            now=self._clock(),
            instead_of=instead_of,
        )
        self._slot.add(metrics.GATE_FAILURES, (trigger,))
        try:
            await self._journal.append(entry)
        except JournalError as error:
            self._log.error("failsafe_not_journalled", detail=str(error))
            raise RefusalError(
                503,
                "failsafe_not_journalled",
                "the database does not answer, and the fail-safe could not be recorded",
                hint="Treat this as a refusal.",
                headers={"retry-after": str(RETRY_AFTER_S)},
            ) from error
        self._log.warning(
            "gate_failsafe",
            trigger=trigger,
            detail=details,
            outcome=entry.decision.outcome.value,
            decision_id=str(entry.decision.decision_id),
            tenant_id=str(caller.tenant_id),
        )
        self._count(entry.decision, "failsafe", began_ns)
        return GateAnswer(decision=entry.decision, replayed=False)

    def _leave_behind(self, task: asyncio.Task[GateAnswer]) -> None:
        """Let a late evaluation end by itself; cancelled, it would wait for the server."""
        self._overdue.add(task)

        def finished(done: asyncio.Task[GateAnswer]) -> None:
            self._overdue.discard(done)
            if not done.cancelled():
                done.exception()

        task.add_done_callback(finished)

    def _count(self, decision: Decision, path: str, began_ns: int) -> None:
        metrics.count_decision(
            self._slot,
            decision=decision.outcome.value,
            mode=decision.mode.value,
            path=path,
            codes=decision.reason_codes,
            duration_us=(time.monotonic_ns() - began_ns) // _NS_PER_US,
        )


def _reraise(error: BaseException) -> NoReturn:
    raise error
