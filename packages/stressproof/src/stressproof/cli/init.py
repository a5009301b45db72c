"""``stressproof init``: a ``stressproof.toml`` to begin with."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stressproof.cli.capture_request import demand_absolute, headers_of
from stressproof.cli.examples import examples
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.config.schema import FILE_NAME
from stressproof.drafts.draft import Draft
from stressproof.drafts.writing import PROFILE, Written, written
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.workload.target import Target, split_url

MAX_INPUT_BYTES = 256 * 1024 * 1024
"""Of what is drafted from: recordings hold every answer."""

_STDIN = "-"


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof init http://127.0.0.1:8080/orders",
        "stressproof init --openapi http://127.0.0.1:8080/openapi.json",
        "stressproof init --openapi shop.yaml https://staging.shop.example",
        "stressproof init --har visit.har",
        "stressproof init --curl 'curl -X POST http://127.0.0.1:8080/orders -d sku=a'",
    ),
)
@click.argument("url", required=False, metavar="[URL]")
@click.option(
    "--openapi",
    metavar="FILE|URL",
    help="Draft from a description: OpenAPI 3 or Swagger 2, JSON or YAML.",
)
@click.option("--har", metavar="FILE", help="Draft from what a browser recorded.")
@click.option(
    "--curl",
    "curls",
    multiple=True,
    metavar="'curl …'|@FILE",
    help="Draft from this command, those of a file, or of stdin (-); repeatable.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Ask requests that change something (POST, DELETE, …) as well; otherwise those of a "
    "description or a recording are written as comments.",
)
@click.option(
    "-H",
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Send this with the request that init makes; a value @FILE is read from the file.",
)
@click.option("--profile", default=PROFILE, show_default=True, help="What the load is called.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=FILE_NAME,
    show_default=True,
    help="Where it is written; - is stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite the file that is there.")
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False),
    help="PEM certificates to trust beside the system's.",
)
@click.option("--insecure", is_flag=True, help="Accept any certificate (not release evidence).")
def command(out: Path, *, force: bool, everything: bool, profile: str, **options: Any) -> Exit:
    """Write a commented stressproof.toml for a service.

    From nothing but its URL, which is asked once; from its description; from what a browser
    recorded; or from curl commands. Secrets are never written: each becomes ${NAME}, from the
    environment.
    """
    shown = str(out) == _STDIN
    if not shown:
        _demand_free(out, force=force)
    if not profile.replace("-", "").replace("_", "").isalnum() or not profile.isascii():
        raise UsageError(
            f"--profile {profile!r} is no name", hint="Write it in letters, digits, - and _."
        )
    found = written(_draft(options), everything=everything, profile=profile)
    if shown:
        to_stdout(found.text)
    else:
        from stressproof.evidence.writing import write_atomic  # noqa: PLC0415  # once all is well

        write_atomic(out, found.text.encode())
    tell = to_stderr if shown else to_stdout
    tell("\n".join(_words(found, out)))
    return Exit.PASS


def _demand_free(out: Path, *, force: bool) -> None:
    """Refuse a place that is taken or cannot be written, before anything is asked.

    Raises:
        UsageError: A file is there.
        OutputError: It cannot be written.
    """
    from stressproof.evidence.writing import check_writable  # noqa: PLC0415  # only for a file

    if (out.exists() or out.is_symlink()) and not force:
        raise UsageError(
            f"{out} is there and is not overwritten",
            hint="Write elsewhere with --out FILE, or discard it with --force.",
        )
    check_writable(out)


def _draft(options: dict[str, Any]) -> Draft:
    """Return the draft of whatever was named.

    Raises:
        UsageError: Two things were named, or one cannot be read.
        TargetError: The service did not answer.
    """
    url, har, openapi, curls = (options[name] for name in ("url", "har", "openapi", "curls"))
    named = [
        flag for flag, one in (("--openapi", openapi), ("--har", har), ("--curl", curls)) if one
    ]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} are two beginnings", hint="Choose one of them.")
    if url is not None:
        demand_absolute(url)
    if har:
        from stressproof.drafts.har import draft_of_har  # noqa: PLC0415  # its parser alone

        return draft_of_har(_bytes(har, "--har"), har, _base(url))
    if curls:
        from stressproof.drafts.curl import draft_of_curl  # noqa: PLC0415  # likewise

        if url is not None:
            raise UsageError(f"{url} and --curl both name a service", hint="Leave the URL out.")
        return draft_of_curl(_commands(curls), lambda name: _bytes(name, "--curl"))
    return _asked(url, openapi, options)


def _asked(url: str | None, openapi: str | None, options: dict[str, Any]) -> Draft:
    """Return the draft for which something has to be asked, or a description that is a file."""
    if openapi is not None and not _is_url(openapi):
        from stressproof.drafts.openapi import draft_of_openapi  # noqa: PLC0415  # likewise

        return draft_of_openapi(_bytes(openapi, "--openapi"), openapi, url=_base(url))
    from stressproof.capture.first_answer import (  # noqa: PLC0415  # the client, 40 ms
        draft_of_url,
        fetch,
        reaching,
    )

    given = openapi or url or _prompted()
    base, path = split_url(given)
    target = Target(
        base,
        headers_of(options["headers"]),
        ca_file=options["ca_file"],
        insecure=options["insecure"],
    )
    if openapi is None:
        return draft_of_url(target, path)
    from stressproof.drafts.openapi import draft_of_openapi  # noqa: PLC0415  # likewise

    content = fetch(target, path)
    found = draft_of_openapi(content, openapi, url=_base(url), fetched_from=openapi)
    return reaching(found, target)


def _prompted() -> str:
    """Return the URL that somebody types, or that stdin holds.

    Raises:
        UsageError: Nobody does.
    """
    if sys.stderr is not None:
        sys.stderr.write("URL of the service, such as http://127.0.0.1:8080/orders: ")
        sys.stderr.flush()
    line = sys.stdin.readline().strip() if sys.stdin is not None else ""
    if not line:
        raise UsageError(
            "no service is named",
            hint="Name its URL: stressproof init http://127.0.0.1:8080/orders, or --openapi, --har "
            "or --curl.",
        )
    demand_absolute(line)
    return line


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _base(url: str | None) -> str:
    """Return a service's URL without the slash at its end, empty for none."""
    return "" if url is None else url.strip().rstrip("/")


