"""``enforcement tenant`` and ``enforcement principal``: who may use the service."""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from enforcement.cli_settings import load_settings, say, with_dsn

F = TypeVar("F", bound=Callable[..., Any])

_PLANS: Final = click.Choice(["free", "starter", "pro", "enterprise"])
_ROLES: Final = click.Choice(["member", "admin", "owner"])
_PERMISSIONS: Final = click.Choice(["remediation.approve.prod", "remediation.approve.nonprod"])


def database_options(command: F) -> F:
    """Add what names the database: ``--dsn``, ``--data-dir``."""
    for flag, metavar, text in (
        ("--data-dir", "DIR", "Of the service."),
        ("--dsn", "DSN", "Of the application role (default: a running service)."),
    ):
        command = click.option(flag, metavar=metavar, help=text)(command)
    return command


def format_option(command: F) -> F:
    """Add ``--format``."""
    return click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")(
        command
    )


@click.group()
def tenant() -> None:
    """Create tenants, and set what they may use."""


@tenant.command("create")
@click.argument("name")
@click.option("--plan", type=_PLANS, default="pro", show_default=True)
@database_options
def create_tenant(*, name: str, plan: str, **flags: str | None) -> None:
    """Create a tenant, without a past and without principals."""
    from enforcement import administration as work  # noqa: PLC0415  # heavy

    made = work.create_tenant(_dsn(flags), name, plan)
    say(f"enforcement: tenant {made.name} ({made.tenant_id}) has the plan {made.plan.value}")


@tenant.command("list")
@format_option
@click.option("--dsn", metavar="DSN", help="Of a role that may read all tenants.")
@click.option("--data-dir", metavar="DIR", help="Of a running service with an embedded database.")
def list_tenants(*, form: str, **flags: str | None) -> None:
    """List all tenants by name."""
    from enforcement import administration as work  # noqa: PLC0415  # heavy

    for each in work.list_tenants(_dsn(flags, privileged=True)):
        _show(each, form, f"{each.name} ({each.tenant_id}): plan {each.plan.value}")


@tenant.command("plan")
@click.argument("name")
@click.argument("plan", type=_PLANS)
@database_options
def set_plan(*, name: str, plan: str, **flags: str | None) -> None:
    """Change a tenant's plan."""
    from enforcement import administration as work  # noqa: PLC0415  # heavy

    changed = work.set_plan(_dsn(flags), name, plan)
    say(f"enforcement: tenant {changed.name} has the plan {changed.plan.value}")


@tenant.command("limits")
@click.argument("name")
@click.option("--per-minute", type=click.IntRange(1), help="Gates of this tenant.")
@click.option("--global-per-minute", type=click.IntRange(1), help="Gates of all tenants together.")
@database_options
def set_limits(
    *, name: str, per_minute: int | None, global_per_minute: int | None, **flags: str | None
) -> None:
    """Show a tenant's limits, after setting those that are given."""
    from enforcement import administration as work  # noqa: PLC0415  # heavy

    shown = work.set_limits(
        _dsn(flags), name, per_minute=per_minute, global_per_minute=global_per_minute
    )
    say(
        f"enforcement: tenant {shown.name} may ask {shown.limits.tenant_per_minute} gates a"
        f" minute, all tenants together {shown.limits.global_per_minute}"
    )


@click.group()
def principal() -> None:
    """Say who of a tenant is let in, and what each may do."""


@principal.command("add")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("name")
@click.option("--role", type=_ROLES, default="member", show_default=True)
@click.option("--permission", "permissions", type=_PERMISSIONS, multiple=True)
@database_options
def add_principal(
    *, tenant_name: str, name: str, role: str, permissions: tuple[str, ...], **flags: str | None
) -> None:
    """Add a principal to a tenant, or let a deactivated one in again."""
    from enforcement import administration as work  # noqa: PLC0415  # heavy

    _say_person(work.add_principal(_dsn(flags), tenant_name, name, role, permissions), "text")


@principal.command("list")
@click.argument("tenant_name", metavar="TENANT")
@format_option
@database_options
def list_principals(*, tenant_name: str, form: str, **flags: str | None) -> None:
    """List a tenant's principals by name."""
    from enforcement import administration as work  # noqa: PLC0415  # heavy

    for each in work.list_principals(_dsn(flags), tenant_name):
        _say_person(each, form)


@principal.command("deactivate")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("name")
@database_options
def deactivate_principal(*, tenant_name: str, name: str, **flags: str | None) -> None:
    """Let a principal in no more; what it did stays in the ledger."""
    from enforcement import administration as work  # noqa: PLC0415  # heavy

    _say_person(work.deactivate_principal(_dsn(flags), tenant_name, name), "text")


@principal.command("permissions")
@click.argument("tenant_name", metavar="TENANT")
@click.argument("name")
@click.argument("permissions", type=_PERMISSIONS, nargs=-1)
@database_options
def set_permissions(
    *, tenant_name: str, name: str, permissions: tuple[str, ...], **flags: str | None
) -> None:
    """Replace what a principal may do beside what its role brings; none takes all away."""
    from enforcement import administration as work  # noqa: PLC0415  # heavy

    _say_person(work.set_permissions(_dsn(flags), tenant_name, name, permissions), "text")


def _dsn(flags: dict[str, str | None], *, privileged: bool = False) -> str:
    return str(with_dsn(load_settings(flags), privileged=privileged).dsn)


def _show(value: Any, form: str, line: str) -> None:
    import msgspec  # noqa: PLC0415  # not for --help

    say(json.dumps(msgspec.to_builtins(value)) if form == "json" else line)


def _say_person(person: Any, form: str) -> None:
    state = "active" if person.active else "deactivated"
    extra = "".join(f", {permission.value}" for permission in sorted(person.permissions))
    _show(
        person,
        form,
        f"{person.name} ({person.principal_id}): {person.role.value}{extra}, {state}",
    )
