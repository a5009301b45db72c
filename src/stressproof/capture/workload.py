"""From a capture's plan to the generator's workload."""

from stressproof.capture.credentials import Credential
from stressproof.capture.plan import Plan
from stressproof.load.workload import Endpoint, Target, Workload


def build_workload(plan: Plan, credential: Credential | None) -> Workload:
    """Return what the generator is to send; the token goes into headers and nowhere else."""
    headers = {"Accept": "application/json"}
    if credential is not None:
        headers["Authorization"] = f"Bearer {credential.token}"
    return Workload(
        target=Target(url=plan.url, headers=headers, ca_file=plan.ca_file),
        endpoints=tuple(
            Endpoint(
                name=endpoint.name,
                method=endpoint.method,
                path=endpoint.path,
                weight=endpoint.weight,
                expected_statuses=tuple(endpoint.expected_statuses),
                check=endpoint.check,
            )
            for endpoint in plan.endpoints
        ),
        executor=plan.executor,
        timeout_us=plan.timeout_us,
        seed=plan.seed,
    )
