"""The profile of a failure as what is asked: kinds of requests, and what is really sent."""

from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct

from stressproof.config.failures.answer_rules import answer_rule
from stressproof.config.failures.testbed_plan import ADDRESS, SECRET
from stressproof.config.plan_file import PlanFile
from stressproof.config.plan_tables import PartTable, RequestTable
from stressproof.config.plans import PlanReader, checks_of, statuses_of
from stressproof.errors import UsageError
from stressproof.failures.sendings import batches_of, stream_per_s
from stressproof.failures.spec import FaultSpec, RequestSpec, Send
from stressproof.workload.auth import BasicAuth, BearerAuth, authorization
from stressproof.workload.requests import DEFAULT_STATUSES, Request
from stressproof.workload.scenarios import Steps
from stressproof.workload.templates import EFFECT, NEW, RUN, placeholders

WORDS = frozenset({*NEW, RUN})
"""What texts of requests may hold beside columns."""


class Known(Struct, frozen=True):
    """What placeholders of a failure may stand for.

    Attributes:
        tables: Of ``[data]``.
        secrets: Of the testbed.
        parts: Of the testbed that have addresses.
        prepares: Whether more tables are made before the load, by names that nobody knows.
    """

    tables: Collection[str]
    secrets: Collection[str]
    parts: Collection[str]
    prepares: bool

    def problem(self, names: Iterable[str]) -> UsageError | None:
        """Return why some placeholders cannot be filled, None where they can."""
        for one in sorted(names):
            name, dot, column = one.partition(".")
            if not dot:
                if one not in WORDS:
                    known = ", ".join(f"{{{{{word}}}}}" for word in sorted(WORDS))
                    return UsageError(f"{{{{{one}}}}} means nothing here", hint=f"Use {known}.")
            elif name == SECRET:
                if column not in self.secrets:
                    return UsageError(
                        f"there is no secret {column!r}", hint="Name it in testbed.secrets."
                    )
            elif name in self.parts:
                if column not in ADDRESS:
                    asked = " and ".join(f"{{{{{name}.{word}}}}}" for word in sorted(ADDRESS))
                    return UsageError(f"{{{{{one}}}}} means nothing", hint=f"There are {asked}.")
            elif name not in self.tables and not self.prepares:
                return UsageError(
                    f"{{{{{one}}}}} is of no table",
                    hint="Name a table of [data], or make its rows: prepare = …",
                )
        return None


class Asked(Struct, frozen=True):
    """One request of a profile.

    Attributes:
        at: Its position in the profile.
        table: As it is written, with the answers of its profile where it says nothing of them.
        request: As it is sent, with what the target adds.
        keyed: Whether it asks for an effect.
    """

    at: int
    table: RequestTable
    request: Request
    keyed: bool

    @property
    def effect(self) -> str:
        """The text of the effect that it asks for, as a template; empty for none."""
        return self.table.effect or (f"{{{{{EFFECT}}}}}" if self.keyed else "")

    @property
    def tables(self) -> set[str]:
        """The tables that it takes rows from."""
        names = self.request.placeholders | placeholders(self.table.effect)
        return {table for name in names for table, dot, _ in [name.partition(".")] if dot}

    @property
    def files(self) -> list[str]:
        """The files that it carries."""
        parts = (self.table.multipart or {}).values()
        found = [part.file for part in parts if isinstance(part, PartTable)]
        return found if self.table.body_file is None else [*found, self.table.body_file]

    def spec(self, kind: str) -> RequestSpec:
        """Return it as a kind of requests of a scenario."""
        request, expected = self.request, self.request.expected_statuses
        sent = [request.method, request.path, request.checks, request.timeout_us]
        return RequestSpec(
            kind,
            weight=request.weight if kind == request.name else 0,
            keyed=self.keyed,
            expect=() if expected == DEFAULT_STATUSES else expected,
            definite=self.table.definite,
            answers=tuple(map(answer_rule, self.table.answers)),
            definition_sha256=sha256(
                msgspec.json.encode([*sent, self.table.effect, request.definition_sha256])
            ).hexdigest(),
        )


