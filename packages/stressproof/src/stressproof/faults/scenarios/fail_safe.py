"""FI-001: fail-safe while the database is slow, silent, gone or cut off."""

from functools import partial

from enforcement_suite.scenarios.fail_safe.spec import FI_001
from stressproof.errors import RunError
from stressproof.failures.spec import FaultSpec
from stressproof.faults.enforcement import Enforcement, Tenant
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.database import FreezePostgres, KillPostgres, TerminateBackends
from stressproof.faults.load import Load, Makers
from stressproof.faults.proxy.faults import ProxyFault
from stressproof.faults.proxy.toxics import CutAfterCommit, Latency, Timeout
from stressproof.faults.testbed import Testbed

_MODES = ("hard", "soft", "shadow")
SERVICE_SESSIONS = "enforcement%"


class FailSafe:
    """Three tenants, one for each mode, asked all the time."""

    spec = FI_001

    def __init__(self) -> None:
        self._tenants: dict[str, Tenant] = {}
        self._service: Enforcement

    def prepare(self, service: Enforcement) -> None:
        """Make the tenants, and let every worker learn their policies."""
        self._service = service
        for mode in _MODES:
            tenant = service.tenant(f"fi001-{mode}")
            service.call(
                tenant,
                "POST",
                "/policies",
                {"terraform_mode": mode, "auto_approve_below_monthly_usd": "5000"},
            )
            service.call(
                tenant, "POST", "/credits", {"pool_type": "reserved", "total_amount_usd": "100000"}
            )
            self._tenants[mode] = tenant
        service.warm_up(self._tenants.values())

    def requests(self) -> Makers:
        """Gates of each mode, plain reads, and a question that needs no database."""
        service = self._service
        return {
            **{
                f"gate_{mode}": partial(service.gate, f"gate_{mode}", self._tenants[mode])
                for mode in _MODES
            },
            "read": lambda: service.read_policy(self._tenants["hard"]),
            "live": service.liveness,
        }

    def injector(self, fault: FaultSpec, stage: Testbed, load: Load) -> Injector:
        """Return the injector of one fault."""
        del load
        match fault.id:
            case "slow_database":
                return ProxyFault(
                    stage.proxy,
                    Latency("upstream", latency_us=1_500_000, jitter_us=100_000),
                    Latency("downstream", latency_us=1_500_000, jitter_us=100_000),
                )
            case "black_hole":
                return ProxyFault(stage.proxy, Timeout("upstream"), Timeout("downstream"))
            case "postgres_frozen":
                return FreezePostgres(stage.postgres)
            case "backends_terminated":
                return TerminateBackends(stage.dsn, SERVICE_SESSIONS)
            case "postgres_killed":
                return KillPostgres(stage.postgres)
            case "commit_answer_lost":
                return ProxyFault(
                    stage.proxy, CutAfterCommit(count=5, statement_contains="gate_commit")
                )
            case other:
                raise RunError(f"FI-001 has no fault {other!r}")

    def is_finished(self, fault: FaultSpec, injector: Injector) -> bool:
        """Return whether the last cut was made."""
        return (
            fault.id == "commit_answer_lost"
            and isinstance(injector, ProxyFault)
            and injector.spent()
        )

    def baseline_actions(self, load: Load) -> None:
        """Nothing: its faults are not its callers'."""
