"""Checks that could never come out one way: what they ask follows from the rest of the file."""

from collections.abc import Mapping, Sequence

from stressproof.config.failures.code_patterns import chosen
from stressproof.errors import UsageError
from stressproof.evidence.failure import Parameter
from stressproof.failures.checks import DISTURBED, RETRIED
from stressproof.failures.spec import CheckSpec, FaultSpec, RequestSpec
from stressproof.workload.rates import duration_text


def demand_sense(
    check: CheckSpec, fault: FaultSpec | None, requests: Sequence[RequestSpec], timeout_us: int
) -> None:
    """Refuse a check that cannot fail, or that can only be inconclusive.

    Args:
        check: With all its parameters.
        fault: The one that it is about, None for the whole trial.
        requests: Of the scenario; none where they could not be read.
        timeout_us: After which a request is given up.

    Raises:
        UsageError: It is one of these.
    """
    given = check.parameters
    codes = given.get("codes", ())
    if check.id == "answered_in" and _number(given, "within_us") >= timeout_us:
        raise UsageError(
            f"this cannot fail: a request is given up after {duration_text(timeout_us)}",
            hint="Write a shorter time, or give the profile a longer timeout.",
        )
    if check.id == "only" and isinstance(codes, tuple) and "*" in codes:
        raise UsageError("this cannot fail: * is every answer", hint="Name those that may be.")
    if check.id == "happens" and codes == (DISTURBED,) and fault is None:
        raise UsageError(
            f"{DISTURBED} is said of a fault", hint="Name it: during = [a fault's id]."
        )
    asks = check.id == "one_wins" or (check.id == "happens" and codes == (RETRIED,))
    if asks and requests and not _asks_for_effects(check, requests):
        raise UsageError(
            "none of these requests asks for an effect: there is nothing to win, or to ask again",
            hint="Write {{effect}} into them, or look at others.",
        )
    if fault is not None:
        _demand_time(check, fault)


def _demand_time(check: CheckSpec, fault: FaultSpec) -> None:
    """Refuse a check that looks at none of a fault's time."""
    settle_us, after_us = (_number(check.parameters, name) for name in ("settle_us", "after_us"))
    if settle_us >= fault.lasts_us:
        raise UsageError(
            f"{fault.id} lasts {duration_text(fault.lasts_us)}, and nothing of it is looked at",
            hint="Write a shorter settle.",
        )
    if after_us >= fault.watch_us:
        raise UsageError(
            f"{fault.id} is watched for {duration_text(fault.watch_us)}, and this looks at what "
            f"begins {duration_text(after_us)} after healing",
            hint=f'Write watch = "{duration_text(after_us + 3_500_000)}" for the fault.',
        )


def _asks_for_effects(check: CheckSpec, requests: Sequence[RequestSpec]) -> bool:
    patterns = check.parameters.get("of", ())
    try:
        return any(
            one.keyed
            for pattern in (patterns if isinstance(patterns, tuple) else ())
            for one in chosen(pattern, requests)
        )
    except UsageError:
        return True  # told where it stands


def _number(parameters: Mapping[str, Parameter], name: str) -> int:
    value = parameters.get(name, 0)
    return value if isinstance(value, int) else 0
