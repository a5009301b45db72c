"""A decision for machines: accepted or not, and the digests of exactly what was judged."""

from collections.abc import Sequence

import msgspec

from stressproof.exits import strongest
from stressproof.report.verdict_json import as_data, evidence_entry
from stressproof.verify.verdict import Verdict

DECISION_SCHEMA = "stressproof.decision/1"


def decision(verdicts: Sequence[Verdict]) -> bytes:
    """Return the decision over one or more verdicts as JSON; none at all accepts nothing."""
    code = strongest(verdict.exit_code for verdict in verdicts)
    accepted = bool(verdicts) and all(verdict.is_release_evidence for verdict in verdicts)
    data = {
        "schema": DECISION_SCHEMA,
        "accepted": accepted,
        "exit_code": int(code),
        "evidence": [evidence_entry(verdict) for verdict in verdicts],
        "verdicts": [as_data(verdict) for verdict in verdicts],
    }
    return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"
