"""From a capture's plan to the generator's workload."""

import msgspec

from stressproof.capture.credentials import Credential
from stressproof.capture.plan import Plan
from stressproof.errors import UsageError
from stressproof.evidence.resolution import MAX_ROUND_RESULTS
from stressproof.workload.flows import Flow
from stressproof.workload.requests import Request
from stressproof.workload.target import Target
from stressproof.workload.workload import Workload


def build_workload(plan: Plan, credential: Credential | None) -> Workload:
    """Return what the generator is to send; tokens go into headers and nowhere else.

    Raises:
        UsageError: It would make more figures than evidence can hold.
    """
    figures = len(plan.endpoints) * plan.rounds
    if figures > MAX_ROUND_RESULTS:
        raise UsageError(
            f"{len(plan.endpoints):,} endpoints in {plan.rounds} rounds make {figures:,} times "
            f"figures, and evidence that can be read holds {MAX_ROUND_RESULTS:,}",
            hint="Ask for fewer endpoints or rounds, or capture several times.",
        )
    given = {name.lower() for name in plan.headers}
    headers = {"Accept": "application/json"} if "accept" not in given else {}
    headers |= plan.headers
    scenarios = plan.scenarios
    if credential is not None and plan.auth is None and "authorization" not in given:
        headers["Authorization"] = f"Bearer {credential.token}"
        if plan.all_tenants and credential.others:
            tokens = (credential.token, *credential.others)
            rotation = tuple({"Authorization": f"Bearer {token}"} for token in tokens)
            scenarios = tuple(
                msgspec.structs.replace(
                    one, items=tuple(_rotated(item, rotation) for item in one.items)
                )
                for one in scenarios
            )
    connecting = msgspec.structs.asdict(plan.connecting)
    return Workload(
        target=Target(url=plan.url, headers=headers, auth=plan.auth, **connecting),
        scenarios=scenarios,
        tables=plan.tables,
        timeout_us=plan.timeout_us,
        seed=plan.seed,
        folder=plan.folder,
    )


def _rotated(item: Request | Flow, rotation: tuple[dict[str, str], ...]) -> Request | Flow:
    return item if isinstance(item, Flow) else msgspec.structs.replace(item, rotate=rotation)
