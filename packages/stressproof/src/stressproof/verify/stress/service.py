"""The service under load: the same one throughout, healthy, protected, and counting alike."""

from stressproof.config.stress_requirements import StressRequirements
from stressproof.evidence.level import Level
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.target import RuntimeProbe
from stressproof.verify.case import NO_ARTIFACT, instant
from stressproof.verify.instants import SECOND_US
from stressproof.verify.probes import (
    DATABASE,
    IDENTITY,
    is_unknown,
    judge_build,
    judge_durable,
    judge_healthy,
    judge_unchanged,
    judge_unsafe,
    says_nothing,
)
from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase

_RESTARTED = "Find out why the service changed during the run, then capture again."

IDENTITY_MEMBERS = ("instance_id", "version", "started_at", "uptime_seconds", "workers")
"""What says which process answers; which build it is, ``stress.target-build`` asks."""

_CLOCK_RATE_PPM = 500
"""How much faster one machine's clock may run than another's (NTP slews by as much)."""


@rule(
    "stress.same-instance",
    clause="evidence.md, Target and runtime (requirement require_identity)",
    title="The same service answered before and after, without a restart",
    remedy=_RESTARTED,
    level=Level.RECOMPUTED,
)
def same_instance(case: StressCase, judgement: Judgement) -> None:
    """Instance, build and start time agree, and the uptime grew.

    A gate that asks who the service is wants all that its health page tells, of one clock.
    """
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    before, after = case.artifact.target.before, case.artifact.target.after
    if after is None:
        judgement.inconclusive("target.after", None, prose("what the target says after the load"))
        return
    judge_unchanged("target.after", before, after, IDENTITY, judgement)
    if (before.uptime_seconds is None) != (after.uptime_seconds is None):
        where = "target.before" if before.uptime_seconds is None else "target.after"
        judgement.fail(f"{where}.uptime_seconds", None, prose("said at both times, or at neither"))
    if before.workers is not None:
        where = "target.before.workers"
        judgement.check(before.workers > 0, where, before.workers, prose("1 or more"))
    if before.uptime_seconds is not None and after.uptime_seconds is not None:
        _as_long(case.artifact, before.uptime_seconds, after.uptime_seconds, judgement)
    if case.requirements.require_identity:
        if is_unknown(before.instance_id):
            where, seen = "target.before.instance_id", before.instance_id
            judgement.inconclusive(where, seen, prose("an instance id"))
        _told(case.requirements, case.artifact, judgement)
        _of_one_clock(case.requirements, case.artifact, judgement)
    if before.instance_id is None and not case.requirements.require_identity:
        judgement.skip("the target does not say which instance it is (require_identity)")


def _told(asked: StressRequirements, artifact: StressArtifact, judgement: Judgement) -> None:
    """Everything that the service's health page tells is told, before and after the load."""
    for where, told, names in (
        ("target", artifact.target, IDENTITY_MEMBERS),
        ("runtime", artifact.runtime, DATABASE),
    ):
        for when, probe in (("before", told.before), ("after", told.after)):
            for name in asked.health_members:
                if name in names and probe is not None and is_unknown(getattr(probe, name)):
                    told_by = prose(f"a value, as {asked.health_endpoint} tells")
                    seen = getattr(probe, name)
                    judgement.inconclusive(f"{where}.{when}.{name}", seen, told_by)


def _of_one_clock(
    asked: StressRequirements, artifact: StressArtifact, judgement: Judgement
) -> None:
    """The service started as long before a probe as it then says that it is up.

    Two machines' clocks differ a little. Where they differ more, or one slept, nobody lied, but how
    long the service has been up is not known.
    """
    for when in ("before", "after"):
        target, runtime = getattr(artifact.target, when), getattr(artifact.runtime, when)
        if target is None or runtime is None or target.started_at is None:
            continue
        where = f"target.{when}.started_at"
        born, at = instant(target.started_at), instant(runtime.probed_at)
        if born is None or at is None:
            judgement.inconclusive(where, target.started_at, prose("RFC 3339 with an offset"))
            continue
        since_s, up_s = (at - born) / SECOND_US, target.uptime_seconds
        apart_s = min(since_s, 0.0) if up_s is None else since_s - up_s
        if abs(apart_s) <= asked.future_skew_seconds:
            judgement.passed()
        else:
            judgement.inconclusive(
                where,
                prose(f"{since_s:.3f} s before it was asked, beside uptime_seconds {up_s}"),
                prose(f"as long as it is up, within {asked.future_skew_seconds} s"),
            )


