"""The gate: may this change be made?"""

import time

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from enforcement.api import paths
from enforcement.api.access import Call, access
from enforcement.api.bodies import GateBody, OptionalKey, read_key
from enforcement.api.gate import Gate
from enforcement.api.views import GateView
from enforcement.domain.enums import Feature, Role, Source
from enforcement.domain.request import gate_request
from enforcement.store.limits import GATE

_MEMBER = access(
    Role.MEMBER, Feature.POLICY_CONFIGURATION, Feature.API_ACCESS, bucket=GATE, offline=True
)


def handlers(gate: Gate) -> list[HTTPRouteHandler]:
    """Return the handlers, bound to a gate."""

    @post(paths.GATE_TERRAFORM, opt=_MEMBER, operation_id="gateTerraform", status_code=200)
    async def gate_terraform(
        request: Call,
        data: JSONBody[GateBody],
        idempotency_key: OptionalKey = None,
    ) -> GateView:
        """Decide a Terraform change; a refusal is an answer too, with status 200.

        The header's idempotency key wins over the body's.
        """
        asked = gate_request(
            source=Source.TERRAFORM,
            action=data.action,
            resource_reference=data.resource_reference,
            estimated_monthly_delta_usd=data.estimated_monthly_delta_usd,
            estimated_hourly_delta_usd=data.estimated_hourly_delta_usd,
            project_id=data.project_id,
            environment=data.environment,
            metadata=data.metadata,
            idempotency_key=read_key(idempotency_key) or data.idempotency_key,
            dry_run=data.dry_run,
        )
        # The time a slow client took to send its body is not the gate's.
        state = request.scope["state"]
        began_ns = time.monotonic_ns() - state["spent_ns"]
        answer = await gate.decide(
            request.user,
            asked,
            known=state["principal_known"],
            counted=state["ticket"].counted,
            began_ns=began_ns,
        )
        return GateView.of(answer.decision, replayed=answer.replayed)

    return [gate_terraform]
