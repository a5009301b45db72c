"""Lies of plain failure evidence."""
# ruff: noqa: FBT003  # a lie is one line; booleans are what fields hold here

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from forgeries.corpus import Corpus, at, base, put
from forgeries.honest import COMMIT, NOW
from forgeries.result_tails import FAILED_TAILS

from stressproof.exits import Exit

corpus = Corpus()
SHAPE = "failure.shape"
OBJECTIVES, INCONCLUSIVE = Exit.OBJECTIVES, Exit.INCONCLUSIVE
F = "failure"

REQUIRED_PATHS = (
    "profile",
    "runner",
    "execution_class",
    "captured_at",
    "executed_by",
    "approved_by",
    "scenarios",
    "scenarios.2.id",
    "scenarios.2.status",
    "scenarios.2.duration_seconds",
    "scenarios.2.checks",
    "scenarios.2.evidence_refs",
    "summary",
    "summary.total_scenarios",
    "summary.passed_scenarios",
    "summary.failed_scenarios",
    "summary.overall_passed",
)
for path in REQUIRED_PATHS:
    corpus.drop(f"{path} removed", F, SHAPE, path)
for path, value in (
    ("summary.overall_passed", "true"),
    ("summary.overall_passed", 1),
    ("summary.total_scenarios", "5"),
    ("summary.total_scenarios", 5.0),
    ("summary.failed_scenarios", False),
    ("summary.passed_scenarios", None),
    ("scenarios.0.status", True),
    ("scenarios.0.duration_seconds", "12"),
    ("scenarios.0.duration_seconds", -1.0),
    ("scenarios.0.checks", "all of them"),
    ("scenarios.0.checks", [1, 2]),
    ("scenarios.0.evidence_refs", {}),
    ("scenarios.0", "FI-001"),
    ("scenarios", {}),
    ("executed_by", ["alice"]),
    ("approved_by", None),
):
    corpus.set_(f"{path} = {value!r}", F, SHAPE, path, value)

# What it is.
corpus.set_("a template filled in", F, "failure.template", "_template", "example")
for version in (1, 2, 3.0, 4, "3", None):
    corpus.set_(
        f"schema version {version!r}", F, "failure.schema-version", "schema_version", version
    )
for status in ("interrupted", "broken", ""):
    corpus.set_(f"status {status!r}", F, "failure.status", "status", status)
for profile in ("enforcement", "enforcement_failure_injection ", "Enforcement_Failure_Injection"):
    corpus.set_(f"profile {profile!r}", F, "failure.profile", "profile", profile)
for runner in ("pytest", "staged_failure_injection\u200b", ""):
    corpus.set_(f"runner {runner!a}", F, "failure.runner", "runner", runner)
for kind in ("simulated", "Staged", "production"):
    corpus.set_(f"class {kind!r}", F, "failure.execution-class", "execution_class", kind)
corpus.set_(
    "an unknown field where none is allowed",
    F,
    "failure.unknown-fields-refused",
    "note",
    "x",
    asked={"refuse_unknown_fields": True},
)
corpus.set_(
    "a plain artifact at a gate",
    F,
    "failure.assurance",
    "note",
    "x",
    asked={"minimum_level": "recomputed"},
)

# When.
for text in ("2026-02-25T10:00:00", "yesterday", "2026-02-25T10:00:00+00", ""):
    corpus.set_(f"captured_at {text!r}", F, "failure.timestamps", "captured_at", text)
corpus.set_("begun after its end", F, "failure.timestamps", "started_at", NOW.isoformat())
corpus.set_("begun at no time", F, "failure.timestamps", "started_at", "earlier")
corpus.set_(
    "captured tomorrow", F, "failure.future", "captured_at", (NOW + timedelta(days=1)).isoformat()
)
corpus.set_(
    "captured three days ago",
    F,
    "failure.age",
    "captured_at",
    (NOW - timedelta(days=3)).isoformat(),
    asked={"max_artifact_age_hours": 48.0},
)

# Who.
WHO = "failure.identities"
for name in (
    "alice@example.com",
    "Alice@Example.COM",
    " alice@example.com",
    "alice@example.com ",
    "alice\u200b@example.com",
    "alice\u00ad@example.com",
    "alice\ufe0f@example.com",
    "alice\u2060@example.com",
    "\u202ealice@example.com",
    "\uff41lice@example.com",
    "\U0001d41alice@example.com",
    "al\u0131ce@example.com",
    "\u0430lice@example.com",
    "alic\u0435@example.com",
    "ALICE@EXAMPLE.COM\u3164",
    "alice@e\u0445ample.com",
):
    corpus.set_(f"approved by {name!a}", F, WHO, "approved_by", name)
for name in ("", " ", "\u200b", "...", "\u3164"):
    corpus.set_(f"approved by nobody, {name!a}", F, WHO, "approved_by", name)
    corpus.set_(f"executed by nobody, {name!a}", F, WHO, "executed_by", name)


@corpus.forge("one person with two blanks", F, WHO)
def _blanks(data: dict[str, Any]) -> None:
    data["executed_by"], data["approved_by"] = "Alice Smith", "ALICE \u00a0 SMITH"


# The build.
corpus.set_(
    "another commit",
    F,
    "failure.commit",
    "subject.git_commit",
    COMMIT[::-1],
    asked={"expected_commits": (COMMIT,)},
)
corpus.set_(
    "a dirty tree",
    F,
    "failure.clean",
    "subject.git_dirty",
    True,
    asked={"expected_commits": (COMMIT,)},
)
corpus.drop(
    "no subject",
    F,
    "failure.commit",
    "subject",
    code=INCONCLUSIVE,
    asked={"expected_commits": (COMMIT,)},
)

