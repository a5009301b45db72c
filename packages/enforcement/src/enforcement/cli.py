"""The ``enforcement`` command: arguments, exit codes, printing; the work is elsewhere.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from enforcement.cli_administration import principal, tenant
from enforcement.cli_settings import load_settings, say, with_dsn
from enforcement.exits import CommandError, Exit

F = TypeVar("F", bound=Callable[..., Any])

_SERVE_FLAGS: Final = (
    ("--host", "ADDRESS", "Address to listen on (127.0.0.1)."),
    ("--port", "PORT", "Port to listen on; 0 takes a free one (8000)."),
    ("--workers", "N", "Processes that answer requests (2)."),
    ("--dsn", "DSN", "Database to use; without it an embedded one is kept."),
    ("--data-dir", "DIR", "Secrets, journals, embedded database."),
    ("--gate-timeout-seconds", "S", "A gate answers within this plus 0.25 s (2.0)."),
    ("--drain-seconds", "S", "How long a stop waits for requests in flight (10)."),
    ("--pool-size", "N", "Database connections of each worker (8)."),
    ("--request-log", "WHICH", "Requests to log: none, errors or all (errors)."),
    ("--seed-decisions", "N", "Decisions of the seeded tenant (5000)."),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, package_name="enforcement", prog_name="enforcement")
def cli() -> None:
    """A multi-tenant spend-enforcement control plane on PostgreSQL."""


cli.add_command(tenant)
cli.add_command(principal)


def _serve_options(command: F) -> F:
    for flag, metavar, text in reversed(_SERVE_FLAGS):
        command = click.option(flag, metavar=metavar, help=text)(command)
    return command


@cli.command()
@_serve_options
@click.option("--migrate", is_flag=True, help="Migrate --dsn first; it names an owner then.")
@click.option("--seed", is_flag=True, help="Keep a tenant with a past in --dsn, too.")
def serve(*, migrate: bool, seed: bool, **flags: str | None) -> None:
    """Run the service until SIGINT or SIGTERM.

    Every setting can also be given as ENFORCEMENT_<NAME>, flags win.
    """
    if migrate:
        flags["migrate"] = "true"
    if seed:
        flags["seed"] = "true"
    settings = load_settings(flags)
    from enforcement.service import run  # noqa: PLC0415  # heavy

    run(settings, say)


@cli.command()
@click.option("--dsn", metavar="DSN", help="Of a role that may create roles and schemas.")
@click.option("--data-dir", metavar="DIR", help="Keeps the application role's password.")
@click.option(
    "--replace-app-password",
    is_flag=True,
    help="Set that password even where the role has another, which services may be using.",
)
def migrate(*, replace_app_password: bool, **flags: str | None) -> None:
    """Bring a database to this version's schema and print the service's own DSN."""
    settings = with_dsn(load_settings(flags))
    from enforcement.state import with_secrets  # noqa: PLC0415  # not for --help

    settings = with_secrets(settings, Path(settings.data_dir))
    from enforcement.service import prepare  # noqa: PLC0415  # heavy

    say(prepare(settings.dsn, settings.app_password, replace_password=replace_app_password))


@cli.command()
@click.option("--dsn", metavar="DSN", help="Of the application role (default: a running service).")
@click.option("--data-dir", metavar="DIR", help="Of the service.")
@click.option("--tenant", default="stress", show_default=True, help="Name of the tenant.")
@click.option(
    "--tenants",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many: NAME, NAME-2, NAME-3, ...",
)
@click.option("--decisions", metavar="N", help="How many each shall have at least (5000).")
@click.option("--tenant-per-minute", type=click.IntRange(1), help="Its limit; else left alone.")
@click.option("--global-per-minute", type=click.IntRange(1), help="The limit of all tenants.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes at work."
)
def seed(
    *,
    tenant: str,
    tenants: int,
    decisions: str | None,
    tenant_per_minute: int | None,
    global_per_minute: int | None,
    jobs: int,
    **flags: str | None,
) -> None:
    """Create or complete tenants with a past, for trying load on."""
    settings = with_dsn(load_settings({**flags, "seed_decisions": decisions}))
    from enforcement.service import fill, numbered  # noqa: PLC0415  # heavy

    names = numbered(tenant, tenants)
    seeded = fill(
        settings.dsn,
        names,
        decisions=settings.seed_decisions,
        tenant_per_minute=tenant_per_minute,
        global_per_minute=global_per_minute,
        jobs=jobs,
    )
    for name, each in zip(names, seeded, strict=True):
        say(f"enforcement: tenant {name} ({each.tenant_id}) has {each.decisions} decisions")


@cli.command()
@click.option("--dsn", metavar="DSN", help="Of the application role (default: a running service).")
@click.option("--data-dir", metavar="DIR", help="Of the service, whose secret signs.")
@click.option("--tenant", default="stress", show_default=True, help="Name of the tenant.")
@click.option(
    "--role",
    type=click.Choice(["member", "admin", "owner"]),
    default="owner",
    show_default=True,
    help="Rank of the principal.",
)
@click.option("--principal", metavar="NAME", help="Its name (default: the role's).")
@click.option(
    "--lifetime-seconds",
    type=click.IntRange(1, 31 * 86_400),
    default=43_200,
    show_default=True,
    help="How long the token is good.",
)
def token(
    *,
    tenant: str,
    role: str,
    principal: str | None,
    lifetime_seconds: int,
    **flags: str | None,
) -> None:
    """Print a bearer token for a principal of a tenant; the principal is made if needed."""
    settings = load_settings(flags)
    from enforcement.state import with_signing_secret  # noqa: PLC0415  # not for --help

    settings = with_dsn(with_signing_secret(settings, Path(settings.data_dir)))
    from enforcement.credentials import make_token  # noqa: PLC0415  # heavy

    say(
        make_token(
            settings,
            tenant=tenant,
            role=role,
            principal=principal or role,
            lifetime_s=lifetime_seconds,
        )
    )


@cli.group()
def ledger() -> None:
    """Prove that nobody edited the ledger."""


@ledger.command("verify")
@click.option("--dsn", metavar="DSN", help="Of a role that may read all tenants.")
@click.option("--data-dir", metavar="DIR", help="Of a running service with an embedded database.")
@click.option("--tenant", metavar="UUID", type=click.UUID, help="One tenant (default: all).")
@click.option(
    "--export",
    "exports",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Verify this file instead of a database: what `ledger export` wrote. Archives before it"
    " are given the same way, oldest first.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def ledger_verify(
    *, tenant: Any, exports: tuple[Path, ...], form: str, **flags: str | None
) -> None:
    """Walk the whole chain and name the first bad row.

    Exits 0 when every row holds, 6 when one does not, 3 when there is none to judge.
    """
    from enforcement.verification import verify_database, verify_export  # noqa: PLC0415  # heavy

    if exports:
        results = verify_export(*exports)
    else:
        settings = with_dsn(load_settings(flags), privileged=True)
        results = verify_database(settings.dsn, tenant)
    for result in results:
        say(json.dumps(result.plain()) if form == "json" else result.line())
    if not results:
        raise CommandError(
            Exit.INCONCLUSIVE, "there is no ledger to judge", hint="Make a decision first."
        )
    if any(result.fault is not None for result in results):
        sys.exit(Exit.EVIDENCE)


@ledger.command("export")
@click.option("--dsn", metavar="DSN", help="Of the application role (default: a running service).")
@click.option("--data-dir", metavar="DIR", help="Of the service.")
@click.option("--tenant", default="stress", show_default=True, help="Name of the tenant.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write."
)
def ledger_export(*, tenant: str, out: Path, **flags: str | None) -> None:
    """Write a tenant's ledger, oldest row first, one JSON object a line."""
    settings = with_dsn(load_settings(flags))
    from enforcement.verification import export_ledger  # noqa: PLC0415  # heavy

    rows = export_ledger(settings.dsn, tenant, out)
    say(f"enforcement: {rows} ledger rows of tenant {tenant} in {out}")


