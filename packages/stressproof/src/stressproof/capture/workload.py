"""From a capture's plan to the generator's workload."""

import msgspec

from stressproof.capture.credentials import Credential
from stressproof.capture.plan import Plan
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload


def build_workload(plan: Plan, credential: Credential | None) -> Workload:
    """Return what the generator is to send; tokens go into headers and nowhere else."""
    given = {name.lower() for name in plan.headers}
    headers = {"Accept": "application/json"} if "accept" not in given else {}
    headers |= plan.headers
    endpoints = plan.endpoints
    if credential is not None and "authorization" not in given:
        headers["Authorization"] = f"Bearer {credential.token}"
        if plan.all_tenants and credential.others:
            tokens = (credential.token, *credential.others)
            rotation = tuple({"Authorization": f"Bearer {token}"} for token in tokens)
            endpoints = tuple(msgspec.structs.replace(one, rotate=rotation) for one in endpoints)
    return Workload.of(
        Target(url=plan.url, headers=headers, **msgspec.structs.asdict(plan.connecting)),
        endpoints,
        plan.executor,
        timeout_us=plan.timeout_us,
        seed=plan.seed,
    )
