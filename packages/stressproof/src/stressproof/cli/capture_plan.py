"""From the flags of a capture to its plan."""

import os
from collections.abc import Container, Mapping
from ipaddress import ip_address
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from stressproof.capture.file_plan import as_target, plan_file
from stressproof.capture.plan import US_PER_S, Plan, PreflightPlan, plan_capture
from stressproof.cli.capture_load import executor_from
from stressproof.cli.capture_request import Asked, asked_for, headers_of
from stressproof.cli.suite_choice import chosen_project, chosen_suite
from stressproof.config.compile import Project, load_config
from stressproof.config.environment import filled
from stressproof.config.executor_facts import changed
from stressproof.config.plan_file import inherited
from stressproof.config.plan_tables import ProfileTable
from stressproof.config.plans import amounts_of
from stressproof.config.profile import AD_HOC, AD_HOC_ERRORS_PERCENT, Profile
from stressproof.config.schema import FILE_NAME
from stressproof.errors import UsageError
from stressproof.evidence.results import Thresholds
from stressproof.objectives.objectives import Objectives
from stressproof.objectives.syntax import did_you_mean
from stressproof.suite import PLAIN, Suite
from stressproof.workload.executors import Executor
from stressproof.workload.target import origin_of, split_url

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_PROFILE = "health"


def objectives_from(options: Mapping[str, Any]) -> Objectives:
    """Return what is asked beyond the three limits: a file's objectives, then the flags'.

    Raises:
        UsageError: Something in them cannot be meant.
    """
    named = options["target"] is not None or options["endpoints"]
    asks_all = options["config"] is not None or options["profile"] is not None or not named
    project = _file(options)
    found = project.beyond_limits if asks_all else Objectives()
    own = _own_profile(project, options)
    if own is not None:
        found = found.with_more(project.profile_thresholds[own])
    return found.with_thresholds(options["threshold_texts"])


def _file(options: Mapping[str, Any]) -> Project:
    """Return the file that is named, or that of the working directory."""
    return chosen_project() if options["config"] is None else load_config(options["config"])


def _service(file: Project) -> Project:
    """Return the file that says whom to ask, and how.

    One that is named for its limits and objectives alone leaves that to the working directory's.
    """
    says = file.suite or file.plan.profiles or file.plan.target_urls
    return file if says else chosen_project()


def plan_from(runner: str, options: dict[str, Any], *, scripted: bool) -> Plan:
    """Return the plan that the flags describe.

    Args:
        runner: What runs this, as evidence names it.
        options: The flags by their names.
        scripted: Whether a script of the protocol runs this: then a path alone is asked as the
            protocol asks it, for 200 and JSON, under the limits of its profile.

    Raises:
        UsageError: Flags contradict each other.
    """
    project = _file(options)
    own = _own_profile(project, options)
    if own is not None:
        return _file_plan(project, own, runner, options)
    service = _service(project)
    asked, suite, profile = _chosen(service, options, scripted=scripted)
    if profile is AD_HOC:
        limits = Thresholds(options["timeout_us"] / US_PER_S, AD_HOC_ERRORS_PERCENT, 0.0)
    else:
        limits = suite.limits(profile.name)
    plan = plan_capture(
        asked.url,
        suite,
        profile,
        endpoints=asked.endpoints,
        headers=asked.headers,
        executor=executor_from(options),
        rounds=options["rounds"],
        pause_seconds=options["pause_us"] / US_PER_S,
        timeout_us=options["timeout_us"],
        thresholds=_limits(options).instead_of(project.limits.instead_of(limits)),
        runner=runner,
        workers=_workers(options["workers"]),
        seed=options["seed"],
        preflight=_preflight(options),
    )
    target = options["target_name"] or ""
    if service.plan.target_of(target).url and not (options["url"] or options["target"]):
        plan = as_target(plan, service, target, os.environ, is_named=True)
    return _connected(plan, options)


def _chosen(
    project: Project, options: dict[str, Any], *, scripted: bool
) -> tuple[Asked, Suite, Profile]:
    """Return what is asked, the suite that says how, and the profile that it is part of."""
    target = project.plan.target_of(options["target_name"] or "")
    url = filled(target.url, os.environ) if target.url else DEFAULT_URL
    name = options["profile"] or (DEFAULT_PROFILE if scripted else None)
    if name is None:
        asked = asked_for(options, default_url=url, known=frozenset())
        if asked.endpoints:
            # A suite that merely is installed is about another service: it would be asked for
            # pages that it does not have, and with a token that is none of its affair.
            return asked, chosen_suite(project) if project.suite else PLAIN, AD_HOC
        name = DEFAULT_PROFILE
    suite = chosen_suite(project)
    profile = _profile_of(suite, name, project)
    known = frozenset(one.path for one in profile.endpoints)
    asked = asked_for(options, default_url=url, known=_Everything() if scripted else known)
    return asked, suite, profile


