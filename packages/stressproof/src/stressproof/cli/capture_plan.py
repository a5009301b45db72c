"""From the flags of a capture to its plan."""

import os
from collections.abc import Sequence
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from stressproof.capture.plan import US_PER_S, Connecting, Plan, PreflightPlan, plan_capture
from stressproof.config.compile import load_config
from stressproof.errors import UsageError
from stressproof.evidence.stress import Thresholds
from stressproof.objectives.objectives import Objectives
from stressproof.suite import Suite
from stressproof.workload.executors import (
    ConstantArrivalRate,
    ConstantVus,
    Executor,
    PerVuIterations,
    RampingArrivalRate,
    RampingVus,
    SharedIterations,
    Stage,
)
from stressproof.workload.rates import with_time_unit
from stressproof.workload.target import origin_of

EXECUTORS = (
    "constant-vus",
    "ramping-vus",
    "constant-arrival-rate",
    "ramping-arrival-rate",
    "shared-iterations",
    "per-vu-iterations",
)


def objectives_from(config: Path | None, texts: Sequence[str]) -> Objectives:
    """Return what is asked beyond the three limits: a file's objectives, then the flags'.

    Raises:
        UsageError: Something in them cannot be meant.
    """
    objectives = Objectives() if config is None else load_config(config).objectives
    return objectives.with_thresholds(texts)


def plan_from(runner: str, suite: Suite, options: dict[str, Any]) -> Plan:
    """Return the plan that the flags describe.

    Raises:
        UsageError: Flags contradict each other.
    """
    limits = suite.stress_requirements(options["profile"]).thresholds
    return plan_capture(
        options["url"],
        suite,
        options["profile"],
        endpoints=options["endpoints"],
        executor=_executor(options),
        rounds=options["rounds"],
        pause_seconds=options["pause"],
        timeout_us=round(options["timeout"] * US_PER_S),
        thresholds=_thresholds(limits, options),
        runner=runner,
        workers=_workers(options["workers"]),
        seed=options["seed"],
        preflight=PreflightPlan(
            enabled=not options["skip_preflight"],
            allow_failures=options["allow_preflight_failures"],
            attempts=options["preflight_attempts"],
            timeout_seconds=options["preflight_timeout"],
        ),
        connecting=Connecting(
            ca_file=options["ca_file"],
            cert_file=options["cert"],
            key_file=options["key"],
            insecure=options["insecure"],
            address=_address(options["url"], options["resolve"]),
            http2=options["http2"],
        ),
    )


def _address(url: str, resolve: str | None) -> str | None:
    """Return the numeric address that ``--resolve`` pins, as itself or in curl's words.

    Raises:
        UsageError: It is none, or one of another host or port.
    """
    if resolve is None:
        return None
    origin = origin_of(url)
    text = resolve.removeprefix(f"{origin.host}:{origin.port}:")
    address = text.removeprefix("[").removesuffix("]") if text.startswith("[") else text
    try:
        ip_address(address)
    except ValueError as error:
        raise UsageError(
            f"--resolve {resolve!r} names no address for {origin.host}:{origin.port}",
            hint=f"Write the address alone, or {origin.host}:{origin.port}:ADDRESS.",
        ) from error
    return address


def _executor(options: dict[str, Any]) -> Executor:
    """Return the executor that the flags describe; flags that mean nothing to it are refused."""
    name = options["executor"]
    _check_flags(name, options)
    duration_us = options["duration"] * US_PER_S
    ramp_us = options["ramp"] * US_PER_S
    users = options["users"]
    rates: list[Fraction] = [target for target, _ in options["stages"]]
    if not name.endswith("arrival-rate"):
        stages = _stages(_whole(rates), options)
    match name:
        case "constant-vus":
            return ConstantVus(users=users, duration_us=duration_us, ramp_us=ramp_us)
        case "ramping-vus":
            return RampingVus(users=users, stages=stages, ramp_us=ramp_us)
        case "shared-iterations":
            iterations = options["iterations"]
            return SharedIterations(users=users, iterations=iterations, duration_us=duration_us)
        case "per-vu-iterations":
            iterations = options["iterations"]
            return PerVuIterations(users=users, iterations=iterations, duration_us=duration_us)
    (rate, *targets), time_unit_us = with_time_unit([options["rate"], *rates])
    max_users = options["max_vus"] or users
    if name == "constant-arrival-rate":
        return ConstantArrivalRate(rate, duration_us, max_users, ramp_us, time_unit_us)
    return RampingArrivalRate(rate, _stages(targets, options), max_users, ramp_us, time_unit_us)


def _stages(targets: Sequence[int], options: dict[str, Any]) -> tuple[Stage, ...]:
    """Return stages that reach some targets in the times that the flags name."""
    times = [duration_us for _, duration_us in options["stages"]]
    return tuple(
        Stage(target=target, duration_us=round(duration_us))
        for target, duration_us in zip(targets, times, strict=True)
    )


def _whole(users: Sequence[Fraction]) -> list[int]:
    for one in users:
        if one.denominator != 1:
            raise UsageError(
                f"a stage's target is {float(one):g} users", hint="Name whole users, as 100:30s."
            )
    return [int(one) for one in users]


def _check_flags(executor: str, options: dict[str, Any]) -> None:
    """Refuse flags that an executor needs and lacks, or has and cannot use."""
    belongs = {
        "--rate": executor.endswith("arrival-rate"),
        "--stage": executor.startswith("ramping"),
        "--iterations": executor.endswith("iterations"),
    }
    given = {
        "--rate": options["rate"] is not None,
        "--stage": bool(options["stages"]),
        "--iterations": options["iterations"] is not None,
    }
    for flag, wanted in belongs.items():
        if given[flag] and not wanted:
            raise UsageError(
                f"{flag} means nothing to --executor {executor}",
                hint="Leave it out, or choose the executor that it belongs to.",
            )
        if wanted and not given[flag]:
            raise UsageError(f"--executor {executor} needs {flag}", hint=f"Add {flag}.")


def _thresholds(default: Thresholds, options: dict[str, Any]) -> Thresholds:
    """Return the limits: an explicit one replaces its own default and no other."""

    def limit(name: str, otherwise: float | None) -> float | None:
        # 0 is a limit like any other: only an absent flag leaves the default.
        explicit: float | None = options[name]
        return otherwise if explicit is None else float(explicit)

    return Thresholds(
        max_p95_seconds=limit("p95_target", default.max_p95_seconds),
        max_error_rate_percent=limit("max_error_rate", default.max_error_rate_percent),
        min_throughput_rps=limit("min_throughput", default.min_throughput_rps),
    )


def _workers(text: str) -> int:
    if text == "auto":
        return os.cpu_count() or 1
    if text.isascii() and text.isdigit() and 1 <= int(text) <= (os.cpu_count() or 1) * 4:
        return int(text)
    raise UsageError(
        f"--workers {text!r} is neither auto nor a number from 1 to four a core",
        hint="One worker serves a target on this machine; auto is one a core.",
    )
