"""FI-004: reservations settled at once under one key, under many, swept and denied meanwhile."""

import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from enforcement_suite.scenarios.settlement.spec import (
    DIFFERENT_KEYS_RACE,
    FI_004,
    SAME_KEY_RACES,
    SETTLEMENT_RACERS,
)
from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.enforcement import PREFIX, Enforcement, Tenant, read_status
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.client import Batch, Race
from stressproof.faults.injectors.database import TerminateBackends
from stressproof.faults.load import Load, Makers, Request
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.proxy.toxics import CutAfterCommit
from stressproof.faults.scenarios.fail_safe import SERVICE_SESSIONS
from stressproof.faults.testbed import Testbed

_RESERVED = 60
_APPROVABLE = 4
_OVERDUE_S = 60
KEPT = "overdue reservations"


class Aging(Struct, frozen=True):
    """Reservations that must grow old before they can be swept.

    Attributes:
        tenant: Whose.
        reservations: Decision and approval of each, so that it can be denied too.
        made_at: When the last of them was made, monotonic seconds.
    """

    tenant: Tenant
    reservations: list[tuple[str, str]]
    made_at: float


def make_overdue(service: Enforcement) -> Aging:
    """Make reservations that a sweep will find a minute from now."""
    tenant = _paying_tenant(service, "fi004-sweep")
    reservations = []
    for _ in range(_APPROVABLE):
        made = _reserve(service, tenant, service.key(), "prod")
        reservations.append((str(made["decision_id"]), str(made["approval_request_id"])))
    return Aging(tenant, reservations, time.monotonic())


def prepare_early(stage: Testbed, run: str) -> None:
    """Let reservations grow old while other scenarios run."""
    service = Enforcement(stage, run)
    try:
        stage.kept[KEPT] = make_overdue(service)
    finally:
        service.close()


def _paying_tenant(service: Enforcement, name: str) -> Tenant:
    """Return a tenant with a budget of next to nothing and plenty of credit."""
    tenant = service.tenant(name)
    service.call(
        tenant,
        "POST",
        "/policies",
        {
            "terraform_mode": "soft",
            "auto_approve_below_monthly_usd": "0",
            "enforce_prod_requester_reviewer_separation": False,
        },
    )
    service.call(tenant, "POST", "/budgets", {"scope_key": "paid", "monthly_limit_usd": "1"})
    for scope, amount in (("paid", "1000"), ("default", "1000000")):
        service.call(
            tenant,
            "POST",
            "/credits",
            {"pool_type": "reserved", "total_amount_usd": amount, "scope_key": scope},
        )
    return tenant


def _reserve(service: Enforcement, tenant: Tenant, key: int, environment: str) -> Any:
    """Return a gate's decision that holds a reservation.

    Raises:
        RunError: It holds none.
    """
    request = service.gate(
        "prepare", tenant, project="paid", environment=environment, key=key, what="settlement"
    )
    made = service.call(tenant, "POST", "/gate/terraform", json.loads(request.body), role="member")
    if not made["reservation_active"]:
        raise RunError(f"a change that should be reserved is not: {made['reason_codes']}")
    return made


