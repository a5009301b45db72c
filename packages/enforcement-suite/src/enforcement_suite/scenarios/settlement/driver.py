"""FI-004: reservations settled at once under one key, under many, swept and denied meanwhile."""

import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from msgspec import Struct

from enforcement_suite.driver import EnforcementDriver
from enforcement_suite.scenarios.faults import SESSIONS
from enforcement_suite.scenarios.settlement.spec import (
    CUTS,
    DIFFERENT_KEYS_RACE,
    SAME_KEY_RACES,
    SETTLEMENT_RACERS,
)
from enforcement_suite.service import PREFIX, Enforcement, Tenant, read_status
from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.driver import Injectors
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.callers import Batch, Race
from stressproof.faults.injectors.database import TerminateSessions
from stressproof.faults.load import Load, Makers, Request
from stressproof.faults.proxy.faults import ProxyFault

_RESERVED = 60
_APPROVABLE = 4
_OVERDUE_S = 60


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


class Settlement(EnforcementDriver):
    """One tenant whose changes are paid by credits, and settled while others settle them too."""

    _aging: Aging | None = None

    def prepare_early(self) -> None:
        """Let reservations grow old while other scenarios run; they are no effects of the trial."""
        self._aging = make_overdue(Enforcement(self.testbed, f"{self.run}e"))

    def prepare(self) -> None:
        """Make reservations to settle; those to sweep were made long before, or will be."""
        self._tenant = _paying_tenant(self.service, "fi004-settle")
        self._ready: list[tuple[int, str]] = []
        for _ in range(_RESERVED):
            key = self.service.key()
            made = _reserve(self.service, self._tenant, key, "nonprod")
            self._ready.append((key, str(made["decision_id"])))
        self.service.warm_up((self._tenant,))

    def requests(self) -> Makers:
        """Gates, reads, and settlements of one reservation after the other."""
        service = self.service
        return {
            "gate_soft": lambda: service.gate("gate_soft", self._tenant, project="free"),
            "settle": self._settle_next,
            "read": lambda: service.read_policy(self._tenant),
            "live": service.liveness,
        }

    def _settle_next(self) -> Request:
        """Settle a reservation nobody races for; where none is left, a plain read."""
        if len(self._ready) <= SETTLEMENT_RACERS:
            return self.service.read_policy(self._tenant)
        key, decision = self._ready.pop()
        return self.service.settle("settle", self._tenant, decision, key)

    def baseline_actions(self, load: Load) -> None:
        """Settle a few reservations once each."""
        load.burst(self._next_settlements())

    def race_same_key(self, fault: FaultSpec, load: Load) -> Injector:
        """Settle reservations many times at once, each under one key."""
        batches: list[Batch] = [partial(self._same_key, kind) for kind in SAME_KEY_RACES]
        return Race(fault, load, batches)

    def race_different_keys(self, fault: FaultSpec, load: Load) -> Injector:
        """Settle a reservation many times at once, each time under another key."""
        return Race(fault, load, [self._different_keys])

    def race_sweep(self, fault: FaultSpec, load: Load) -> Injector:
        """Settle, deny and sweep the same reservations at once."""
        aging = self._aging or make_overdue(self.service)
        left = aging.made_at + _OVERDUE_S + 1 - time.monotonic()
        if left > 0:
            time.sleep(left)
        return Race(fault, load, [partial(self._sweep, aging)])

    def cut(self, fault: FaultSpec, load: Load) -> Injector:
        """Lose the answers to commits of settlements."""
        send = partial(load.in_turn, self._next_settlements())
        return ProxyFault(fault, self.testbed.proxy, send=send)

    def terminate(self, fault: FaultSpec, _: Load) -> Injector:
        """End the service's sessions, again and again."""
        return TerminateSessions(fault, self.testbed.dsn, SESSIONS)

    def _take(self) -> tuple[int, str]:
        if not self._ready:
            raise RunError("no reservation is left to race for")
        return self._ready.pop(0)

    def _next_settlements(self) -> list[Request]:
        taken = [self._take() for _ in range(CUTS)]
        return [
            self.service.settle("settle_cut", self._tenant, decision, key)
            for key, decision in taken
        ]

    def _same_key(self, kind: str) -> Sequence[Request]:
        key, decision = self._take()
        return [
            self.service.settle(kind, self._tenant, decision, key) for _ in range(SETTLEMENT_RACERS)
        ]

    def _different_keys(self) -> Sequence[Request]:
        key, decision = self._take()
        return [
            self.service.settle(DIFFERENT_KEYS_RACE, self._tenant, decision, key, name=f"n{number}")
            for number in range(SETTLEMENT_RACERS)
        ]

    def _sweep(self, aging: Aging) -> Sequence[Request]:
        """Settle, deny and sweep the same reservations; what became of them the database says."""
        requests: list[Request] = []
        headers = aging.tenant.headers("owner")
        for decision, approval in aging.reservations:
            requests += [
                self.service.settle("sweep_settle", aging.tenant, decision, 0, name=f"s{number}")
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

    injectors: ClassVar[Injectors] = {
        "same_key_race": race_same_key,
        "different_keys_race": race_different_keys,
        "sweep_race": race_sweep,
        "settlement_answer_lost": cut,
        "backends_terminated": terminate,
    }


def _plain(kind: str, path: str, headers: dict[str, str], body: object) -> Request:
    return Request(kind, "POST", PREFIX + path, headers, json.dumps(body).encode(), 0, read_status)
