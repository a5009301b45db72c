"""What decided the load, of the project: the files that evidence names are those of the commit."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from stressproof.config.plan_file import PlanFile
from stressproof.evidence.workload import WorkloadFile
from stressproof.failures.spec import ScenarioSpec
from stressproof.gate.checkout import Checkout
from stressproof.verify.rule import Judgement, prose

_ELSEWHERE = "/"


def needed_files(plan: PlanFile, profile: str) -> Iterator[tuple[str, str]]:
    """Yield role and path of each file without which a profile of the file was not run."""
    load = plan.profiles.get(profile)
    if load is None:
        return
    for table in plan.data.values():
        yield "data", table.file
    for scenario in (load, *load.scenario.values()):
        for flow in scenario.flow:
            yield "flow", flow.run.rpartition(":")[0]
        for request in scenario.request:
            if request.body_file is not None:
                yield "body", request.body_file
            for part in (request.multipart or {}).values():
                if not isinstance(part, str):
                    yield "body", part.file


def generated_files(plan: PlanFile, profile: object) -> list[str]:
    """Return the tables that a profile of the file takes from and no commit holds, for people."""
    if profile not in plan.profiles:
        return []
    return [f"{table.file} (generated)" for table in plan.data.values() if table.generated]


def judge_files(
    files: list[WorkloadFile],
    plan: PlanFile,
    profile: str,
    checkout: Checkout,
    judgement: Judgement,
) -> None:
    """Compare what evidence names with the working tree, which another rule holds to the commit.

    A table that is ``generated`` is no part of the commit (`generated_files` tells who reads the
    decision); its file in another role is.
    """
    generated = {table.file for table in plan.data.values() if table.generated}
    listed = {(file.role, file.path) for file in files}
    for role, path in needed_files(plan, profile):
        judgement.check(
            (role, path) in listed, "workload.files", prose("not there"), f"{path} ({role})"
        )
    for number, file in enumerate(files):
        where = f"workload.files[{number}].sha256"
        if file.role == "data" and file.path in generated:
            judgement.passed()
            continue
        if file.path.startswith(_ELSEWHERE) or ".." in file.path.split("/"):
            judgement.inconclusive(
                where, file.path, prose("a file of the checkout"), "Keep what flows import in it."
            )
            continue
        if not checkout.holds(file.path):
            judgement.inconclusive(where, prose(f"{file.path}: not in HEAD"), prose("a file of it"))
            continue
        try:
            own = sha256((Path(checkout.root) / file.path).read_bytes()).hexdigest()
        except OSError as error:
            judgement.inconclusive(
                where, prose(f"{file.path}: {error.strerror}"), prose("a file of the commit")
            )
            continue
        judgement.check(file.sha256 == own, where, file.sha256, own)


def judge_failure_files(
    scenarios: Iterable[ScenarioSpec], checkout: Checkout, judgement: Judgement
) -> None:
    """Demand that the commit has what failures are made of; their digests are of the scenarios."""
    for path in sorted({path for one in scenarios for path in one.files}):
        if checkout.holds(path):
            judgement.passed()
        else:
            judgement.inconclusive(
                "scenarios", prose(f"{path}: not in HEAD"), prose("a file of the commit")
            )
