"""Lies of full failure evidence: a fault or check less, a number that does not follow."""
# ruff: noqa: FBT003  # a lie is one line; booleans are what fields hold here

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from forgeries.corpus import Corpus, at, put, remove
from forgeries.honest import COMMIT

from stressproof.exits import Exit

corpus = Corpus()
ALL, F = "injection", "one injection"
INCONCLUSIVE = Exit.INCONCLUSIVE
GATE = {"refuse_unsafe": True, "minimum_level": "recomputed"}
BOUND = {"expected_commits": (COMMIT,)}
TYPED, FAULTS, CHECKS = "failure.typed", "failure.faults", "failure.demanded-checks"
ROW = [0, 1, 1, 0, 0, 1, 0]
RECOMPUTED, CLOCK = "failure.recomputed", "failure.trial-clock"

# The type.
for path in ("subject", "stage", "scenarios.0.trial", "scenarios.0.seed", "unsafe", "target_after"):
    corpus.drop(f"full: {path} removed", F, TYPED, path)
for path, value in (
    ("note", 1),
    ("scenarios.0.note", 1),
    ("scenarios.0.trial.faults.0.note", 1),
    ("scenarios.0.trial.operations.rows.0", [0, 1, 2.0, 3, 4, 5, 0]),
    ("scenarios.0.trial.faults.0.effective_us", -1),
    ("scenarios.0.trial.faults.0.witnesses.0.needs", 0),
    ("scenarios.0.trial.checks.0.source", "declared"),
    ("stage.workers", "2"),
):
    corpus.set_(f"full: {path} = {value!r}", F, TYPED, path, value)

# What was asked for.
for place in range(5):
    corpus.drop(
        f"FI-00{place + 1} without its second fault",
        ALL,
        FAULTS,
        f"scenarios.{place}.trial.faults.1",
    )
corpus.set_("FI-001 without faults", F, FAULTS, "scenarios.0.trial.faults", [])
corpus.set_("a fault of another kind", F, FAULTS, "scenarios.0.trial.faults.3.kind", "network")
corpus.set_(
    "a fault of the file's own code that nobody permitted",
    F,
    "failure.testbed",
    "scenarios.0.spec.faults.0.kind",
    "command",
)
corpus.set_("a fault renamed", F, FAULTS, "scenarios.0.trial.faults.0.id", "breeze")


@corpus.forge("faults in another order", F, FAULTS)
def _swapped(data: dict[str, Any]) -> None:
    faults = data["scenarios"][0]["trial"]["faults"]
    faults[0]["id"], faults[1]["id"] = faults[1]["id"], faults[0]["id"]


@corpus.forge("a baseline with a fault", F, FAULTS)
def _disturbed(data: dict[str, Any]) -> None:
    scenario = data["scenarios"][0]
    scenario["baseline"]["faults"] = scenario["trial"]["faults"][:1]


@corpus.forge("a fault that cannot be injected here", F, FAULTS)
def _unsupported(data: dict[str, Any]) -> None:
    data["stage"]["unsupported"] = [{"fault": "postgres_killed", "why": "no signals here"}]
    trial = data["scenarios"][0]["trial"]
    trial["faults"] = [fault for fault in trial["faults"] if fault["id"] != "postgres_killed"]


for name in ("rto_service_us", "slow_us", "window_us"):
    corpus.set_(
        f"an easier objective, {name}",
        F,
        FAULTS,
        f"scenarios.0.trial.faults.0.objectives.{name}",
        60_000_000,
    )
corpus.add(
    "a recovery that was not watched",
    F,
    FAULTS,
    lambda data: put(
        data,
        "scenarios.0.trial.faults.4.watched_us",
        at(data, "scenarios.0.trial.faults.4.healed_us") + 1000,
    ),
)
corpus.set_("a fault before any load", F, FAULTS, "scenarios.0.trial.faults.0.effective_us", 1)
corpus.add(
    "a fault healed before it was removed",
    F,
    FAULTS,
    lambda data: put(
        data,
        "scenarios.0.trial.faults.0.removed_us",
        at(data, "scenarios.0.trial.faults.0.healed_us") + 1,
    ),
)
for place in range(5):
    corpus.drop(
        f"FI-00{place + 1} with a check less", ALL, CHECKS, f"scenarios.{place}.trial.checks.1"
    )
    corpus.drop(
        f"FI-00{place + 1} with a query less", ALL, CHECKS, f"scenarios.{place}.trial.checks.-1"
    )
corpus.drop("a baseline with a check less", F, CHECKS, "scenarios.0.baseline.checks.0")
corpus.set_("a baseline without checks", F, CHECKS, "scenarios.0.baseline.checks", [])


def _check(data: dict[str, Any], place: int, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        check for check in data["scenarios"][place]["trial"]["checks"] if check["id"] == name
    )
    return found