def _as_long(
    artifact: StressArtifact, before_s: float, after_s: float, judgement: Judgement
) -> None:
    """The uptime grew by the time between the two probes: a restart would have set it back.

    Each was read while its answer was awaited, so that the two differ by no more than the longer
    of these times, by what the service rounds away, and by how evenly two clocks run.
    """
    first, last = artifact.runtime.before, artifact.runtime.after
    begin = instant(first.probed_at)
    end = None if last is None else instant(last.probed_at)
    if begin is None or end is None or last is None:
        return
    if first.took_us is None or last.took_us is None:
        where = "runtime.before" if first.took_us is None else "runtime.after"
        judgement.fail(f"{where}.took_us", None, prose("how long the answer took"))
        return
    between_s, grown_s = (end - begin) / SECOND_US, after_s - before_s
    slack_s = max(first.took_us, last.took_us) / SECOND_US
    slack_s += _grain_s(before_s) + _grain_s(after_s) + between_s * _CLOCK_RATE_PPM / 1e6
    # A service may count its uptime by the wall clock, which may have been set meanwhile.
    readings = (between_s, between_s + artifact.clock.drift_us / SECOND_US)
    judgement.check(
        any(abs(grown_s - reading_s) <= slack_s for reading_s in readings),
        "target.after.uptime_seconds",
        prose(f"{grown_s:.3f} s more than before"),
        prose(f"{between_s:.3f} s more, the time between the probes, within {slack_s:.3f} s"),
    )


def _grain_s(uptime_s: float) -> float:
    """Return the last digit that a service tells of its uptime, a millisecond at least."""
    digits = repr(uptime_s).partition(".")[2].removesuffix("0")
    return max(10.0 ** -len(digits), 1e-3)


@rule(
    "stress.same-database",
    clause="protocol 7; evidence.md, Target and runtime",
    title="The same database was behind the service before and after",
    remedy=_RESTARTED,
    level=Level.RECOMPUTED,
)
def same_database(case: StressCase, judgement: Judgement) -> None:
    """Engine, version, system identifier, durability and migrations agree."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    before, after = case.artifact.runtime.before, case.artifact.runtime.after
    if after is None:
        judgement.inconclusive("runtime.after", None, prose("what the target says after the load"))
        return
    judge_unchanged("runtime.after", before, after, DATABASE, judgement)
    asked = case.requirements
    version = before.server_version
    if asked.require_identity and asked.database_engine and is_unknown(version):
        judgement.inconclusive("runtime.before.server_version", version, prose("a server version"))


@rule(
    "stress.healthy",
    clause="evidence.md, Target and runtime",
    title="The service was healthy before and after the load",
    remedy="Repair the service; evidence of a sick one releases nothing.",
    level=Level.RECOMPUTED,
)
def healthy(case: StressCase, judgement: Judgement) -> None:
    """Both probes were answered with 200 and ``healthy``, between start and end of the capture."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    runs, asked = artifact.runs, case.requirements
    first, last = artifact.runtime.before, artifact.runtime.after
    if says_nothing(first) and (last is None or says_nothing(last)):
        if asked.require_health or asked.require_identity:
            judgement.inconclusive("runtime.before.status", None, prose("what it says of itself"))
        judgement.skip("the target says nothing of its health (require_health)")
        return
    wanted = asked.health_endpoint
    if asked.require_identity and wanted and artifact.runtime.health_endpoint != wanted:
        seen = artifact.runtime.health_endpoint
        judgement.inconclusive("runtime.health_endpoint", seen, wanted)
    judge_healthy("runtime.before", artifact.runtime.before, judgement)
    _asked_between(
        "runtime.before.probed_at",
        artifact.runtime.before,
        (artifact.started_at, runs[0].started_at if runs else artifact.captured_at),
        judgement,
    )
    after = artifact.runtime.after
    if after is not None:  # stress.same-database says that it is not
        judge_healthy("runtime.after", after, judgement)
        _asked_between(
            "runtime.after.probed_at",
            after,
            (runs[-1].ended_at if runs else artifact.started_at, artifact.captured_at),
            judgement,
        )


