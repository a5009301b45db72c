"""``stressproof sign FILE``: whoever ran it says so."""

from collections.abc import Sequence
from pathlib import Path

import click

from stressproof.capture.run_record import find_ledger
from stressproof.cli.examples import examples
from stressproof.cli.output import to_stderr, to_stdout
from stressproof.cli.sign_options import DIGEST, KEY, POLICY, POLICY_REF, committed_policy
from stressproof.errors import UsageError
from stressproof.evidence.reading import read_document
from stressproof.trust.bundle import Bundle, bundle_path, put_bundle, read_or_reason
from stressproof.trust.issuing import sign_evidence
from stressproof.trust.signing import find_key
from stressproof.trust.statement import APPROVAL, PLAN
from stressproof.verify.instants import now_us
from stressproof.verify.rule import printable


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof sign stressproof-results/stress.json --signing-key ~/.ssh/id_ed25519.pub",
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@KEY
@DIGEST
@POLICY
@POLICY_REF
def command(
    files: Sequence[Path],
    signing_key: str | None,
    image: str | None,
    trust_file: str,
    policy_ref: str,
) -> None:
    """Sign evidence that you ran: FILE is exactly what came out.

    Captures sign by themselves with --sign. A bundle that lies beside FILE already keeps its
    plan; what was said of other bytes, or by others, has to be said anew.
    """
    policy, _ = committed_policy(trust_file, policy_ref)
    signer = find_key(signing_key)
    for file in files:
        document = read_document(file)
        ledger = find_ledger(Path(), file)
        if ledger is None:
            raise UsageError(f"{file}: there is no place for its ledger", hint="Name a file.")
        bundle = bundle_path(file)
        at_us = now_us()
        line = sign_evidence(document, policy, signer, ledger=ledger, image=image, now_us=at_us)
        before = read_or_reason(bundle, policy, at_us)
        plans = []
        if isinstance(before, Bundle):
            lines = bundle.read_bytes().splitlines()
            plans = [lines[each.line - 1] for each in before.of(PLAN)]
            if before.of(APPROVAL):
                to_stderr(f"{printable(str(bundle))}: approved before; it has to be approved anew")
        put_bundle(bundle, [*plans, line])
        to_stdout(f"signed {printable(str(file))} (sha256 {document.sha256}): {bundle}")
