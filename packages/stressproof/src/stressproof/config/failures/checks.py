"""Checks of a failure: those it writes, expanded, and those that are made unasked."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from stressproof.config.failures.check_sense import demand_sense
from stressproof.config.failures.code_patterns import chosen, demand_code, ranged
from stressproof.config.failures.kind_tables import CheckTable
from stressproof.config.failures.parameters import parameter
from stressproof.config.failures.tables import FailureTable
from stressproof.config.mistakes import Mistakes
from stressproof.config.positions import Place
from stressproof.errors import UsageError
from stressproof.evidence.failure import Parameter
from stressproof.failures.check_kind import CheckKind
from stressproof.failures.checks import CHECKS, DISTURBED, RETRIED, check_spec
from stressproof.failures.spec import CheckSpec, FaultSpec, RequestSpec

EFFECTS: Final = ("every_key_read", "acknowledged_durable", "no_double_effect", "failed_absent")
"""Made in both trials wherever something asks for an effect."""

AFTER: Final = ("recovered", "healthy_after_recovery")
"""Made of every fault."""

UNASKED: Final = (*EFFECTS, *AFTER)
"""What `off` may leave out."""

MOST_CHECKS: Final = 1_800
"""Of those that a failure writes; a spec has room for those that are made unasked as well."""

_ALL_FAULTS = ("*",)
_NO_FAULT = ("",)


class ChecksReader:
    """Reads the checks of one failure.

    Args:
        table: The failure.
        place: Where it stands.
        requests: Its kinds of requests; none where they could not be read.
        injected: Its faults.
        timeout_us: Of a request.
        mistakes: Takes what is wrong.
    """

    def __init__(
        self,
        table: FailureTable,
        place: Place,
        requests: Sequence[RequestSpec],
        injected: Sequence[FaultSpec],
        timeout_us: int,
        mistakes: Mistakes,
    ) -> None:
        self._table = table
        self._place = place
        self._requests = requests
        self._timeout_us = timeout_us
        self._mistakes = mistakes
        self._injected = [fault.id for fault in injected]
        at_fault = (*place, "fault")
        wrong = {one.path[: len(at_fault) + 1] for one in mistakes.found}
        self._whole = {
            fault.id: fault for at, fault in enumerate(injected) if (*at_fault, at) not in wrong
        }

    def read(self) -> tuple[CheckSpec, ...]:
        """Return every check that is made, in order: of effects, the file's, after each fault."""
        written = list(islice(self._written(), MOST_CHECKS + 1))
        if len(written) > MOST_CHECKS:
            hint = "Look at several kinds of requests by one check: of, not each."
            place = (*self._place, "checks")
            self._mistakes.add(place, f"these are more than {MOST_CHECKS:,} checks", hint)
        own = {check.id for check in written}
        self._demand_off(own)
        unasked = [name for name in UNASKED if name not in own and name not in self._table.off]
        keyed = any(one.keyed for one in self._requests)
        return (
            *(check_spec(name, baseline=True) for name in EFFECTS if keyed and name in unasked),
            *written,
            *(
                check_spec(name, fault)
                for fault in self._injected
                for name in AFTER
                if name in unasked
            ),
        )

    def _written(self) -> Iterator[CheckSpec]:
        for at, table in enumerate(self._table.checks):
            place = (*self._place, "checks", at)
            kind = self._kind(place, table)
            if kind is not None:
                yield from self._expanded(place, table, kind)

    def _demand_off(self, own: set[str]) -> None:
        for name, reason in self._table.off.items():
            place = (*self._place, "off", name)
            if name not in UNASKED:
                self._mistakes.lead_nowhere(place, "check made unasked", name, UNASKED)
            elif name in own:
                self._mistakes.add(
                    place, f"{name} is off, and is asked for", "Leave one of them out."
                )
            elif not reason.strip():
                self._mistakes.add(
                    place, f"{name} is off without a reason", "Write why: it is shown."
                )

    def _kind(self, place: Place, table: CheckTable) -> CheckKind | None:
        """Return which check a table is, and take note of all that is none of its own."""
        given = _given(table)
        named = [key for key in given if key in CHECKS]
        if len(named) != 1:
            seen = " and ".join(named) or "none"
            hint = f"A check is named by one key: {', '.join(CHECKS)}."
            self._mistakes.add(place, f"expected one check, this names {seen}", hint)
            return None
        kind = CHECKS[named[0]]
        own = {one.name for one in kind.parameters} | {"of", "each", "during", "baseline"}
        for key in given:
            if key not in own and key != kind.name:
                known = ", ".join(sorted(own))
                self._mistakes.add((*place, key), f"{kind.name} has no {key}", f"It has {known}.")
        return kind

    def _expanded(self, place: Place, table: CheckTable, kind: CheckKind) -> Iterator[CheckSpec]:
        """Yield a check for each of its kinds of requests and each of its faults."""
        abouts = self._abouts(place, table, kind)
        for of in self._kinds(place, table):
            parameters = self._parameters(place, table, kind, of)
            if parameters is not None:
                for about in abouts:
                    baseline = kind.about == "effects" or bool(table.baseline)
                    check = check_spec(kind.name, about, parameters, baseline=baseline)
                    if not about or about in self._whole:
                        given = (check, self._whole.get(about), self._requests, self._timeout_us)
                        self._mistakes.attempt((*place, kind.name), demand_sense, *given)
                    yield check

    def _abouts(self, place: Place, table: CheckTable, kind: CheckKind) -> Sequence[str]:
        during = table.during
        if during is None:
            if kind.about == "fault":
                self._mistakes.add(
                    place, f"{kind.name} is about a fault", "Name it: during = [a fault's id]."
                )
            return _NO_FAULT
        if kind.about == "effects":
            self._mistakes.add(
                (*place, "during"),
                f"{kind.name} is about the whole trial: effects are read in the end",
                "Leave during out.",
            )
        elif table.baseline:
            self._mistakes.add(
                (*place, "baseline"),
                "a baseline has no faults, and this is made during one",
                "Leave one of them out.",
            )
        if during == _ALL_FAULTS:
            return self._injected
        for at, name in enumerate(during):
            if name not in self._injected and self._mistakes.knows(*self._place, "fault"):
                where = (*place, "during", at)
                self._mistakes.lead_nowhere(where, "fault", name, self._injected)
        return during

    def _kinds(self, place: Place, table: CheckTable) -> list[tuple[str, ...]]:
        """Return the patterns of each check: one over all of them, or one each."""
        if table.of is not None and table.each is not None:
            self._mistakes.add(
                (*place, "each"),
                "of is one check over all of these, and each is one a kind",
                "Leave one of them out.",
            )
        if table.each is None:
            self._demand_kinds((*place, "of"), table.of or ())
            return [table.of or ("*",)]
        found: list[tuple[str, ...]] = []
        for at, text in enumerate(table.each):
            where = (*place, "each", at)
            names = self._mistakes.attempt(where, ranged, text) or []
            for name in names:
                if not self._demand_kind(where, name):
                    break
            found += [(name,) for name in names]
        return found

    def _demand_kinds(self, place: Place, patterns: Sequence[str]) -> None:
        for at, pattern in enumerate(patterns):
            self._demand_kind((*place, at), pattern)

    def _demand_kind(self, place: Place, pattern: str) -> bool:
        if not self._requests:  # whatever is wrong with them is told
            return True
        return self._mistakes.attempt(place, chosen, pattern, self._requests) is not None

    def _parameters(
        self, place: Place, table: CheckTable, kind: CheckKind, of: tuple[str, ...]
    ) -> Mapping[str, Parameter] | None:
        """Return the parameters of one check, None where one cannot be meant."""
        given, before = _given(table), len(self._mistakes.found)
        found: dict[str, Parameter] = {"of": of}
        value = given[kind.name]
        if kind.value is None:
            if value is not True:
                self._mistakes.add(
                    (*place, kind.name),
                    f"{kind.name} is not true",
                    "A check that is not made is left out; one made unasked is off, with a reason.",
                )
            specs = {}
        else:
            specs = {kind.name: kind.value}
        for one in kind.parameters:
            if one.name in given:
                specs[one.name] = one
        for key, spec in specs.items():
            read = self._mistakes.attempt((*place, key), parameter, spec, given[key])
            if read is None:
                continue
            found[spec.key] = read
            if spec.type == "patterns":
                self._demand_codes((*place, key), given[key], kind, of)
        return found if len(self._mistakes.found) == before else None

    def _demand_codes(self, place: Place, given: Any, kind: CheckKind, of: tuple[str, ...]) -> None:
        if not self._requests:
            return
        more = (RETRIED, DISTURBED) if kind.sometimes else ()
        try:
            requests = [one for pattern in of for one in chosen(pattern, self._requests)]
        except UsageError:
            return  # told where it stands
        patterns = [given] if isinstance(given, str) else given
        for at, pattern in enumerate(patterns):
            where = place if isinstance(given, str) else (*place, at)
            self._mistakes.attempt(where, demand_code, pattern, requests, more)


def _given(table: CheckTable) -> dict[str, Any]:
    """Return what a table says, by the keys of the file."""
    return {
        field.encode_name: value
        for field in msgspec.structs.fields(table)
        if (value := getattr(table, field.name)) is not None
    }
