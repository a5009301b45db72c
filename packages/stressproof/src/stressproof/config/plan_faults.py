"""What cannot be meant of the loads of a file: every fault, with its place."""

from collections.abc import Iterator
from typing import Any

import msgspec

from stressproof.config.environment import names_in, texts_in
from stressproof.config.plan_tables import ProfileTable as Load
from stressproof.config.plan_tables import RequestTable, ScenarioTable
from stressproof.config.plans import PlanFile, PlanReader, demand_target, inherited
from stressproof.config.positions import Place
from stressproof.config.reading import Fault
from stressproof.errors import UsageError
from stressproof.evidence.project_files import project_file
from stressproof.workload.scenarios import Steps
from stressproof.workload.target import origin_of

_FROM_OUTSIDE = frozenset({"headers", "query", "json", "form", "multipart", "body"})
"""Keys of requests whose texts may take something from the environment."""


def plan_faults(file: PlanFile) -> Iterator[Fault]:
    """Yield every fault of targets, tables and profiles."""
    reader = PlanReader(file, None)
    targets = {("targets", name): table for name, table in file.targets.items()}
    if file.target is not None:
        targets[("target",)] = file.target  # type: ignore[index]  # places of both lengths
    for place, target in targets.items():
        yield from _attempt(place, demand_target, reader, target)
        if target.url is not None and not names_in(target.url):
            yield from _attempt((*place, "url"), origin_of, target.url)
    for name, table in file.data.items():
        yield from _attempt(("data", name, "file"), project_file, file.folder, table.file)
    for name, load in file.profiles.items():
        place = ("profile", name)
        found = [
            *_outside(load, place),
            *(
                fault
                for where, table in _scenarios(load, place)
                for fault in (
                    *_scenario(reader, table, where),
                    *_flow_files(file, table, where),
                )
            ),
        ]
        yield from found or _attempt(place, reader.scenarios, load)


def _scenarios(load: Load, place: Place) -> Iterator[tuple[Place, ScenarioTable]]:
    if not load.scenario:
        yield place, load
    for name, own in load.scenario.items():
        yield (*place, "scenario", name), inherited(load, own)


def _scenario(reader: PlanReader, table: ScenarioTable, place: Place) -> Iterator[Fault]:
    for number, request in enumerate(table.request):
        where = (*place, "request", number)
        wrong = list(_attempt(where, reader.request, request, table, Steps()))
        yield from wrong
        if request.answers or request.definite:
            yield from _answers(request, where, known=not wrong)
    bare = msgspec.structs.replace(table, request=table.request[:0], flow=table.flow[:1])
    if table.flow:
        yield from _attempt(place, reader.scenario, "default", bare)


def _answers(request: RequestTable, place: Place, *, known: bool) -> Iterator[Fault]:
    """Yield what cannot be meant of what a request says of its answers, for failures."""
    from stressproof.config.failures.answer_rules import (  # noqa: PLC0415  # few requests say any of it
        answer_rule,
        demand_definite,
    )

    if known:
        yield from _attempt((*place, "definite"), demand_definite, request)
    for at, rule in enumerate(request.answers):
        yield from _attempt((*place, "answers", at), answer_rule, rule)


def _flow_files(file: PlanFile, table: ScenarioTable, place: Place) -> Iterator[Fault]:
    named = {(*place, "flow", at, "run"): flow.run for at, flow in enumerate(table.flow)}
    if table.setup is not None:
        named[(*place, "setup")] = table.setup
    for where, run in named.items():
        yield from _attempt(where, project_file, file.folder, run.rpartition(":")[0])


def _outside(load: Load, place: Place) -> Iterator[Fault]:
    """Yield where something of the environment stands where it must not."""
    for where, text in texts_in(msgspec.to_builtins(load), place):
        if names_in(text) and not _FROM_OUTSIDE.intersection(where):
            yield Fault(
                where,
                f"{text!r} would come from the environment",
                "Headers, query and bodies may; names, numbers, expect and check are the file's.",
            )


def _attempt(place: Place, read: Any, *given: Any) -> Iterator[Fault]:
    try:
        read(*given)
    except UsageError as error:
        yield Fault(place, error.message, error.hint)
