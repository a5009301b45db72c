"""What cannot be meant of the loads of a file: every mistake, with its place."""

from collections.abc import Iterator, Sequence

import msgspec

from stressproof.config.environment import names_in, texts_in
from stressproof.config.mistakes import Mistakes
from stressproof.config.plan_file import PlanFile, inherited
from stressproof.config.plan_tables import AnswerTable, ScenarioTable, TargetTable
from stressproof.config.plan_tables import ProfileTable as Load
from stressproof.config.plans import PlanReader
from stressproof.config.positions import Place
from stressproof.evidence.project_files import project_file
from stressproof.workload.scenarios import Steps
from stressproof.workload.target import demand_headers, origin_of

_FROM_OUTSIDE = frozenset({"headers", "query", "json", "form", "multipart", "body"})
"""Keys of requests whose texts may take something from the environment."""


def find_plan_mistakes(file: PlanFile, mistakes: Mistakes) -> None:
    """Take note of every mistake of targets, tables and profiles."""
    reader = PlanReader(file, None)
    targets: dict[Place, TargetTable] = {
        ("targets", name): table for name, table in file.targets.items()
    }
    if file.target is not None:
        targets["target",] = file.target
    for place, target in targets.items():
        mistakes.attempt(place, _demand_target, reader, target)
        if target.url is not None and not names_in(target.url):
            mistakes.attempt((*place, "url"), origin_of, target.url)
    for name, table in file.data.items():
        mistakes.attempt(("data", name, "file"), project_file, file.folder, table.file)
    for name, load in file.profiles.items():
        place = ("profile", name)
        before = len(mistakes.found)
        _demand_own_texts(load, place, mistakes)
        _find_in_answers(load.answers, place, mistakes)
        for where, scenario in _scenarios(load, place):
            _find_in_scenario(reader, scenario, where, mistakes)
            _demand_flow_files(file, scenario, where, mistakes)
        if len(mistakes.found) == before:
            mistakes.attempt(place, reader.scenarios, load)


def _scenarios(load: Load, place: Place) -> Iterator[tuple[Place, ScenarioTable]]:
    if not load.scenario:
        yield place, load
    for name, own in load.scenario.items():
        yield (*place, "scenario", name), inherited(load, own)


def _demand_target(reader: PlanReader, target: TargetTable) -> None:
    """Refuse what a target cannot be.

    Raises:
        UsageError: A header cannot be sent, or it says twice as whom.
    """
    demand_headers(reader.texts(target.headers))
    if target.auth is not None and target.auth.bearer_file is None:
        reader.auth(target.auth)


def _find_in_scenario(
    reader: PlanReader, table: ScenarioTable, place: Place, mistakes: Mistakes
) -> None:
    for number, request in enumerate(table.request):
        where = (*place, "request", number)
        found = mistakes.attempt(where, reader.request, request, table, Steps())
        if request.definite and found is not None:
            from stressproof.config.failures.answer_rules import (  # noqa: PLC0415  # few say it
                demand_definite,
            )

            mistakes.attempt((*where, "definite"), demand_definite, request)
        _find_in_answers(request.answers, where, mistakes)
    if table.flow:
        bare = msgspec.structs.replace(table, request=table.request[:0], flow=table.flow[:1])
        mistakes.attempt(place, reader.scenario, "default", bare)


def _find_in_answers(answers: Sequence[AnswerTable], place: Place, mistakes: Mistakes) -> None:
    """Take note of rules for answers that cannot be meant, for failures."""
    if not answers:
        return
    from stressproof.config.failures.answer_rules import (  # noqa: PLC0415  # likewise
        answer_rule,
    )

    for at, rule in enumerate(answers):
        mistakes.attempt((*place, "answers", at), answer_rule, rule)


def _demand_flow_files(
    file: PlanFile, table: ScenarioTable, place: Place, mistakes: Mistakes
) -> None:
    named = {(*place, "flow", at, "run"): flow.run for at, flow in enumerate(table.flow)}
    if table.setup is not None:
        named[(*place, "setup")] = table.setup
    for where, run in named.items():
        mistakes.attempt(where, project_file, file.folder, run.rpartition(":")[0])


def _demand_own_texts(load: Load, place: Place, mistakes: Mistakes) -> None:
    """Refuse what would come from the environment where it must not."""
    for where, text in texts_in(msgspec.to_builtins(load), place):
        if names_in(text) and not _FROM_OUTSIDE.intersection(where):
            mistakes.add(
                where,
                f"{text!r} would come from the environment",
                "Headers, query and bodies may; names, numbers, expect and check are the file's.",
            )
