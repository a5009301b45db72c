"""Failure scenarios as a document, from the data that is run and verified."""

import textwrap
from collections.abc import Sequence

from stressproof.failures.checks import CHECKS
from stressproof.failures.fault_kinds import demanded_witnesses, limits_of, told
from stressproof.failures.spec import CheckSpec, FaultSpec, ScenarioSpec, WitnessSpec
from stressproof.report.check_groups import check_groups, text

_METHOD = """\
Every scenario runs twice under load at an open rate: once without a fault, which is the baseline,
and once with its faults. Each fault goes steady load → fault → healing, proven by a direct
connection → recovery, watched. In the end everything whose outcome is unknown is asked again, and
the database is read directly.

* An operation ends **ok** (acknowledged), **fail** (surely without effect) or **unknown**. A
  timeout, a disconnect after the request was sent and a 5xx are unknown, never fail.
* A fault without its **witness** is INCONCLUSIVE, whatever else holds. So is a check that looked
  at nothing, and a *sometimes* that never happened.
* **RTO_user** runs from the fault's effect, so it includes the outage; **RTO_service** from
  healing: it is the service's own part. Both end where the first good window begins.
* A scenario passes where every check of both its trials passes; `verify` recomputes all of that
  from the operations, effects and witnesses in the artifact.

What these faults are not:
"""


def render(introduction: str, scenarios: Sequence[ScenarioSpec]) -> str:
    """Return the document.

    Args:
        introduction: Its title, and what is injected into what by which command.
        scenarios: In order.
    """
    parts = [
        introduction,
        _METHOD,
        *(_wrapped(limit, "* ", "  ") for limit in limits_of(scenarios)),
        "",
    ]
    for spec in scenarios:
        parts += _scenario(spec)
    return "\n".join(parts).rstrip() + "\n"


def _scenario(spec: ScenarioSpec) -> list[str]:
    lines = [f"## {spec.id}: {spec.title}", "", spec.question, ""]
    lines += ["| fault | injected | lasts | witness | RTO_service |", "|---|---|---|---|---|"]
    lines += [_fault(fault) for fault in spec.faults]
    lines += ["", f"Load: {spec.rate_per_s} requests a second throughout.", "", "Must hold:", ""]
    lines += _checks([one for one in spec.checks if not CHECKS[one.id].sometimes])
    sometimes = [check for check in spec.checks if CHECKS[check.id].sometimes]
    if sometimes:
        lines += ["", "Must happen, or nothing was proven:", ""]
        lines += _checks(sometimes)
    lines += ["", "Asked of the database, directly:", ""]
    lines += [_wrapped(f"`{query.id}`: {query.title}.", "* ", "  ") for query in spec.invariants]
    return [*lines, ""]


def _fault(fault: FaultSpec) -> str:
    lasts = f"{fault.lasts_us / 1e6:g} s"
    witness = "; ".join(_witness(one) for one in demanded_witnesses(fault))
    rto = f"≤ {fault.objectives.rto_service_us / 1e6:g} s"
    return f"| `{fault.id}` | {told(fault)} | {lasts} | {witness} | {rto} |"


def _witness(witness: WitnessSpec) -> str:
    return witness.name if witness.needs == 1 else f"{witness.name}, {witness.needs} at least"


def _checks(checks: Sequence[CheckSpec]) -> list[str]:
    """Return a line for each different check, with all faults and kinds that it is about."""
    lines = []
    for group in check_groups(checks):
        each = "each kind of" if len(group.kinds) > 1 else "kind"
        kinds = [f"{each} {_listed(group.kinds)}"] if group.kinds else []
        given = "; ".join([*kinds, *(f"{name} `{text(value)}`" for name, value in group.asked)])
        where = f" Under {_listed(group.faults)}." if group.faults else ""
        detail = f" With {given}." if given else ""
        lines.append(_wrapped(f"`{group.name}`: {group.says}.{where}{detail}", "* ", "  "))
    return lines


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _wrapped(text: str, first: str, rest: str) -> str:
    return textwrap.fill(
        text,
        width=100,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
