"""FI-003: approval tokens replayed by many at once, forged, and cut at their commit."""

import base64
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

import jwt
from msgspec import Struct

from enforcement_suite.driver import EnforcementDriver
from enforcement_suite.scenarios.tokens.spec import (
    CUTS,
    FORGERIES,
    TOKEN_RACERS,
    TOKEN_RACES,
)
from enforcement_suite.service import Tenant
from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.driver import Injectors
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.callers import Race, SendEach
from stressproof.faults.injectors.workers import KillWorker, Workers
from stressproof.faults.load import Load, Makers, Request
from stressproof.faults.proxy.faults import ProxyFault

_TOKENS = 90
_RESERVE = 16
_WRONG_KEY = "a key of the right length that signs nothing here at all"


class Token(Struct, frozen=True):
    """An approval token that was issued and not yet spent."""

    key: int
    text: str


class Tokens(EnforcementDriver):
    """A tenant with approved changes, and a second one whose tokens are not the first one's."""

    def prepare(self) -> None:
        """Have changes approved."""
        service = self.service
        self._tenant = service.tenant("fi003-tokens")
        self._stranger = service.tenant("fi003-stranger")
        for tenant in (self._tenant, self._stranger):
            service.call(tenant, "POST", "/policies", {"terraform_mode": "soft"})
        self._tokens = [self._approved(self._tenant) for _ in range(_TOKENS)]
        self._foreign = self._approved(self._stranger)
        service.warm_up((self._tenant, self._stranger))

    def _approved(self, tenant: Tenant) -> Token:
        key = self.service.key()
        request = self.service.gate(
            "prepare", tenant, environment="prod", monthly_usd="100", key=key, what="token"
        )
        made = self.service.call(
            tenant, "POST", "/gate/terraform", json.loads(request.body), role="member"
        )
        approved = self.service.call(
            tenant, "POST", f"/approvals/{made['approval_request_id']}/approve", {}
        )
        return Token(key, str(approved["approval_token"]))

    def requests(self) -> Makers:
        """Gates, reads, and tokens spent one after the other."""
        service = self.service
        return {
            "gate_soft": lambda: service.gate("gate_soft", self._tenant),
            "consume": self._spend_next,
            "read": lambda: service.read_policy(self._tenant),
            "live": service.liveness,
        }

    def _spend_next(self) -> Request:
        """Spend a token; those that faults need are left alone."""
        if len(self._tokens) <= _RESERVE:
            return self.service.read_policy(self._tenant)
        return self._spend("consume", self._tokens.pop())

    def _spend(self, kind: str, token: Token) -> Request:
        return self.service.consume(kind, self._tenant, token.text, token.key)

    def _take(self) -> Token:
        if not self._tokens:
            raise RunError("no approval token is left")
        return self._tokens.pop(0)

    def baseline_actions(self, load: Load) -> None:
        """Spend a few tokens once each."""
        load.burst(self._spendings())

    def race(self, fault: FaultSpec, load: Load) -> Injector:
        """Spend each of a few tokens many times at once."""
        batches = [self._replays(kind, self._take()) for kind in TOKEN_RACES]
        return Race(fault, load, batches)

    def tamper(self, fault: FaultSpec, load: Load) -> Injector:
        """Send every kind of forged token once."""
        return SendEach(fault, load, self._forgeries(self._take(), self._take()))

    def cut(self, fault: FaultSpec, load: Load) -> Injector:
        """Lose commits of spendings on their way to the database, or the answers to them."""
        send = partial(load.in_turn, self._spendings())
        return ProxyFault(fault, self.testbed.proxy, send=send)

    def kill_worker(self, fault: FaultSpec, _: Load) -> Injector:
        """Kill a worker of the service."""
        return KillWorker(fault, Workers(self.testbed.service.pid, self.testbed.workers), index=1)

    def _replays(self, kind: str, token: Token) -> Callable[[], Sequence[Request]]:
        return lambda: [self._spend(kind, token) for _ in range(TOKEN_RACERS)]

    def _spendings(self) -> list[Request]:
        return [self._spend("consume_cut", self._take()) for _ in range(CUTS)]

    def _forgeries(self, token: Token, other: Token) -> list[Request]:
        """Return requests with forged tokens, each a kind of its own.

        Raises:
            RunError: A forgery is what was issued.
        """
        claims = jwt.decode(token.text, options={"verify_signature": False})
        now = int(time.time())
        right, wrong = self.testbed.approval_secret, _WRONG_KEY
        forged = {
            "unsigned": jwt.encode(claims, "", algorithm="none"),
            "wrong_key": jwt.encode(claims, wrong, algorithm="HS256"),
            "wrong_algorithm": jwt.encode(claims, right, algorithm="HS512"),
            "truncated": token.text[:-7],
            "edited": _edited(token.text, max_monthly_delta_usd="999999.0000"),
            "swapped": _swapped(token.text, other.text),
            "expired": _signed(claims, right, exp=now - 5),
            "not_yet": _signed(claims, right, nbf=now + 600, iat=now + 600),
            "other_decision": _signed(
                claims, right, decision_id="00000000-0000-4000-8000-000000000000"
            ),
            "other_cap": _signed(claims, right, max_monthly_delta_usd="999999.0000"),
            "other_subject": _signed(claims, right, sub="enforcement_approval:0"),
            "foreign": self._foreign.text,
        }
        for name, text in forged.items():
            if text in {token.text, other.text}:
                raise RunError(f"the forgery {name!r} is a genuine token")
        return [
            self.service.consume(f"tamper_{name}", self._tenant, forged[name], 0)
            for name in FORGERIES
        ]

    injectors: ClassVar[Injectors] = {
        "replay_race": race,
        "tamper": tamper,
        "consumption_not_committed": cut,
        "consumption_answer_lost": cut,
        "worker_killed": kill_worker,
    }


def _signed(claims: dict[str, object], secret: str, **edits: object) -> str:
    return jwt.encode({**claims, **edits}, secret, algorithm="HS256")


def _edited(token: str, **edits: object) -> str:
    """Change the payload and keep the signature."""
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    changed = json.dumps({**claims, **edits}).encode()
    return ".".join([head, base64.urlsafe_b64encode(changed).rstrip(b"=").decode(), signature])


def _swapped(token: str, other: str) -> str:
    """Carry one token's claims under another's signature."""
    head, payload, _ = token.split(".")
    return ".".join([head, payload, other.split(".")[2]])
