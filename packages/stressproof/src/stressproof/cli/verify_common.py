"""What all verifying commands share: requirements as flags, judging, showing, the decision."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.output_options import (
    CommandT,
    OutputOptions,
    append_step_summary,
    output_options,
)
from stressproof.cli.param_types import LIMIT, Choice
from stressproof.cli.suite_choice import SuiteOption, chosen_suite
from stressproof.errors import UsageError
from stressproof.evidence.level import Level
from stressproof.exits import Exit
from stressproof.report.verdicts import FORMATS, render
from stressproof.verify.instants import now_us
from stressproof.verify.kind import Evidence, EvidenceKind, Unread, read_or_reason
from stressproof.verify.rule import Rule
from stressproof.verify.subject import is_commit

if TYPE_CHECKING:
    from pathlib import Path

    from stressproof.evidence.reading import Document
    from stressproof.verify.verdict import Verdict

Option = Callable[[Any], Any]


def _check_commits(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse what is no full commit hash: a short one could name two."""
    for commit in value:
        if not is_commit(commit):
            seen = f"{commit!r} is not a full commit hash, as git rev-parse prints it"
            raise click.BadParameter(seen, context, parameter)
    return value


AGE = click.option(
    "--max-artifact-age-hours", type=LIMIT, help="Oldest evidence; no limit by default."
)
COMMIT = click.option(
    "--expected-commit",
    "expected_commits",
    multiple=True,
    callback=_check_commits,
    help="A commit that the evidence may be about; may be repeated.",
)
LEVEL = click.option(
    "--minimum-level",
    type=Choice([Level.DECLARED.value, Level.RECOMPUTED.value]),
    help="Lowest assurance level that is enough  [default: declared]",
)
UNKNOWN = click.option("--refuse-unknown-fields", is_flag=True, help="Refuse fields no rule reads.")
GATE = click.option("--as-gate", is_flag=True, help="Ask everything that a release gate asks.")

# Spelled as in sign_options, which needs all of trust; a plain verification needs none of it.
TRUST = click.option(
    "--policy",
    "trust_file",
    metavar="FILE",
    default="",
    help="Also judge who signed it, under this trust policy with its roster beside it.",
)

CHECKOUT = click.option(
    "--checkout",
    type=click.Path(file_okay=False, exists=True),
    default=".",
    show_default="the working directory",
    help="The folder that references of failure evidence are relative to.",
)


def profile_option(kind: EvidenceKind[Any]) -> Option:
    """Return the option that names the profile, whose default is the suite's."""
    return click.option(
        "--expected-profile",
        "profile",
        cls=SuiteOption,
        of_suite=lambda suite: kind.requirements(suite, "").profile,
        help="The profile that must have been run.",
    )


def with_options(*options: Option) -> Callable[[CommandT], CommandT]:
    """Add options to a command, in their order."""

    def decorate(command: CommandT) -> CommandT:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def showing_options(command: CommandT) -> CommandT:
    """Add the options of `OutputOptions` to a command that judges one artifact."""
    add = output_options(
        FORMATS,
        shown="verdict",
        rehearsal="floors may be loosened; the result is no release evidence.",
    )
    verbose = click.option(
        "-v", "--verbose", is_flag=True, help="Also say which rules had nothing to check, and why."
    )
    return verbose(add(command))


def explain_option(rules: Sequence[Rule[Any]]) -> Option:
    """Add ``--explain``, which lists the rules and stops."""

    def explain(context: click.Context, parameter: click.Parameter, value: object) -> None:
        del parameter
        if not value or context.resilient_parsing:
            return
        from stressproof.report.rules import explain_rules  # noqa: PLC0415  # only for --explain

        to_stdout(explain_rules(rules))
        context.exit(Exit.PASS)

    return click.option(
        "--explain",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=explain,
        help="List the rules and exit.",
    )


