"""Failure scenarios that could never come out: what they ask follows from their own numbers."""

from collections.abc import Iterator

import msgspec

from stressproof.config.mistakes import Mistake
from stressproof.config.positions import Place
from stressproof.failures.parameters import S
from stressproof.failures.sendings import stream_per_s
from stressproof.failures.spec import ScenarioSpec
from stressproof.workload.rates import duration_text

MOST_OPERATIONS = 250_000
"""Of all scenarios of a file: what one artifact holds."""


def expected_us(scenario: ScenarioSpec) -> int:
    """Return how long both trials are asked for, without what starts and ends them."""
    each = sum(fault.lasts_us + fault.watch_us for fault in scenario.faults)
    return 2 * scenario.steady_us + each


def expected_operations(scenario: ScenarioSpec) -> int:
    """Return how many requests both trials send at their rates, without what is asked again."""
    flooded = sum(stream_per_s(one) * one.lasts_us for one in scenario.faults)
    beside = sum(sum(request.sent) for request in scenario.requests)
    return (scenario.rate_per_s * expected_us(scenario) + flooded) // S + beside


def senseless(scenario: ScenarioSpec, place: Place) -> Iterator[Mistake]:
    """Yield why a scenario could never pass, or never be kept.

    Args:
        scenario: Right in all its parts.
        place: Where it stands.
    """
    rate, good = scenario.rate_per_s, scenario.faults[0].objectives  # the same window for all
    arrivals = rate * good.window_us // S
    window = duration_text(good.window_us)
    if arrivals < good.window_operations:
        yield Mistake(
            (*place, "good"),
            f"a good window of {window} has {arrivals} requests at {rate}/s, and needs "
            f"{good.window_operations}",
            "Ask at a higher rate, for a longer window, or for fewer operations.",
        )
    for at, fault in enumerate(scenario.faults):
        good = fault.objectives
        if good.rto_service_us + good.window_us > fault.watch_us:
            least_us = good.rto_service_us + good.window_us + S
            yield Mistake(
                (*place, "fault", at),
                f"recovery is watched for {duration_text(fault.watch_us)}, and a good window of "
                f"{window} may begin after {duration_text(good.rto_service_us)}",
                f'Write watch = "{duration_text(least_us)}" or more.',
            )
    operations = expected_operations(scenario)
    if operations > MOST_OPERATIONS:
        yield Mistake(
            place,
            f"these are some {operations:,} requests, and evidence holds {MOST_OPERATIONS:,}",
            "Ask at a lower rate, or break things for a shorter time.",
        )
    try:
        msgspec.convert(msgspec.to_builtins(scenario), ScenarioSpec)
    except msgspec.ValidationError as error:
        yield Mistake(place, f"evidence cannot hold this: {error}", "Write it shorter.")
