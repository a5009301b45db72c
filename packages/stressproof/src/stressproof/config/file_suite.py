"""What a file's profiles and ``[gate]`` ask of stress evidence: floors, limits, endpoints."""

from typing import TYPE_CHECKING

from stressproof.config.amounts import duration_us
from stressproof.config.gate_floors import closed_users, window_us
from stressproof.config.plans import PlanReader
from stressproof.config.profile import AD_HOC_ERRORS_PERCENT, Profile
from stressproof.config.records import record_of, scenario_record
from stressproof.config.stress_requirements import StressRequirements, WorkloadAsked
from stressproof.workload.rates import US_PER_S

if TYPE_CHECKING:
    from stressproof.config.compile import Project

_TIMEOUT_US = 15 * US_PER_S
_USERS_PERCENT = 90
_HOUR_US = 3600 * US_PER_S


def file_profiles(project: "Project") -> tuple[Profile, ...]:
    """Return the profiles of a file, as they are written."""
    reader = PlanReader(project.plan, None)
    return tuple(
        Profile(name=name, endpoints=(), scenarios=reader.scenarios(load))
        for name, load in project.plan.profiles.items()
    )


def file_requirements(project: "Project") -> tuple[StressRequirements, ...]:
    """Return what is asked of evidence of each profile, the gate's first."""
    found = [_requirements(project, profile) for profile in file_profiles(project)]
    return tuple(sorted(found, key=lambda one: one.profile != project.gate_profile))


def _requirements(project: "Project", profile: Profile) -> StressRequirements:
    """Floors of the gate's own profile are the gate's; others are held to what they ask."""
    load, gate = project.plan.profiles[profile.name], project.gate
    gated = project.gate_profile == profile.name
    users = max(closed_users(profile.scenarios) * _USERS_PERCENT // 100, 1)
    urls = project.plan.target_urls
    least_us = duration_us(gate.duration) if gated else None
    if least_us is None:
        ends = all(one.executor.iterations is not None for one in profile.scenarios)
        least_us = 0 if ends else window_us(profile.scenarios)
    patience_us = duration_us(load.timeout) or _TIMEOUT_US
    limits = project.limits
    records = [record_of(item, one) for one in profile.scenarios for item in one.items]
    return StressRequirements(
        profile=profile.name,
        min_rounds=(gate.rounds if gated else None) or load.rounds,
        min_duration_seconds=least_us // US_PER_S,
        min_concurrent_users=(gate.users if gated else None) or users,
        max_p95_seconds=(
            patience_us / US_PER_S if limits.max_p95_seconds is None else limits.max_p95_seconds
        ),
        max_error_rate_percent=(
            AD_HOC_ERRORS_PERCENT
            if limits.max_error_rate_percent is None
            else limits.max_error_rate_percent
        ),
        min_throughput_rps=limits.min_throughput_rps or 0.0,
        gate_max_age_hours=(duration_us(gate.max_age) or 0) / _HOUR_US,
        required_endpoints=(gate.required if gated else ())
        or tuple(dict.fromkeys(record.name for record in records)),
        profile_endpoints=tuple(records),
        profile_scenarios=tuple(scenario_record(one) for one in profile.scenarios),
        profile_workload=WorkloadAsked(
            rounds=load.rounds,
            pause_seconds=(duration_us(load.pause) or 0) / US_PER_S,
            timeout_us=patience_us,
            seed=load.seed,
        ),
        gate_target_names={name: urls[name] for name in gate.target or urls},
    )