# Scenarios.
SCENARIOS = "failure.scenarios"


def _counted(edit: Callable[[list[dict[str, Any]]], Any]) -> Callable[[dict[str, Any]], None]:
    """Edit the scenarios, and count them again: only the lie itself is one."""

    def mutate(data: dict[str, Any]) -> None:
        listed = data["scenarios"]
        edit(listed)
        passed = sum(each["status"] == "pass" for each in listed)
        data["summary"] = {
            "total_scenarios": len(listed),
            "passed_scenarios": passed,
            "failed_scenarios": len(listed) - passed,
            "overall_passed": bool(listed) and passed == len(listed),
        }

    return mutate


for place in range(5):
    corpus.add(
        f"FI-00{place + 1} left out",
        F,
        SCENARIOS,
        _counted(lambda listed, place=place: listed.pop(place)),
    )
corpus.add("no scenarios", F, SCENARIOS, _counted(lambda listed: listed.clear()))
corpus.add(
    "FI-002 twice",
    F,
    SCENARIOS,
    _counted(lambda listed: listed.append(dict(listed[1], checks=["x"]))),
)
corpus.add(
    "FI-005 as FI-004 again", F, SCENARIOS, _counted(lambda listed: listed[4].update(id="FI-004"))
)
for name in ("FI-006", "fi-001", "FI-001 ", "FI-1", "FI-\u0660\u0660\u0661"):
    corpus.add(
        f"a scenario {name!a}",
        F,
        SCENARIOS,
        _counted(lambda listed, name=name: listed[0].update(id=name)),
    )
for status in ("PASS", "passed", "skipped", "", "unsupported"):
    corpus.add(
        f"status {status!r} of a scenario",
        F,
        "failure.status-words",
        _counted(lambda listed, status=status: listed[3].update(status=status)),
    )
corpus.add(
    "an honest failure",
    F,
    "failure.statuses",
    _counted(lambda listed: listed[3].update(status="fail", result_tail="1 failed")),
    code=OBJECTIVES,
)
corpus.set_("a failure hidden in the summary", F, "failure.summary", "scenarios.3.status", "fail")
corpus.set_("an inconclusive scenario", F, "failure.statuses", "scenarios.3.status", "inconclusive")
for value in (0, 0.0, 86401):
    corpus.set_(
        f"a scenario of {value} s", F, "failure.durations", "scenarios.1.duration_seconds", value
    )

# Checks and references.
CHECKS, REFERENCES = "failure.checks", "failure.references"
for name, checks in {
    "no checks": [],
    "an empty check": ["", "x"],
    "a blank check": [" "],
    "an invisible check": ["\u200b"],
    "a check twice": ["a", "a"],
    "a check twice but for blanks": ["a", " a"],
}.items():
    corpus.set_(name, F, CHECKS, "scenarios.1.checks", checks)
for name, references in {
    "no references": [],
    "an empty reference": [""],
    "a reference twice": ["#/profile", "#/profile"],
    "a pointer to nothing": ["#/scenarios/7"],
    "a pointer past an end": ["#/scenarios/5/checks"],
    "a pointer to a letter": ["#/profile/0"],
    "a pointer to an empty list": ["#/empty"],
    "a pointer with a leading zero": ["#/scenarios/01/checks"],
    "a pointer to minus one": ["#/scenarios/-1/checks"],
    "a pointer to the whole": ["#"],
    "a pointer to the root": ["#/"],
    "a pointer without a slash": ["#profile"],
    "a pointer to itself": ["#/scenarios/1/evidence_refs/0"],
    "a pointer to references": ["#/scenarios/0/evidence_refs"],
}.items():
    corpus.set_(name, F, REFERENCES, "scenarios.1.evidence_refs", references)


@corpus.forge("a pointer to null", F, REFERENCES)
def _null(data: dict[str, Any]) -> None:
    data["witness"] = None
    put(data, "scenarios.1.evidence_refs", ["#/witness"])


corpus.set_(
    "a path that nobody looked up",
    F,
    REFERENCES,
    "scenarios.1.evidence_refs",
    ["tests/test_gate.py"],
    code=INCONCLUSIVE,
)
corpus.add(
    "a copied scenario",
    F,
    "failure.distinct",
    lambda data: data["scenarios"][1].update(
        checks=data["scenarios"][0]["checks"][::-1],
        evidence_refs=data["scenarios"][0]["evidence_refs"],
    ),
)
TAIL = "failure.result-tails"
for tail in FAILED_TAILS:
    corpus.set_(f"a pass that printed {tail!r}", F, TAIL, "scenarios.1.result_tail", tail)

for path, value in (
    ("scenarios.0.command", ""),
    ("scenarios.0.command", " "),
    ("scenarios.0.command", "pytest\x1b[2K"),
    ("subject", {"git_commit": "HEAD", "git_dirty": False}),
    ("subject", {"git_commit": "", "git_dirty": False}),
    ("executed_by", "alice\x00"),
):
    corpus.set_(f"{path} of {value!a}", F, "failure.bounds", path, value)
for took_s in (5e-324, 1e-9, 0.0009, 86_401.0):
    corpus.set_(
        f"a scenario of {took_s} s", F, "failure.durations", "scenarios.0.duration_seconds", took_s
    )

# The summary.
for path, value in (
    ("summary.total_scenarios", 6),
    ("summary.passed_scenarios", 4),
    ("summary.failed_scenarios", 1),
    ("summary.overall_passed", False),
):
    corpus.set_(f"{path} = {value}", F, "failure.summary", path, value)
assert at(base(F), "summary.overall_passed") is True
corpus.set_("a field that nobody knows", F, "failure.unknown-fields", "note", "x", code=Exit.PASS)