def judge(
    kind: EvidenceKind[Any],
    path: "Path | str",
    flags: dict[str, Any],
    showing: OutputOptions,
    document: "Document | Unread | None" = None,
    *,
    floor: Any = None,
) -> Exit:
    """Judge one artifact as the flags ask, show the verdict, and return the exit code.

    Args:
        kind: What it must be evidence of.
        path: As the caller named it.
        flags: The options of the command that are not about output.
        showing: How the verdict is wanted.
        document: What was read of the path, where it was read before; None reads it.
        floor: What may only be tightened, the suite's if None.

    Raises:
        UsageError: A floor was loosened outside of a rehearsal.
        OutputError: The decision or the verdict could not be written.
    """
    suite = chosen_suite()
    if floor is None:
        floor = kind.requirements(suite, flags["profile"] or "")
    asked = _asked(floor, flags)
    asked = kind.at_gate(suite, asked) if flags["as_gate"] else asked
    loosened = kind.loosened(asked, floor)
    if loosened and not showing.dry_run:
        raise UsageError(
            f"looser than the floors: {'; '.join(loosened)}",
            hint="Limits may only be tightened; --dry-run rehearses with others.",
        )
    read = read_or_reason(path) if document is None else document
    evidence = kind.evidence(read, path, flags.get("checkout") or ".")
    verdict = kind.judge(evidence, asked, now_us(), dry_run=showing.dry_run, loosened=loosened)
    if flags["trust_file"]:
        verdict = _attested(verdict, evidence, flags["trust_file"], asked.expected_commits)
    return _conclude(verdict, showing)


def _attested(
    verdict: "Verdict", evidence: Evidence, trust_file: str, commits: tuple[str, ...]
) -> "Verdict":
    """Return a verdict with who signed the evidence; its runs are in the ledger beside it."""
    from stressproof.trust.attestation import attest  # noqa: PLC0415  # only for signatures
    from stressproof.trust.case import attestation_case  # noqa: PLC0415  # likewise
    from stressproof.trust.ledger import ledger_path, read_or_reason  # noqa: PLC0415  # likewise
    from stressproof.trust.reading import load_policy  # noqa: PLC0415  # likewise

    policy = load_policy(trust_file)
    folder = evidence.path.rpartition("/")[0] or "."
    ledger = read_or_reason(ledger_path(folder))
    return attest(verdict, attestation_case(evidence, policy, ledger, commits, now_us()))


def _asked(floor: Any, flags: dict[str, Any]) -> Any:
    """Return the floors with what the flags say instead."""
    given = {
        name: value
        for name, value in flags.items()
        # By identity: 0 is a limit that was asked for, the strictest one.
        if name in floor.__struct_fields__ and not (value is None or value is False or value == ())
    }
    if flags.get("no_loopback"):
        given["allow_loopback"] = False
    if "minimum_level" in given:
        given["minimum_level"] = Level(given["minimum_level"])
    return msgspec.structs.replace(floor, **given)


def _conclude(verdict: "Verdict", showing: OutputOptions) -> Exit:
    out = showing.decision_file()
    if out is not None:
        _write_decision(out, verdict)
    if showing.verbose:
        from stressproof.report.verdict_text import not_checked  # noqa: PLC0415  # few need it

        for line in not_checked(verdict):
            to_stderr(line)
    showing.show(render(verdict, showing.form))
    if showing.form == "github":
        append_step_summary(render(verdict, "markdown"))
    if showing.form != "text":
        from stressproof.report.verdict_text import summary  # noqa: PLC0415  # not for text

        to_stderr(summary(verdict))
    return verdict.exit_code


def _write_decision(path: str, verdict: "Verdict") -> None:
    from pathlib import Path  # noqa: PLC0415  # 4 ms few need

    from stressproof.evidence.writing import write_atomic  # noqa: PLC0415  # 3 ms few need
    from stressproof.report.decision import decision  # noqa: PLC0415  # likewise

    write_atomic(Path(path), decision([verdict]))
    to_stderr(f"decision written to {path}")
