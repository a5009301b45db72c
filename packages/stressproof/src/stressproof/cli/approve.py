"""``stressproof approve FILE``: somebody else looks at it, and says that it may be promoted."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from stressproof.capture.run_record import find_ledger
from stressproof.cli.examples import examples
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.param_types import LIMIT
from stressproof.cli.sign_options import KEY, POLICY, POLICY_REF, committed_policy
from stressproof.cli.suite_choice import suite_at_gate
from stressproof.errors import EvidenceError, UsageError
from stressproof.evidence.reading import Document, read_document
from stressproof.exits import Exit, strongest
from stressproof.gate.gate import judge_evidence
from stressproof.gate.request import GateRequest, plain_request
from stressproof.report.verdict_text import render
from stressproof.trust.bundle import append_lines, bundle_path
from stressproof.trust.case import AttestationCase
from stressproof.trust.issuing import owner_of, sign_approval
from stressproof.trust.ledger import LEDGER_NAME
from stressproof.trust.policy import Role, TrustPolicy
from stressproof.trust.signing import SigningKey, find_key, is_attended
from stressproof.verify.instants import now_us
from stressproof.verify.kinds import kind_of
from stressproof.verify.rule import Result, printable
from stressproof.verify.verdict import Verdict, overall

_MINE = frozenset({"trust.approval", "trust.names"})
"""Rules that wait for the approval itself."""


def _waivers(
    context: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> list[tuple[str, str]]:
    """Parse ``RULE=REASON``."""
    found = []
    for value in values:
        rule, _, reason = value.partition("=")
        if not rule.strip() or not reason.strip():
            raise click.BadParameter(f"{value!r} is not RULE=REASON", context, parameter)
        found.append((rule.strip(), reason.strip()))
    return found


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("stressproof approve stressproof-results/stress.json"),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@KEY
@click.option("--yes", is_flag=True, help="Do not ask: what is shown was read.")
@click.option(
    "--valid-hours", type=LIMIT, help="How long it holds  [default: as long as the policy lets it]"
)
@click.option(
    "--waive",
    "waivers",
    multiple=True,
    metavar="RULE=REASON",
    callback=_waivers,
    help="Let a rule about objectives not hold; the policy says which (repeatable).",
)
@POLICY
@POLICY_REF
def command(
    files: Sequence[Path],
    signing_key: str | None,
    waivers: list[tuple[str, str]],
    valid_hours: float | None,
    trust_file: str,
    policy_ref: str,
    *,
    yes: bool,
) -> Exit:
    """Look at evidence that somebody else ran and signed, and approve exactly these bytes.

    Judges FILE as the gate will, shows what it found, and signs nothing where anything blocks.
    """
    policy, source = committed_policy(trust_file, policy_ref)
    signer = find_key(signing_key)
    owner_of(signer, policy, Role.APPROVER)
    to_stdout(f"trust     {printable(source)}")
    judged = judge_evidence(_request(files, trust_file, policy_ref), Path())
    codes = []
    for verdict, case in zip(judged.verdicts, judged.cases, strict=True):
        shown = _without_what_waits(verdict, dict(waivers))
        to_stdout(render(shown))
        codes.append(shown.exit_code)
        if shown.exit_code is Exit.PASS:
            _sign(case, policy, signer, waivers, valid_hours, yes=yes)
        else:
            to_stdout(f"not approved: {printable(verdict.path)}")
    return strongest(codes)


def _request(files: Sequence[Path], trust_file: str, policy_ref: str) -> GateRequest:
    """Return what a gate asks of these files, each as what it is."""
    request = plain_request(suite_at_gate(policy_ref))
    for file in files:
        kind = kind_of(read_document(file))
        if request.of(kind).path:
            raise UsageError(
                f"{file} is {kind.name} evidence, and so is another", hint="Approve one at a time."
            )
        request = request.asking(kind, path=str(file), required=True)
    return msgspec.structs.replace(request, trust_file=trust_file, policy_ref=policy_ref)


def _without_what_waits(verdict: Verdict, waivers: dict[str, str]) -> Verdict:
    """Return the verdict as it is once this approval is there."""
    results: list[Result] = []
    for each in verdict.results:
        if each.rule in _MINE and each.exit_code is Exit.INCONCLUSIVE:
            continue
        if each.rule in waivers and each.exit_code in {Exit.OBJECTIVES, Exit.INCONCLUSIVE}:
            to_stdout(f"to be WAIVED  {each.rule}: {printable(waivers[each.rule])}")
            continue
        results.append(each)
    outcome, code = overall(results)
    return msgspec.structs.replace(verdict, results=results, outcome=outcome, exit_code=code)


def _sign(
    case: AttestationCase,
    policy: TrustPolicy,
    signer: SigningKey,
    waivers: list[tuple[str, str]],
    valid_hours: float | None,
    *,
    yes: bool,
) -> None:
    statement, document = case.statement, case.evidence.document
    if statement is None or not isinstance(document, Document):
        raise EvidenceError(f"{case.evidence.path}: nobody signed it", hint="stressproof sign FILE")
    if not yes:
        _ask(f"Approve {printable(case.evidence.path)}, sha256 {document.sha256}?")
    path = Path(case.evidence.path)
    line = sign_approval(
        document,
        statement.digest,
        policy,
        signer,
        ledger=find_ledger(Path(), path) or path.with_name(LEDGER_NAME),
        hours=valid_hours,
        waivers=waivers,
        now_us=now_us(),
    )
    append_lines(bundle_path(path), [line])
    to_stdout(f"approved {printable(case.evidence.path)}: {bundle_path(path)}")


def _ask(question: str) -> None:
    if not is_attended():
        raise UsageError(
            "nobody is at a terminal to be asked",
            hint="--yes says that what is shown was read; an approver's key belongs to no machine.",
        )
    to_stderr(question)
    if not click.confirm("", prompt_suffix="", err=True):
        raise click.Abort
