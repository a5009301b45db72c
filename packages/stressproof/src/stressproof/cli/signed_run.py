"""A run that is written to the ledger, and signed where that is asked."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from stressproof.capture.run_record import RunRecord, find_ledger, recorded
from stressproof.capture.subject import read_subject
from stressproof.cli.output import to_stderr
from stressproof.cli.sign_options import SignOptions, committed_policy
from stressproof.errors import UsageError
from stressproof.evidence.reading import read_document
from stressproof.exits import Exit
from stressproof.trust.bundle import bundle_path, put_bundle
from stressproof.trust.issuing import SignedPlan, sign_evidence, sign_plan
from stressproof.trust.policy import TrustPolicy
from stressproof.trust.signing import SigningKey, find_key
from stressproof.verify.instants import now_us


class SignedRun:
    """A run under way.

    Args:
        record: Its place in the ledger.
        ledger: Where that is, None for nowhere.
        signing: Policy, key and plan, None where nothing is signed.
        image: sha256 of what is shipped.
    """

    def __init__(
        self,
        record: RunRecord,
        ledger: Path | None,
        signing: tuple[TrustPolicy, SigningKey, SignedPlan] | None,
        image: str | None,
    ) -> None:
        self._record = record
        self._ledger = ledger
        self._signing = signing
        self._image = image

    def end(self, exit_code: Exit, artifact: Path | bytes) -> None:
        """Write how it ended, and sign the artifact.

        Args:
            exit_code: What it shows.
            artifact: Where it was written, or its bytes where it went to stdout.

        Raises:
            StressproofError: The ledger or the bundle cannot be written, or nobody signed.
        """
        self._record.end(exit_code, artifact)
        if not isinstance(artifact, Path):
            return
        if self._signing is None or self._ledger is None:
            put_bundle(bundle_path(artifact), [])
            return
        policy, key, plan = self._signing
        put_bundle(bundle_path(artifact), [plan.line])
        line = sign_evidence(
            read_document(artifact),
            policy,
            key,
            ledger=self._ledger,
            image=self._image,
            now_us=now_us(),
        )
        put_bundle(bundle_path(artifact), [plan.line, line])
        to_stderr(f"signed: {bundle_path(artifact)}; next, another person: stressproof approve")


@contextlib.contextmanager
def signed_run(
    options: SignOptions,
    out: Path | None,
    *,
    kind: Literal["stress", "failure"],
    profile: str,
    thresholds: dict[str, float | None] | None = None,
    scenarios: Sequence[str] = (),
) -> Iterator[SignedRun]:
    """Begin a run: sign what is planned where that is asked, and write that it begins.

    Args:
        options: Whether and how to sign.
        out: Where the artifact goes, stdout if None.
        kind: Of evidence.
        profile: As the suite calls it.
        thresholds: The limits that every round is held to.
        scenarios: The failure scenarios, by id.

    Raises:
        UsageError: It cannot be signed as asked; nothing was sent.
        OutputError: The ledger cannot be written.
    """
    commit = read_subject(Path()).git_commit
    ledger = find_ledger(Path(), out)
    signing = None
    if options.sign:
        if out is None or ledger is None:
            raise UsageError(
                "--sign signs a file, and the artifact goes to stdout", hint="Add --out FILE."
            )
        policy, _ = committed_policy(options.trust_file, options.policy_ref)
        key = find_key(options.signing_key)
        plan = sign_plan(
            policy,
            key,
            kind=kind,
            profile=profile,
            commit=commit,
            thresholds=thresholds,
            scenarios=scenarios,
            now_us=now_us(),
        )
        signing = (policy, key, plan)
    plan_of = None if signing is None else signing[2]
    with recorded(ledger, kind=kind, profile=profile, commit=commit, plan=plan_of) as record:
        yield SignedRun(record, ledger, signing, options.image)