def _commands(given: Sequence[str]) -> list[str]:
    """Return the text of each ``--curl``."""
    texts = []
    for one in given:
        if one == _STDIN:
            texts.append("" if sys.stdin is None else sys.stdin.read(MAX_INPUT_BYTES))
        elif one.startswith("@"):
            try:
                texts.append(_bytes(one[1:], "--curl").decode())
            except UnicodeDecodeError as error:
                raise UsageError(f"--curl: the file {one[1:]!r} is not UTF-8") from error
        else:
            texts.append(one)
    return texts


def _bytes(name: str, flag: str) -> bytes:
    """Return a file's bytes.

    Raises:
        UsageError: It cannot be read, or is too large.
    """
    try:
        with Path(name).open("rb") as stream:
            data = stream.read(MAX_INPUT_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"{flag}: the file {name!r} cannot be read: {why}", hint="Name a file that is there."
        ) from error
    if len(data) > MAX_INPUT_BYTES:
        raise UsageError(f"{flag}: the file {name!r} has more than {MAX_INPUT_BYTES} bytes")
    return data


def _words(found: Written, out: Path) -> list[str]:
    """Return what is said of a file that was drafted."""
    lines = [f"{out}: {_counted(found.active, 'request')} to ask"]
    if found.withheld:
        lines[0] += f", {found.withheld} as comments, each with its reason"
    if found.left_out:
        lines.append(f"left out, as a file is bounded: {found.left_out} more")
    lines += [f"{note}" for note in found.notes]
    lines += [f"set {name}: {holds}" for name, holds in found.variables.items()]
    if found.active:
        where = "" if str(out) == FILE_NAME else f" {out}"
        lines.append(f"Next: stressproof check{where} --once")
    else:
        lines.append("Next: take the # from what may be asked, or draft it again with --all")
    return lines


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
