"""What is judged about a good artifact, and what is not: nothing stops being judged unnoticed."""

from typing import Any, NamedTuple

from forgeries import boundaries, failure_full
from forgeries.honest_variants import BOUND, GATE
from forgeries.stress_load import PROFILE

from stressproof.evidence.level import Level
from stressproof.verify.failure.verifier import RULES as FAILURE_RULES
from stressproof.verify.stress.verifier import RULES as STRESS_RULES

# Its bases are used here by name.
assert boundaries.variants


class Judged(NamedTuple):
    """A good artifact with the rules that find nothing to compare in it.

    Attributes:
        base: Its name.
        kind: ``stress`` or ``failure``.
        asked: Requirements beyond the defaults.
        unchecked: Rules that compare nothing.
        undecided: Rules that cannot tell: a made-up injection did not see enough to pass.
    """

    base: str
    kind: str
    asked: dict[str, Any]
    unchecked: frozenset[str]
    undecided: frozenset[str] = frozenset()


_FULL_STRESS = frozenset(rule.id for rule in STRESS_RULES if rule.level is Level.RECOMPUTED)
_FULL_FAILURE = frozenset(rule.id for rule in FAILURE_RULES if rule.level is Level.RECOMPUTED)
_NOT_ASKED = frozenset(
    {"stress.unknown-fields-refused", "stress.commit", "stress.clean", "stress.age"}
)
_OF_FLOWS = frozenset({"stress.flow-requests", "stress.flow-time", "stress.interrupted"})
_OF_PLAIN = frozenset(
    {
        "stress.unknown-fields",
        "stress.unknown-fields-refused",
        "stress.same-figures",
        "stress.within-timeout",
        "stress.run-times",
    }
)

_MINIMAL = frozenset(
    {
        "stress.status",
        "stress.target",
        "stress.engine-source",
        "stress.probe",
        "stress.preflight-checks",
        "stress.averages",
        "stress.average-possible",
        "stress.within-timeout",
        "stress.run-times",
    }
)

JUDGED = (
    Judged(
        "minimal",
        "stress",
        {},
        _FULL_STRESS | _NOT_ASKED | _MINIMAL,
    ),
    Judged("299 samples", "stress", {}, _FULL_STRESS | _NOT_ASKED | _MINIMAL),
    Judged(
        "plain",
        "stress",
        {},
        _FULL_STRESS | _NOT_ASKED | {"stress.status", "stress.engine-source", "stress.run-times"},
    ),
    Judged(
        "plain",
        "stress",
        {"refuse_unknown_fields": True, "max_artifact_age_hours": 24.0},
        (_FULL_STRESS | _NOT_ASKED | {"stress.status", "stress.engine-source", "stress.run-times"})
        - {"stress.unknown-fields-refused", "stress.age"},
    ),
    Judged(
        "full",
        "stress",
        {},
        _NOT_ASKED
        | _OF_PLAIN
        | _OF_FLOWS
        | {
            "stress.probe",
            "stress.littles-law",
            "stress.unsafe",
            "stress.insecure",
            "stress.target-name",
            "stress.target-build",
            "stress.arrivals",
            "stress.profile-by-value",
        },
    ),
    Judged(
        "full",
        "stress",
        {**GATE, **PROFILE},
        _OF_PLAIN | _OF_FLOWS | {"stress.probe", "stress.littles-law", "stress.arrivals"},
    ),
    Judged(
        "open",
        "stress",
        {**GATE, **BOUND},
        _OF_PLAIN
        | _OF_FLOWS
        | {
            "stress.probe",
            "stress.littles-law",
            "stress.users-busy",
            "stress.users-throughout",
            "stress.profile-by-value",
        },
    ),
    Judged(
        "failure",
        "failure",
        {},
        _FULL_FAILURE
        | {
            "failure.unknown-fields-refused",
            "failure.status",
            "failure.age",
            "failure.commit",
            "failure.clean",
        },
    ),
    Judged(
        "injection",
        "failure",
        {**failure_full.GATE, **failure_full.BOUND, "max_artifact_age_hours": 48.0},
        frozenset(
            {
                "failure.unknown-fields",
                "failure.unknown-fields-refused",
                "failure.result-tails",
            }
        ),
        frozenset({"failure.statuses", "failure.overall"}),
    ),
)