def _profile_of(suite: Suite, name: str, project: Project) -> Profile:
    """Return a suite's profile; where there is none, the file's own are offered as well."""
    own, of_suite = sorted(project.plan.profiles), suite.profile_table()
    if name in of_suite:
        return of_suite[name]
    file = f"The file has {', '.join(own)}" if own else f"No {FILE_NAME} here has profiles"
    known = f"{file}; the suite {suite.name} has {', '.join(of_suite)}."
    near = did_you_mean(name, (*own, *of_suite))
    raise UsageError(f"there is no profile {name!r}", hint=near or known)


def _own_profile(project: Project, options: Mapping[str, Any]) -> str | None:
    """Return the profile of the project's file that is asked, None where it is another's.

    Where nothing is named, it is the gate's, or the only one.
    """
    profiles = project.plan.profiles
    if options["profile"] is not None:
        return options["profile"] if options["profile"] in profiles else None
    named = options["endpoints"] or (options["target"] and split_url(options["target"])[1] != "/")
    if not profiles or named:
        return None
    if project.gate.profile:
        return project.gate.profile
    if len(profiles) == 1:
        return next(iter(profiles))
    raise UsageError(
        f"the file has {len(profiles)} profiles, and none is named",
        hint=f"Name one: --profile {next(iter(profiles))}.",
    )


_AMOUNTS = ("executor", "users", "rate", "stages", "iterations", "duration_us", "ramp_us")


def _executor_of(load: ProfileTable, said: Mapping[str, Any]) -> Executor | None:
    """Return the executor of a profile of which flags change something, None where none does."""
    if not said:
        return None
    [*scenarios] = load.scenario.values()
    table = inherited(load, scenarios[0]) if scenarios else load
    return executor_from(changed(amounts_of(table), said), ramp_us=0)


def _file_plan(project: Project, profile: str, runner: str, options: dict[str, Any]) -> Plan:
    """Return the plan of a profile of the file, with what the flags change of it."""
    context = click.get_current_context()

    def given(name: str) -> Any:
        source = context.get_parameter_source(name)
        return options[name] if source is ParameterSource.COMMANDLINE else None

    amounts = {name: given(name) for name in (*_AMOUNTS, "max_vus")}
    said = {name: value for name, value in amounts.items() if value is not None}
    plan = plan_file(
        project,
        profile,
        os.environ,
        runner=runner,
        target=options["target_name"] or "",
        url=options["url"] or options["target"],
        headers=headers_of(options["headers"]),
        executor=_executor_of(project.plan.profiles[profile], said),
        rounds=given("rounds"),
        pause_us=given("pause_us"),
        timeout_us=given("timeout_us"),
        seed=options["seed"],
        workers=_workers(options["workers"]),
        preflight=_preflight(options),
        default_url=DEFAULT_URL,
    )
    limits = _limits(options).instead_of(plan.thresholds)
    plan = msgspec.structs.replace(plan, thresholds=limits)
    return _connected(plan, options)


def _connected(plan: Plan, options: Mapping[str, Any]) -> Plan:
    """Return a plan with what the flags say of how its service is reached.

    Evidence then names no target: who says otherwise does not ask as the file does.
    """
    connecting = {
        "ca_file": options["ca_file"],
        "cert_file": options["cert"],
        "key_file": options["key"],
        "insecure": options["insecure"] or None,
        "address": _address(plan.url, options["resolve"]),
        "http2": options["http2"] or None,
    }
    said = {name: value for name, value in connecting.items() if value is not None}
    return msgspec.structs.replace(
        plan,
        target_name=None if said else plan.target_name,
        connecting=msgspec.structs.replace(plan.connecting, **said),
    )


def _preflight(options: Mapping[str, Any]) -> PreflightPlan:
    return PreflightPlan(
        enabled=not options["skip_preflight"],
        allow_failures=options["allow_preflight_failures"],
        attempts=options["preflight_attempts"],
        timeout_seconds=options["preflight_timeout_us"] / US_PER_S,
    )


class _Everything(Container[str]):
    """A set that holds every path."""

    def __contains__(self, item: object) -> bool:
        return isinstance(item, str)


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
    if not _is_address(address):
        raise UsageError(
            f"--resolve {resolve!r} names no address for {origin.host}:{origin.port}",
            hint=f"Write the address alone, or {origin.host}:{origin.port}:ADDRESS.",
        )
    if _is_address(origin.host) and address != origin.host:
        raise UsageError(
            f"--resolve {resolve!r} leads elsewhere than {origin.host}, which is an address",
            hint="Name that address in the URL, or a host that --resolve finds.",
        )
    return address


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _limits(options: Mapping[str, Any]) -> Thresholds:
    """Return the limits that flags state; 0 is one like any other, and only an absent flag none."""
    p95_us, least_rps = options["p95_target_us"], options["min_throughput"]
    return Thresholds(
        max_p95_seconds=None if p95_us is None else p95_us / US_PER_S,
        max_error_rate_percent=options["max_error_rate"],
        min_throughput_rps=None if least_rps is None else float(least_rps),
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