class Settlement:
    """One tenant whose changes are paid by credits, and settled while others settle them too."""

    spec = FI_004

    def __init__(self) -> None:
        self._service: Enforcement
        self._tenant: Tenant
        self._aging: Aging
        self._ready: list[tuple[int, str]] = []

    def prepare(self, service: Enforcement) -> None:
        """Make reservations to settle; those to sweep were made long before, or will be."""
        self._service = service
        self._tenant = _paying_tenant(service, "fi004-settle")
        for _ in range(_RESERVED):
            key = service.key()
            made = _reserve(service, self._tenant, key, "nonprod")
            self._ready.append((key, str(made["decision_id"])))
        service.warm_up((self._tenant,))

    def requests(self) -> Makers:
        """Gates, reads, and settlements of one reservation after the other."""
        service = self._service
        return {
            "gate_soft": lambda: service.gate("gate_soft", self._tenant, project="free"),
            "settle": self._settle_next,
            "read": lambda: service.read_policy(self._tenant),
            "live": service.liveness,
        }

    def _settle_next(self) -> Request:
        """Settle a reservation nobody races for; where none is left, a plain read."""
        if len(self._ready) <= SETTLEMENT_RACERS:
            return self._service.read_policy(self._tenant)
        key, decision = self._ready.pop()
        return self._service.settle("settle", self._tenant, decision, key)

    def injector(self, fault: FaultSpec, stage: Testbed, load: Load) -> Injector:
        """Return the injector of one fault."""
        match fault.id:
            case "same_key_race":
                same: list[Batch] = [partial(self._same_key, kind) for kind in SAME_KEY_RACES]
                return Race(load, "reservations, one key each", same, needs=SETTLEMENT_RACERS // 2)
            case "different_keys_race":
                return Race(
                    load, "a reservation", [self._different_keys], needs=SETTLEMENT_RACERS // 2
                )
            case "sweep_race":
                self._aging = stage.kept.pop(KEPT, None) or make_overdue(self._service)
                self._wait_overdue()
                return Race(
                    load, "overdue reservations", [self._sweep], needs=SETTLEMENT_RACERS // 2
                )
            case "settlement_answer_lost":
                return CutSettlements(stage, load, self._next_settlements(3))
            case "backends_terminated":
                return TerminateBackends(stage.dsn, SERVICE_SESSIONS)
            case other:
                raise RunError(f"FI-004 has no fault {other!r}")

    def _take(self) -> tuple[int, str]:
        if not self._ready:
            raise RunError("no reservation is left to race for")
        return self._ready.pop(0)

    def _next_settlements(self, count: int) -> list[Request]:
        taken = [self._take() for _ in range(count)]
        return [
            self._service.settle("settle_cut", self._tenant, decision, key)
            for key, decision in taken
        ]

    def _same_key(self, kind: str) -> Sequence[Request]:
        key, decision = self._take()
        return [
            self._service.settle(kind, self._tenant, decision, key)
            for _ in range(SETTLEMENT_RACERS)
        ]

    def _different_keys(self) -> Sequence[Request]:
        key, decision = self._take()
        return [
            self._service.settle(
                DIFFERENT_KEYS_RACE, self._tenant, decision, key, name=f"n{number}"
            )
            for number in range(SETTLEMENT_RACERS)
        ]

    def _wait_overdue(self) -> None:
        """Let the reservations made first grow old enough to be swept."""
        left = self._aging.made_at + _OVERDUE_S + 1 - time.monotonic()
        if left > 0:
            time.sleep(left)

    def _sweep(self) -> Sequence[Request]:
        """Settle, deny and sweep the same reservations; what became of them the database says."""
        requests: list[Request] = []
        headers = self._aging.tenant.headers("owner")
        for decision, approval in self._aging.reservations:
            requests += [
                self._service.settle(
                    "sweep_settle", self._aging.tenant, decision, 0, name=f"s{number}"
                )
                for number in range(3)
            ]
            requests += [
                _plain("sweep_deny", f"/approvals/{approval}/deny", headers, {}) for _ in range(2)
            ]
        sweep = {"older_than_seconds": _OVERDUE_S}
        requests += [
            _plain("sweep", "/reservations/reconcile-overdue", headers, sweep) for _ in range(4)
        ]
        return requests

    def is_finished(self, fault: FaultSpec, injector: Injector) -> bool:
        """Return whether a fault has done what it can; races are over once they are done."""
        if isinstance(injector, CutSettlements):
            return injector.spent()
        return fault.kind == "race"

    def baseline_actions(self, load: Load) -> None:
        """Settle a few reservations once each."""
        load.burst(self._next_settlements(3))


class CutSettlements(ProxyFault):
    """Settlements whose commits are made and never heard of.

    Args:
        stage: Whose proxy cuts.
        load: That sends them.
        requests: The settlements.
    """

    def __init__(self, stage: Testbed, load: Load, requests: Sequence[Request]) -> None:
        super().__init__(
            stage.proxy,
            CutAfterCommit(count=len(requests), statement_contains="enforcement.reconciliations ("),
        )
        self._load = load
        self._requests = requests

    def apply(self) -> int:
        """Arm the cut, then settle."""
        effective = super().apply()
        for request in self._requests:
            self._load.burst([request])
        return effective


def _plain(kind: str, path: str, headers: dict[str, str], body: object) -> Request:
    return Request(kind, "POST", PREFIX + path, headers, json.dumps(body).encode(), 0, read_status)