@ledger.command("archive")
@click.option("--dsn", metavar="DSN", help="Of the role that migrates.")
@click.option("--data-dir", metavar="DIR", help="Of a running service with an embedded database.")
@click.option("--tenant", default="stress", show_default=True, help="Name of the tenant.")
@click.option(
    "--older-than-days", type=click.IntRange(0, 36_500), required=True, help="Age of what goes."
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write."
)
def ledger_archive(*, tenant: str, older_than_days: int, out: Path, **flags: str | None) -> None:
    """Write the old rows of a tenant's ledger to a file, verified; nothing is removed."""
    settings = with_dsn(load_settings(flags), privileged=True)
    from enforcement.retention import archive  # noqa: PLC0415  # heavy

    done = archive(settings.dsn, tenant, older_than=timedelta(days=older_than_days), out=out)
    say(f"enforcement: rows {done.first} to {done.last} of tenant {tenant} in {out}")


@ledger.command("prune")
@click.option("--dsn", metavar="DSN", help="Of the role that migrates.")
@click.option("--data-dir", metavar="DIR", help="Of a running service with an embedded database.")
@click.option(
    "--archive",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="What `ledger archive` wrote; keep it, and a copy, for as long as you must prove it.",
)
def ledger_prune(*, archive: Path, **flags: str | None) -> None:
    """Remove from the database what an archive holds; the ledger goes on from its last hash.

    Gates go on meanwhile. Run it again where it was interrupted.
    """
    settings = with_dsn(load_settings(flags), privileged=True)
    from enforcement.retention import prune  # noqa: PLC0415  # heavy

    done = prune(settings.dsn, archive)
    say(f"enforcement: tenant {done.tenant_id} is archived up to row {done.last.sequence}")


def main() -> None:
    """Run the command; whatever goes wrong is one line, a remedy, and an exit code."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.USAGE)
    except CommandError as error:
        _fail(error.message, error.hint)
        sys.exit(error.code)
    except BrokenPipeError:
        # Whoever read our output went away; do not fail once more while closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OUTPUT)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:  # noqa: BLE001  # no traceback ever reaches a user
        _report_bug(error)
        sys.exit(Exit.INTERNAL)


def _fail(message: str, hint: str) -> None:
    click.echo(f"enforcement: {message}", err=True)
    if hint:
        click.echo(f"  {hint}", err=True)


def _report_bug(error: Exception) -> None:
    import traceback  # noqa: PLC0415  # rare

    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    _fail(
        f"a bug of ours: {type(error).__name__} at {place}: {error}",
        "Please report this line; ENFORCEMENT_TRACEBACK=1 prints where it happened in full.",
    )
    if os.environ.get("ENFORCEMENT_TRACEBACK") == "1":
        traceback.print_exception(error)


if __name__ == "__main__":
    main()