for name, edit in {
    "an easier bound": lambda data: _check(data, 0, "answered_in")["parameters"].update(
        within_us=99_000_000
    ),
    "a wider choice of codes": lambda data: _check(data, 0, "only")["parameters"].update(
        codes=["*"]
    ),
    "a narrower kind": lambda data: _check(data, 0, "answered_in")["parameters"].update(
        of=["none"]
    ),
    "a higher limit": lambda data: _check(data, 4, "at_most")["parameters"].update(limit=10**6),
    "a check about another fault": lambda data: _check(data, 0, "recovered").update(
        about="black_hole"
    ),
    "a query with parameters": lambda data: _check(data, 0, "chain_unbroken").update(
        parameters={"a": 1}
    ),
    "a query that nobody knows": lambda data: _check(data, 0, "chain_unbroken").update(
        id="all_is_well"
    ),
    "a check from the database instead": lambda data: _check(data, 0, "no_double_effect").update(
        source="invariant"
    ),
    "a check twice": lambda data: data["scenarios"][0]["trial"]["checks"].append(
        dict(_check(data, 0, "no_double_effect"))
    ),
}.items():
    corpus.add(
        f"demanded: {name}",
        ALL if "limit" in name else F,
        CHECKS,
        lambda data, edit=edit: edit(data) and None,
    )

corpus.set_(
    "an invariant called otherwise",
    F,
    RECOMPUTED,
    "scenarios.0.trial.checks.-1.title",
    "All is well",
)

corpus.set_("a title of two lines", F, "failure.bounds", "scenarios.0.spec.title", "All\nis well")

# Load and witnesses.
corpus.add(
    "load for a moment",
    F,
    "failure.load",
    lambda data: put(
        data,
        "scenarios.0.trial.operations.rows",
        at(data, "scenarios.0.trial.operations.rows")[:50],
    ),
)
corpus.add(
    "more operations than can be judged",
    F,
    "failure.load",
    lambda data: put(
        data, "scenarios.0.baseline.operations.rows", [[0, 1, 1, 0, 0, 1, 0]] * 20_001
    ),
)
corpus.add(
    "more codes than can be judged",
    F,
    "failure.load",
    lambda data: at(data, "scenarios.0.baseline.operations.codes").extend(
        {"code": f"200/{number}", "class": "ok"} for number in range(2_000)
    ),
)
corpus.set_("no witness", F, "failure.witnesses", "scenarios.0.trial.faults.0.witnesses", [])
corpus.set_(
    "a witness that saw nothing",
    F,
    "failure.witnesses",
    "scenarios.0.trial.faults.0.witnesses.0.during",
    0,
)
corpus.set_(
    "a witness that saw less",
    F,
    "failure.witnesses",
    "scenarios.0.trial.faults.0.witnesses.0.before",
    101,
)

# What follows from operations.
for path, value in (
    ("scenarios.0.status", "pass"),
    ("scenarios.0.reasons", []),
    ("scenarios.0.checks", ["everything"]),
    ("scenarios.0.duration_seconds", 1.0),
    ("scenarios.0.trial.duration_us", 1),
    ("scenarios.0.trial.phases.0.ok", 1),
    ("scenarios.0.trial.phases.1.unhealthy", 7),
    ("scenarios.0.trial.faults.0.recovery.rto_service_us", 1),
    ("scenarios.0.trial.faults.0.recovery.longest_gap_us", 0),
    ("scenarios.0.trial.checks.0.compared", 9),
    ("scenarios.0.trial.checks.0.violations", 9),
    ("scenarios.0.trial.checks.0.outcome", "fail"),
    ("scenarios.0.trial.checks.0.title", "All is well"),
    ("scenarios.0.trial.checks.3.outcome", "inconclusive"),
    ("scenarios.0.trial.checks.-1.violations", 3),
    ("summary.inconclusive_scenarios", 0),
    ("summary.passed_scenarios", 5),
    ("scenarios.0.trial.operations.columns", ["start"]),
    ("scenarios.0.trial.operations.codes", [{"code": "fine", "class": "ok"}]),
    ("scenarios.0.trial.operations.rows.3", [1, 2]),
    ("scenarios.0.trial.operations.rows.3", [75_000, 1, 9, 0, 0, 1]),
    ("scenarios.0.trial.operations.rows.3", [1, 1, 0, 0, 0, 1]),
    ("scenarios.0.trial.effects.columns", ["key"]),
    ("scenarios.0.trial.effects.rows.0", [1, 2]),
):
    corpus.set_(f"full: {path} becomes {value!r}", F, RECOMPUTED, path, value)
corpus.drop("an effect that was not looked for", F, RECOMPUTED, "scenarios.0.trial.effects.rows.0")
corpus.drop("an operation removed", F, RECOMPUTED, "scenarios.0.trial.operations.rows.0")
corpus.add(
    "a slow answer made quick",
    F,
    RECOMPUTED,
    lambda data: put(data, "scenarios.0.trial.operations.rows.-1.1", 1),
)