def asked_of(file: PlanFile, name: str, environment: Mapping[str, str] | None) -> dict[str, Asked]:
    """Return the requests of a profile by their names.

    Raises:
        UsageError: Something cannot be meant. Without an environment there are none then: whatever
            is wrong with the profile is told where it stands.
    """
    load = file.profiles[name]
    reader = PlanReader(file, environment)
    found: dict[str, Asked] = {}
    try:
        steps = Steps(reader.texts(load.headers), statuses_of(load.expect), checks_of(load.check))
        more = _headers_of_target(file, reader, environment)
        requests = [reader.request(table, load, steps) for table in load.request]
        for rule in [*load.answers, *(rule for table in load.request for rule in table.answers)]:
            answer_rule(rule)
    except UsageError:
        if environment is not None:
            raise
        return {}
    for at, (table, request) in enumerate(zip(load.request, requests, strict=True)):
        known = {key.lower() for key in request.headers}
        headers = {key: text for key, text in more.items() if key.lower() not in known}
        whole = msgspec.structs.replace(request, headers={**headers, **request.headers})
        keyed = bool(table.effect) or EFFECT in whole.placeholders
        answered = msgspec.structs.replace(table, answers=table.answers or load.answers)
        found.setdefault(request.name, Asked(at, answered, whole, keyed))
    return found


def _headers_of_target(
    file: PlanFile, reader: PlanReader, environment: Mapping[str, str] | None
) -> dict[str, str]:
    """Return what every request of the target carries."""
    target = file.target_of("")
    headers = reader.texts(target.headers)
    auth = None if environment is None else reader.auth(target.auth)
    if isinstance(auth, BasicAuth | BearerAuth):
        headers = {"Authorization": authorization(auth), **headers}
    return headers


def kinds_of(
    asked: Mapping[str, Asked], injected: Iterable[FaultSpec]
) -> dict[str, tuple[RequestSpec, Asked]]:
    """Return the kinds of requests of a scenario, the load's first, each with what is sent.

    Raises:
        UsageError: Two of them could not be told apart.
    """
    scheduled = [name for name, one in asked.items() if one.request.weight]
    found = {name: (asked[name].spec(name), asked[name]) for name in scheduled}
    senders: dict[str, FaultSpec] = {}
    for fault in injected:
        for batch in batches_of(fault, scheduled):
            for kind, send in batch:
                _demand_one(kind, senders.setdefault(kind, fault), fault)
                one = asked.get(send.request)
                if one is None:
                    continue
                if kind != send.request and kind in asked:
                    raise UsageError(
                        f"{fault.id} sends batches of {send.request}, of which one is called as "
                        f"the request {kind}",
                        hint="Give that request another name.",
                    )
                spec = found[kind][0] if kind in found else one.spec(kind)
                found[kind] = _with_sending(spec, fault, send), one
    for spec, _ in found.values():
        alike = [kind for kind in found if spec.rows_of and kind.startswith(f"{spec.kind}_")]
        if alike:
            raise UsageError(
                f"{spec.rows_of} sends rows as {spec.kind}_…, and {alike[0]} is another request",
                hint="Give that request another name.",
            )
    if not any(found[name][0].keyed for name in scheduled):
        _ask_in_baseline(found)
    return found


def _ask_in_baseline(found: dict[str, tuple[RequestSpec, Asked]]) -> None:
    """Have a baseline ask for one effect where only faults do: without any it proves nothing."""
    for kind, (spec, one) in found.items():
        if spec.keyed and spec.sent[1]:
            found[kind] = msgspec.structs.replace(spec, sent=(1, spec.sent[1])), one
            return


def _demand_one(kind: str, first: FaultSpec, fault: FaultSpec) -> None:
    """Refuse a kind that two faults send, where the first or the other sends it uncounted.

    Raises:
        UsageError: Nobody could tell which of them sent what.
    """
    if first is not fault and any(stream_per_s(one) or _rows(one) for one in (first, fault)):
        raise UsageError(
            f"{kind} is sent by {first.id} and by {fault.id}",
            hint="Write a request for each of them.",
        )


def _rows(fault: FaultSpec) -> bool:
    return "table" in fault.parameters


def _with_sending(spec: RequestSpec, fault: FaultSpec, send: Send) -> RequestSpec:
    """Return a kind of requests that a fault sends too, as often as can be said beforehand."""
    if stream_per_s(fault):
        return spec
    if _rows(fault):
        return msgspec.structs.replace(spec, rows_of=fault.id)
    more = 1 if spec.keyed and send.same else send.times
    return msgspec.structs.replace(spec, sent=(0, spec.sent[1] + more))