def _asked_between(
    where: str, probe: RuntimeProbe, window: tuple[str, str], judgement: Judgement
) -> None:
    """A probe was asked and answered when it says: before any load, or after the last answer."""
    at, begin, end = instant(probe.probed_at), instant(window[0]), instant(window[1])
    took_us = probe.took_us or 0
    if at is None or begin is None or end is None:
        judgement.fail(where, probe.probed_at, prose("RFC 3339 with an offset"))
        return
    judgement.check(
        begin <= at <= end - took_us,
        where,
        prose(f"{probe.probed_at}, and {took_us} µs until it was answered"),
        prose(f"{window[0]} to {window[1]}"),
    )


@rule(
    "stress.unsafe",
    clause="evidence.md, Target and runtime (requirement refuse_unsafe)",
    title="The database keeps what it confirms, and no protection of the service is off",
    remedy="Run the service as in production: fsync and synchronous_commit on, nothing unsafe.",
    level=Level.RECOMPUTED,
)
def unsafe(case: StressCase, judgement: Judgement) -> None:
    """Neither fsync nor synchronous_commit is off, and ``unsafe`` is empty."""
    artifact = case.artifact
    if artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    if not case.requirements.refuse_unsafe:
        judgement.skip("recorded; the gates refuse it (refuse_unsafe)")
        return
    runtime = artifact.runtime
    judge_unsafe("runtime.unsafe", runtime.unsafe, judgement)
    judge_durable("runtime.before", runtime.before, judgement)
    judge_durable("runtime.after", runtime.after, judgement)


@rule(
    "stress.insecure",
    clause="evidence.md, Target and runtime (requirement refuse_unsafe)",
    title="The service proved who it is",
    remedy="Capture without --insecure; name the service's authority with --ca-file.",
    level=Level.RECOMPUTED,
)
def insecure(case: StressCase, judgement: Judgement) -> None:
    """The certificate of the target was verified, where there is one: ``insecure`` is false."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    if not case.requirements.refuse_unsafe:
        judgement.skip("recorded; the gates refuse it (refuse_unsafe)")
        return
    seen = case.artifact.target.insecure
    judgement.check(not seen, "target.insecure", seen, False)  # noqa: FBT003  # a value of JSON


@rule(
    "stress.target-name",
    clause="evidence.md, Target and runtime (requirement target_names)",
    title="The service is a target that the project names, as it names it",
    remedy="Name it under [targets] of stressproof.toml, and capture with --target NAME alone.",
    level=Level.RECOMPUTED,
)
def target_name(case: StressCase, judgement: Judgement) -> None:
    """A URL on a command line names none; a name goes with the URL that the file has for it."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    wanted, target = case.requirements.target_names, case.artifact.target
    if wanted is None:
        judgement.skip("no target was asked for by name; the gates of a project's file do")
        return
    known = prose(" or ".join(sorted(wanted)) or "a target, and the file names none")
    if target.name is None or target.name not in wanted:
        judgement.fail("target.name", target.name, known)
        return
    judgement.passed()
    url = wanted[target.name]
    if url:
        judgement.check(target.url == url, "target.url", target.url, url)


@rule(
    "stress.target-build",
    clause="gate.md, Which build",
    title="The service was built from the commit that is promoted",
    remedy="Deploy the commit to be released, then capture again.",
    level=Level.RECOMPUTED,
)
def target_build(case: StressCase, judgement: Judgement) -> None:
    """Where the service states its commit, it is an expected one, without local changes."""
    if case.artifact is None:
        judgement.skip(NO_ARTIFACT)
        return
    build, expected = case.artifact.target.before, case.requirements.expected_commits
    required = case.requirements.require_identity
    judge_build("target.before", build, expected, judgement, required=required)


RULES = (same_instance, same_database, healthy, unsafe, insecure, target_name, target_build)
