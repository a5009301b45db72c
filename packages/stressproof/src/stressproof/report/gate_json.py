"""A gate's decision as JSON: for machines, and for the file that a promotion reads."""

import msgspec

from stressproof.exits import Exit
from stressproof.gate.decision import DECISION_SCHEMA, Decision
from stressproof.report.gate_text import NOT_A_DECISION, summary
from stressproof.report.verdict_json import as_data, evidence_entry
from stressproof.report.verdicts import NOT_RELEASE


def render(decision: Decision) -> str:
    """Return the decision as indented JSON, what a promotion needs first."""
    data: dict[str, object] = {
        "schema": decision.schema,
        "accepted": decision.accepted,
        "exit_code": int(decision.exit_code),
        "summary": summary(decision),
        "notice": _notice(decision),
        "evidence": [evidence_entry(verdict) for verdict in decision.verdicts],
        **msgspec.to_builtins(decision),
        "verdicts": [as_data(verdict) for verdict in decision.verdicts],
    }
    return _indented(data)


def undecided(gate: str) -> bytes:
    """Return what stands at ``--decision-out`` until there is a decision: it accepts nothing."""
    data = {
        "schema": DECISION_SCHEMA,
        "accepted": False,
        "exit_code": int(Exit.INCONCLUSIVE),
        "summary": f"INCONCLUSIVE  {gate} gate: not finished  exit {int(Exit.INCONCLUSIVE)}",
        "notice": NOT_A_DECISION,
        "evidence": [],
        "gate": gate,
    }
    return _indented(data).encode()


def _notice(decision: Decision) -> str:
    if decision.dry_run or decision.loosened:
        return NOT_RELEASE
    return "" if decision.is_release_decision else NOT_A_DECISION


def _indented(data: dict[str, object]) -> str:
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n"
