"""What a configuration means: its texts as thresholds, objectives and questions."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stressproof.config.config_file import ConfigFile, read_config
from stressproof.config.gate_floors import below_gate
from stressproof.config.mistakes import ConfigError, Mistakes
from stressproof.config.objective_amounts import (
    bad_text,
    objective_share,
    period_seconds,
    positive_us,
    quantile_ppm,
    share_of,
)
from stressproof.config.plan_file import PlanFile
from stressproof.config.plan_mistakes import find_plan_mistakes
from stressproof.config.positions import Place
from stressproof.config.reading import Source, located, read_bytes, read_source, source_of
from stressproof.config.schema import (
    EVIDENCE_FOLDER,
    FILE_NAME,
    CompareTable,
    Expressions,
    GateTable,
    LimitsTable,
    LongThreshold,
    SloTable,
    StepTable,
    SuiteTable,
)
from stressproof.config.steps import Step
from stressproof.evidence.results import Thresholds
from stressproof.evidence.target import DEFAULT_TARGET
from stressproof.objectives.comparison import Question
from stressproof.objectives.expression import Selector, Threshold
from stressproof.objectives.metrics import METRICS
from stressproof.objectives.objectives import Objectives
from stressproof.objectives.parser import parse_duration_us, parse_expression
from stressproof.objectives.protocol import protocol_thresholds
from stressproof.objectives.selection import ANSWER_TAGS
from stressproof.objectives.selectors import parse_selector
from stressproof.objectives.slo import PrometheusSource, Slo
from stressproof.objectives.syntax import did_you_mean

if TYPE_CHECKING:
    from stressproof.config.failures.plan import FailurePlan

YAML = frozenset({".yaml", ".yml"})
"""How the names of OpenSLO and Sloth files end."""

_REQUEST_METRICS = ("http_reqs", "http_req_failed", "http_req_duration", "checks")


NO_LIMITS = Thresholds(None, None, None)


class Project(Struct, frozen=True):
    """What a project says of itself and asks, as its ``stressproof.toml`` has it.

    Attributes:
        objectives: What is asked of a run beyond a suite's floors.
        limits: The three limits of ``[limits]``, null where it states none; part of the objectives.
        suite: The suite that it names (`stressproof.suite.find_suite`), empty for none.
        suite_package: What to install where that suite is absent, empty where the file is silent.
        folder: Where the file lies: a suite's file is relative to it.
        plan: Targets, tables and profiles.
        failures: What is broken, and what must hold then, with nothing of the environment in it and
            no digests (`stressproof.config.file_failures`); None where the file says nothing of it.
        profile_thresholds: What each profile is held to.
        gate: What its gate asks.
        gate_thresholds: What evidence must hold at it beside its profile's own.
        steps: What a release gate runs beside judging evidence.
        evidence: Folders in which a difference is none of the build, each ending in a slash.
    """

    objectives: Objectives = Objectives()
    limits: Thresholds = NO_LIMITS
    suite: str = ""
    suite_package: str = ""
    folder: Path = Path()
    plan: PlanFile = PlanFile()
    failures: "FailurePlan | None" = None
    profile_thresholds: Mapping[str, tuple[Threshold, ...]] = {}
    gate: GateTable = GateTable()
    gate_thresholds: tuple[Threshold, ...] = ()
    steps: tuple[Step, ...] = ()
    evidence: tuple[str, ...] = (EVIDENCE_FOLDER,)

    @property
    def gate_profile(self) -> str:
        """The profile that the gate's floors are for: the one it names, or else the first."""
        return self.gate.profile or next(iter(self.plan.profiles), "")

    @property
    def at_gate(self) -> Objectives:
        """The objectives with those of the gate's own profile, and those of the gate."""
        more = self.profile_thresholds.get(self.gate_profile, ())
        return self.objectives.with_more((*more, *self.gate_thresholds))

    @property
    def beyond_limits(self) -> Objectives:
        """The objectives without what ``[limits]`` states."""
        stated = len(protocol_thresholds(self.limits))
        kept = self.objectives.thresholds[stated:]
        return msgspec.structs.replace(self.objectives, thresholds=kept)


def load_config(path: Path) -> Project:
    """Return what a configuration asks; objectives alone where it is an OpenSLO file (.yaml, .yml).

    Raises:
        ConfigError: Something in it cannot be meant; every such thing is named.
        UsageError: It cannot be read.
    """
    if path.suffix.lower() in YAML:
        from stressproof.objectives.openslo import read_openslo  # noqa: PLC0415  # only for YAML

        return Project(Objectives(slos=tuple(read_openslo(read_bytes(path)))))
    return _project(read_source(path), path.parent, at_hand=True)


