"""``stressproof keys list``: whose keys count, for what, and until when."""

import click

from stressproof.cli.examples import examples
from stressproof.cli.output import to_stdout
from stressproof.cli.sign_options import POLICY, POLICY_REF, committed_policy
from stressproof.trust.policy import TrustPolicy
from stressproof.trust.roster import Signer
from stressproof.verify.instants import now_us, show_instant
from stressproof.verify.rule import printable


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("stressproof keys list --policy-ref refs/remotes/origin/main"),
)
@POLICY
@POLICY_REF
def command(trust_file: str, policy_ref: str) -> None:
    """Show every key of the roster: owner, role, fingerprint, and whether it may sign now."""
    policy, source = committed_policy(trust_file, policy_ref)
    width = max(len(each.principal) for each in policy.signers)
    lines = [f"policy  {printable(source)}", f"sha256  {policy.digest}  {policy.file.resource}"]
    lines += [_line(policy, each, width) for each in policy.signers]
    to_stdout("\n".join(lines))


def _line(policy: TrustPolicy, signer: Signer, width: int) -> str:
    role = policy.role_of(signer.principal)
    parts = [
        f"{signer.principal:<{width}}",
        f"{role.value if role else 'no role':<8}",
        signer.key.fingerprint,
        _state(policy, signer),
    ]
    return "  ".join(parts)


def _state(policy: TrustPolicy, signer: Signer) -> str:
    for revoked in policy.file.revoked:
        if revoked.key == signer.key.fingerprint:
            return f"revoked: {revoked.reason}"
    until = signer.valid_before_us
    if not signer.is_valid_at(now_us()):
        since = signer.valid_after_us
        early = since is not None and now_us() < since
        return f"not before {show_instant(since or 0)}" if early else "expired"
    return "valid" if until is None else f"valid until {show_instant(until)}"
