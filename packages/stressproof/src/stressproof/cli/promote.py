"""``stressproof promote``: the question before a deployment, answered by a gate's signed word."""

from pathlib import Path

import click

from stressproof.cli.examples import examples
from stressproof.cli.output import to_stdout
from stressproof.cli.sign_options import DIGEST, POLICY, POLICY_REF, committed_policy
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.gate.repository import GitSilentError, locate, resolve
from stressproof.report.verdict_text import WORD, reasons
from stressproof.trust.bundle import read_or_reason
from stressproof.trust.promotion import PromotionCase, judge_promotion
from stressproof.verify.instants import now_us
from stressproof.verify.rule import printable
from stressproof.verify.subject import is_commit
from stressproof.verify.verdict import overall


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stressproof promote decision.intoto.jsonl --policy-ref refs/remotes/origin/main",
    ),
)
@click.argument("summary", type=click.Path(path_type=Path))
@DIGEST
@click.option(
    "--commit",
    default="",
    metavar="HASH",
    help="The commit that is promoted.  [default: the one checked out]",
)
@POLICY
@POLICY_REF
def command(
    summary: Path, image: str | None, commit: str, trust_file: str, policy_ref: str
) -> Exit:
    """Say whether a build may be promoted: 0 for exactly one thing, and for nothing else.

    That is a fresh summary that says PASSED, signed by the gate's key, for this commit and this
    digest, under this policy. SUMMARY is what gate release --sign wrote beside its decision.
    """
    policy, source = committed_policy(trust_file, policy_ref)
    case = PromotionCase(
        path=printable(str(summary)),
        bundle=read_or_reason(summary, policy, now_us()),
        policy=policy,
        commit=_commit(commit),
        digest=image,
        now_us=now_us(),
    )
    results = judge_promotion(case)
    outcome, code = overall(results)
    lines = [line for each in results if each.exit_code is not Exit.PASS for line in reasons(each)]
    lines.append(f"trust     {printable(source)}")
    build = f"commit {case.commit}" + (f", sha256 {image}" if image else "")
    lines.append(f"{WORD[outcome]}  promote {build}  exit {int(code)}")
    to_stdout("\n".join(lines))
    return code


def _commit(named: str) -> str:
    if named:
        if not is_commit(named):
            raise UsageError(
                f"--commit {named!r} is not a full commit hash",
                hint=f"Write all of its digits: git rev-parse {named}",
            )
        return named
    try:
        return resolve(locate(Path()), "HEAD")
    except GitSilentError as silent:
        raise UsageError(
            f"what is promoted is not known: {silent.seen}",
            hint="Run it in a checkout of the build, or name the build: --commit HASH.",
        ) from silent