@corpus.forge("an effect found twice by one key", F, RECOMPUTED)
def _key_twice(data: dict[str, Any]) -> None:
    found = data["scenarios"][0]["trial"]["effects"]["rows"]
    found.append(found[0])


# Clocks.
def _shift(text: str, seconds: float) -> str:
    return (datetime.fromisoformat(text) + timedelta(seconds=seconds)).isoformat()


def _moved(path: str, seconds: float) -> Callable[[dict[str, Any]], None]:
    return lambda data: put(data, path, _shift(at(data, path), seconds))


for name, path, seconds in (
    ("a trial that ended at once", "scenarios.0.trial.ended_at", -40),
    ("a trial before its baseline", "scenarios.0.trial.started_at", -20),
    ("a scenario before the injection", "scenarios.0.baseline.started_at", -3600),
    ("the last trial after the end", "scenarios.0.trial.ended_at", 3600),
    ("an injection that began in the middle", "started_at", 60),
):
    corpus.add(name, F, CLOCK, _moved(path, seconds))
corpus.set_("a trial at no time", F, CLOCK, "scenarios.0.trial.started_at", "then")

# The stage.
corpus.set_("full: sqlite", F, "failure.engine", "runtime_before.database_engine", "sqlite")
corpus.set_("one worker", F, "failure.workers", "stage.workers", 1)
for path, value in (
    ("target_after.version", "0.2.0"),
    ("target_after.git_commit", COMMIT[::-1]),
):
    corpus.set_(f"full: {path} = {value!r}", F, "failure.same-build", path, value)
corpus.set_(
    "full: the service gone", ALL, "failure.same-build", "target_after", None, code=INCONCLUSIVE
)
for path, value in (
    ("runtime_after.system_identifier", "1"),
    ("runtime_after.server_version", "17"),
    ("runtime_after.migration_head", "0002"),
    ("runtime_after.wal_bytes", 1),
    ("runtime_after.journal_sequence", 4_999),
    ("runtime_before.journal_hash", None),
    ("runtime_after.journal_hash", "0" * 64),
):
    corpus.set_(f"full: {path} = {value!r}", F, "failure.same-database", path, value)
corpus.set_(
    "full: the database gone",
    ALL,
    "failure.same-database",
    "runtime_after",
    None,
    code=INCONCLUSIVE,
)
for path, value in (
    ("runtime_before.status_code", 503),
    ("runtime_after.status", "unhealthy"),
    ("runtime_after.probe_error", "timeout"),
):
    corpus.set_(f"full: {path} = {value!r}", F, "failure.healthy", path, value)
corpus.set_("full: limits off", F, "failure.unsafe", "unsafe", ["limits_off"], asked=GATE)
corpus.set_("full: fsync off", F, "failure.unsafe", "runtime_before.fsync", "off", asked=GATE)
corpus.set_("full: fsync unknown", F, "failure.unsafe", "runtime_before.fsync", None, asked=GATE)
corpus.set_(
    "full: a build of another commit",
    F,
    "failure.target-build",
    "target_before.git_commit",
    COMMIT[::-1],
    asked=BOUND,
)
corpus.set_(
    "full: a build with changes",
    F,
    "failure.target-build",
    "target_before.git_dirty",
    True,
    asked=BOUND,
)


@corpus.forge(
    "operations removed for a gate", F, "failure.assurance", asked={"minimum_level": "recomputed"}
)
def _downgraded(data: dict[str, Any]) -> None:
    remove(data, "schema_version")


corpus.set_("full: interrupted", F, "failure.status", "status", "interrupted")


# The testbed, and counts that nothing there can have reached.
for _name, _path, _value in (
    ("somebody else's injector", "stage.tool", "mytool"),
    ("an injector of no version", "stage.version", "none"),
    ("a testbed without processors", "stage.cpus", 0),
    ("a testbed without a proxy", "stage.proxy", " "),
    ("a database server of no digest", "stage.postgres_binary_sha256", "nothing"),
):
    corpus.set_(f"full: {_name}", F, "failure.testbed", _path, _value)


@corpus.forge("full: queries that looked at more than there is", F, "failure.compared")
def _(data: dict[str, Any]) -> None:
    for scenario in data["scenarios"]:
        for check in scenario["trial"]["checks"]:
            if check["source"] == "invariant":
                check["compared"] = 10**15


@corpus.forge("full: a witness beyond measure", F, "failure.witnesses")
def _(data: dict[str, Any]) -> None:
    for scenario in data["scenarios"]:
        for fault in scenario["trial"]["faults"]:
            for witness in fault["witnesses"]:
                witness["during"] = witness["before"] + 10**15


# Where, and when each fault was asked for.
for _limits in ([], ["none"]):
    corpus.set_(
        f"what the faults are not: {_limits}", F, "failure.testbed", "stage.limits", _limits
    )
for _place in (0, 1):
    corpus.set_(
        f"fault {_place} asked for at once",
        F,
        FAULTS,
        f"scenarios.0.trial.faults.{_place}.requested_us",
        0,
    )