def project_of(content: bytes, name: str, folder: Path) -> Project:
    """Return what the bytes of a ``stressproof.toml`` ask.

    Args:
        content: As a commit has them.
        name: How to name them in messages.
        folder: What the files that they name are relative to.

    Raises:
        ConfigError: Something in it cannot be meant; every such thing is named.
        UsageError: It is too large, or not UTF-8.
    """
    return _project(source_of(content, name), folder, at_hand=False)


def _project(source: Source, folder: Path, *, at_hand: bool) -> Project:
    return resolve(read_config(source), source, folder, at_hand=at_hand)


def load_project(folder: Path) -> Project:
    """Return what the project in a folder asks: nothing where it has no ``stressproof.toml``.

    Raises:
        ConfigError: Something in it cannot be meant; every such thing is named.
        UsageError: It cannot be read.
    """
    path = folder / FILE_NAME
    # A link that leads nowhere is there too, and an error.
    return load_config(path) if os.path.lexists(path) else Project(folder=folder)


def resolve(
    read: ConfigFile, source: Source, folder: Path = Path(), *, at_hand: bool = False
) -> Project:
    """Return what a configuration asks.

    Args:
        read: What could be read of it.
        source: Its text, for the lines of what is wrong.
        folder: Where it lies.
        at_hand: Whether the folder holds what the file names; a commit's need not be there.

    Raises:
        ConfigError: Something in it cannot be meant; every such thing is named.
    """
    config, reader = read.config, _Reader(read.unread, read.in_file)
    limits = reader.limits(config.limits or LimitsTable())
    suite, gate = config.suite or SuiteTable(), config.gate or GateTable()
    plan = PlanFile(config.target, config.targets, config.data, config.profile, folder)
    find_plan_mistakes(plan, reader)
    reader.gate(gate, plan)
    if not reader.found:
        reader.found += below_gate(plan, gate)
    failures = None
    if config.failures is not None:
        from stressproof.config.failures.reading import (  # noqa: PLC0415  # few have any
            read_failures,
        )

        if config.failures.failures and suite.use:
            message = f"the suite {suite.use!r} says what is broken: nobody would ask for these"
            hint = "Leave [suite] out, or move them into the suite."
            reader.add(("failure", 0), message, hint)
        failures = read_failures(config.failures, plan, None, reader, at_hand=at_hand)
    project = Project(
        objectives=Objectives(
            thresholds=(
                *protocol_thresholds(limits),
                *reader.thresholds(config.thresholds),
            ),
            slos=reader.slos(config.slo),
            question=reader.question(config.compare or CompareTable()),
            tags=reader.tags(config.tags),
        ),
        limits=limits,
        suite=suite.use,
        suite_package=suite.package,
        folder=folder,
        plan=plan,
        failures=failures,
        profile_thresholds={
            name: tuple(reader.thresholds(load.thresholds, ("profile", name, "thresholds")))
            for name, load in config.profile.items()
        },
        gate=gate,
        gate_thresholds=tuple(reader.thresholds(gate.thresholds, ("gate", "thresholds"))),
        steps=reader.steps(gate.steps),
        evidence=reader.evidence(gate.evidence),
    )
    mistakes = [*read.mistakes, *(located(source, one) for one in read.told(reader.found))]
    if mistakes:
        raise ConfigError(source.name, mistakes)
    return project


