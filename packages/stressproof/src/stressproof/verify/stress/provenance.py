"""Where the figures come from: which database was reached, which build was measured."""

from stressproof.verify.rule import Judgement, prose, rule
from stressproof.verify.stress.case import StressCase
from stressproof.verify.stress.document import RECAPTURE

_HEALTHY = 200
_SAYS_WELL = frozenset({"healthy", "ok", "up", "pass", "unknown"})


@rule(
    "stress.legacy",
    clause="protocol 7; protocol, Release rule",
    title="The artifact states the database engine that the load reached",
    remedy=RECAPTURE,
)
def legacy(case: StressCase, judgement: Judgement) -> None:
    """``runtime.database_engine`` is there; artifacts from before it are no release evidence."""
    if case.requirements.database_engine is None:
        judgement.skip("no database engine is required")
        return
    runtime = case.data.get("runtime")
    there = isinstance(runtime, dict) and "database_engine" in runtime
    judgement.check(
        there,
        "runtime.database_engine",
        prose("absent: a legacy artifact from before runtime provenance"),
        case.requirements.database_engine,
    )


@rule(
    "stress.engine",
    clause="protocol 7",
    title="The load reached the required database engine",
    remedy="Run the service on the required database, then capture again.",
)
def engine(case: StressCase, judgement: Judgement) -> None:
    """``runtime.database_engine`` is exactly the required one."""
    wanted, runtime = case.requirements.database_engine, case.declared.runtime
    if wanted is None:
        judgement.skip("no database engine is required")
        return
    if runtime is None or runtime.database_engine is None:
        judgement.skip("runtime.database_engine is not there")
        return
    seen = runtime.database_engine
    judgement.check(seen == wanted, "runtime.database_engine", seen, wanted)


@rule(
    "stress.engine-source",
    clause="protocol 7 (requirement engine_sources)",
    title="How the engine's name is known is said, and good enough",
    remedy="Let the service answer /health with what its database says of itself.",
)
def engine_source(case: StressCase, judgement: Judgement) -> None:
    """``runtime.database_engine_source``, where given, is an accepted one."""
    runtime = case.declared.runtime
    if runtime is None or runtime.database_engine_source is None:
        judgement.skip("a plain artifact does not say how it knows the engine")
        return
    seen, accepted = runtime.database_engine_source, case.requirements.engine_sources
    judgement.check(
        seen in accepted,
        "runtime.database_engine_source",
        seen,
        prose(" or ".join(accepted)),
    )


@rule(
    "stress.probe",
    clause="protocol 7",
    title="The health endpoint answered the question for the engine",
    remedy="Make /health of the service work, then capture again.",
)
def probe(case: StressCase, judgement: Judgement) -> None:
    """Where the probe's status or error is given, it was a success."""
    runtime = case.declared.runtime
    if runtime is None:
        judgement.skip("runtime is not there")
        return
    if runtime.health_status_code is not None:
        code = runtime.health_status_code
        judgement.check(code == _HEALTHY, "runtime.health_status_code", code, _HEALTHY)
    if runtime.status is not None:
        judgement.check(
            runtime.status in _SAYS_WELL, "runtime.status", runtime.status, prose("healthy")
        )
    if runtime.probe_error is not None:
        judgement.check(
            runtime.probe_error == "", "runtime.probe_error", runtime.probe_error, prose("none")
        )


RULES = (legacy, engine, engine_source, probe)