class _Reader(Mistakes):
    """Turns texts into values, and keeps what fails with its place."""

    def limits(self, table: LimitsTable) -> Thresholds:
        for name in LimitsTable.__struct_fields__:
            value = getattr(table, name)
            if value is not None and not 0 <= value < float("inf"):
                self.add(("limits", name), f"a limit is a number of at least 0, not {value}")
                return NO_LIMITS
        return Thresholds(
            table.max_p95_seconds, table.max_error_rate_percent, table.min_throughput_rps
        )

    def thresholds(
        self, table: Mapping[str, Expressions], at_key: Place = ("thresholds",)
    ) -> list[Threshold]:
        found = []
        for key, value in table.items():
            path: Place = (*at_key, key)
            selector = self.attempt(path, parse_selector, key)
            items = value if isinstance(value, list) else [value]
            if not items:
                self.add(path, "an empty list asks nothing", "Leave the key out.")
            for at, item in enumerate(items):
                if selector is not None:
                    place = (*path, at) if isinstance(value, list) else path
                    threshold = self.threshold(place, selector, item)
                    found += [threshold] if threshold else []
        return found

    def threshold(
        self, path: Place, selector: Selector, item: str | LongThreshold
    ) -> Threshold | None:
        long = item if isinstance(item, LongThreshold) else LongThreshold(item)
        metric = METRICS[selector.metric]
        expression = self.attempt(path, parse_expression, long.threshold, metric)
        delay_us = self.attempt(path, parse_duration_us, long.delayAbortEval)
        if expression is None or delay_us is None:
            return None
        return Threshold(selector, expression, long.abortOnFail, delay_us)

    def slos(self, tables: Sequence[SloTable]) -> tuple[Slo, ...]:
        found = [self.slo(("slo", at), table) for at, table in enumerate(tables)]
        names: set[str] = set()
        for at, table in enumerate(tables):
            if table.name in names:
                self.add(("slo", at, "name"), f"the name {table.name!r} is given twice")
            names.add(table.name)
        return tuple(slo for slo in found if slo is not None)

    def slo(self, path: Place, table: SloTable) -> Slo | None:
        objective = self.attempt((*path, "objective"), objective_share, table.objective)
        selector = self.attempt((*path, "on"), _requests, table.on)
        period_s = self.attempt((*path, "period"), period_seconds, table.period)
        latency_us = None
        if table.latency is not None:
            latency_us = self.attempt((*path, "latency"), positive_us, table.latency)
        prometheus = None
        if table.prometheus is not None:
            given = table.prometheus
            if bool(given.bad) == bool(given.good):
                self.add((*path, "prometheus"), "needs total, and one of bad and good")
            prometheus = PrometheusSource(given.total, given.bad, given.good)
        if objective is None or selector is None or period_s is None:
            return None
        return Slo(
            name=table.name,
            objective=objective,
            selector=selector,
            latency_us=latency_us,
            period_s=period_s,
            description=table.description,
            prometheus=prometheus,
        )

    def question(self, table: CompareTable) -> Question:
        path: Place = ("compare",)
        margin = self.attempt((*path, "margin"), share_of, table.margin)
        errors = self.attempt((*path, "error_margin"), share_of, table.error_margin)
        quantiles = [
            self.attempt((*path, "quantiles", at), quantile_ppm, text)
            for at, text in enumerate(table.quantiles)
        ]
        if margin is None or errors is None:
            return Question()
        known = sorted({ppm for ppm in quantiles if ppm is not None})
        return Question(margin, errors, tuple(known))

    def tags(self, table: dict[str, dict[str, str]]) -> dict[str, tuple[tuple[str, str], ...]]:
        for endpoint, tags in table.items():
            for name in tags:
                if name in ANSWER_TAGS:
                    self.add(
                        ("tags", endpoint, name), f"{name!r} is a tag of answers, not of endpoints"
                    )
        return {endpoint: tuple(tags.items()) for endpoint, tags in table.items()}

    def gate(self, table: GateTable, plan: PlanFile) -> None:
        if table.profile and table.profile not in plan.profiles:
            known = ", ".join(sorted(plan.profiles)) or "none"
            hint = did_you_mean(table.profile, plan.profiles) or f"The file has {known}."
            self.add(("gate", "profile"), f"there is no profile {table.profile!r}", hint)
        for at, name in enumerate(table.target):
            if name not in plan.target_urls:
                hint = did_you_mean(name, plan.target_urls)
                self.add(("gate", "target", at), f"there is no target {name!r}", hint)
        if DEFAULT_TARGET in plan.targets:
            hint = "That is what [target] is called; give this one another name."
            self.add(("targets", DEFAULT_TARGET), f"the name {DEFAULT_TARGET!r} is taken", hint)
        self.attempt(("gate", "max_age"), positive_us, table.max_age)
        if table.duration is not None:
            self.attempt(("gate", "duration"), positive_us, table.duration)

    def evidence(self, folders: Sequence[str]) -> tuple[str, ...]:
        for at, folder in enumerate(folders):
            parts = folder.rstrip("/").split("/")
            if not folder or set(parts) & {"", ".", ".."} or "\0" in folder:
                self.add(
                    ("gate", "evidence", at),
                    f"{folder!r} is no folder in the repository",
                    f"Such as {EVIDENCE_FOLDER}",
                )
        return tuple(f"{folder.rstrip('/')}/" for folder in folders)

    def steps(self, tables: Sequence[StepTable]) -> tuple[Step, ...]:
        found = []
        names: set[str] = set()
        for at, table in enumerate(tables):
            path: Place = ("gate", "steps", at)
            if table.name in names:
                self.add((*path, "name"), f"the name {table.name!r} is given twice")
            names.add(table.name)
            if not table.run[0] or any("\0" in word for word in table.run):
                self.add((*path, "run"), "a command starts with its program, and holds no NUL")
            timeout_us = self.attempt((*path, "timeout"), positive_us, table.timeout)
            if timeout_us is not None:
                found.append(
                    Step(
                        name=table.name,
                        run=table.run,
                        timeout_us=timeout_us,
                        needs=table.needs,
                        inconclusive_exit_codes=table.inconclusive_exit_codes,
                        pass_env=table.pass_env,
                        path=table.path,
                    )
                )
        return tuple(found)


def _requests(text: str) -> Selector:
    selector = parse_selector(text)
    if selector.metric not in _REQUEST_METRICS:
        raise bad_text(text, "an objective counts requests", "Write http_reqs with tags.")
    return selector
