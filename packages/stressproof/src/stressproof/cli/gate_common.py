"""What both gates share on the command line: their options, the decision file, the last word."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from stressproof.cli.output import to_stderr
from stressproof.cli.output_options import (
    CommandT,
    OutputOptions,
    append_step_summary,
    output_options,
)
from stressproof.cli.param_types import LIMIT, WHOLE
from stressproof.cli.sign_options import KEY, POLICY
from stressproof.cli.suite_choice import SuiteOption
from stressproof.errors import UsageError
from stressproof.evidence.writing import check_writable, write_atomic
from stressproof.exits import Exit
from stressproof.gate.environment import SETTINGS, Form, Setting, Value
from stressproof.gate.gate import Judged, gate
from stressproof.gate.request import GateRequest, plain_request
from stressproof.gate.summary import check_gate_key, sign_decision
from stressproof.gate.trust import read_trust
from stressproof.report.gate_json import undecided
from stressproof.report.gate_text import summary
from stressproof.report.gates import FORMATS, render
from stressproof.report.verdict_text import reasons
from stressproof.report.verdict_text import summary as verdict_summary
from stressproof.suite import Suite
from stressproof.trust.bundle import bundle_path, put_bundle
from stressproof.trust.signing import SigningKey, find_key

_TYPES: dict[Form, click.ParamType[Any]] = {
    Form.PATH: click.STRING,
    Form.WHOLE: WHOLE,
    Form.LIMIT: LIMIT,
    Form.NAME: click.STRING,
}


def showing_options(command: CommandT) -> CommandT:
    """Add the options of `OutputOptions` to a command that decides."""
    add = output_options(
        FORMATS,
        shown="decision",
        rehearsal="judge all evidence, print the steps without running them.",
    )
    return add(command)


def policy_option(command: CommandT) -> CommandT:
    """Add ``--policy-ref``."""
    return click.option(
        "--policy-ref",
        default="",
        metavar="REF",
        help="Read stressproof.toml from this full ref or commit and not from HEAD, which the "
        "author of the change owns.",
    )(command)


def trust_options(command: CommandT) -> CommandT:
    """Add ``--policy``, and ``--sign`` with its ``--signing-key``."""
    sign = click.option(
        "--sign", is_flag=True, help="Sign the decision, as a gate; needs --decision-out."
    )
    return POLICY(sign(KEY(command)))


class GateSigning(Struct, frozen=True):
    """Whether and how a decision is signed, and under which policy.

    Attributes:
        trust_file: A trust policy on disk, empty for the one that is committed.
        sign: Whether the decision is signed.
        key: A file, None for what is found.
    """

    trust_file: str = ""
    sign: bool = False
    key: str | None = None

    def key_of_gate(self, showing: OutputOptions, policy_ref: str) -> SigningKey | None:
        """Return the gate's key, None where nothing is signed.

        Raises:
            UsageError: The decision cannot be signed as asked; nothing was judged yet.
        """
        if not self.sign:
            if self.key is not None:
                raise UsageError(
                    "--signing-key says how to sign, and --sign is missing", hint="Add --sign."
                )
            return None
        if showing.decision_out is None or showing.dry_run:
            raise UsageError(
                "--sign signs a decision that is written, and none is",
                hint="Add --decision-out FILE, and leave --dry-run out.",
            )
        key = find_key(self.key)
        check_gate_key(read_trust(Path(), policy_ref, self.trust_file).policy, key)
        return key


def setting_options(command: CommandT) -> CommandT:
    """Add a flag for every setting of the gates that has one."""
    for setting in reversed(SETTINGS):
        if setting.flag:
            command = click.option(
                setting.flag,
                cls=SuiteOption,
                of_suite=partial(_default, setting),
                type=_TYPES[setting.form],
                help=setting.meaning,
            )(command)
    return command


def _default(setting: Setting, suite: Suite) -> object:
    """Return what a gate asks where a setting is not given."""
    plain = plain_request(suite)
    asked = plain.of(setting.kind).requirements
    return getattr(asked, setting.field) if setting.field and asked else None


def flags_given(values: dict[str, Any]) -> dict[str, Value]:
    """Return the settings that were given, by flag; 0 is one, nothing is not."""
    return {
        setting.flag: values[name]
        for setting in SETTINGS
        if (name := setting.flag.removeprefix("--").replace("-", "_"))
        and values.get(name) is not None
    }


def run_and_conclude(
    name: str,
    showing: OutputOptions,
    ask: Callable[[], GateRequest],
    *,
    policy_ref: str,
    signing: GateSigning,
    evidence_only: bool = False,
) -> Exit:
    """Run a gate, show and write its decision, and return the exit code.

    Args:
        name: What it is called.
        showing: How the decision is wanted.
        ask: Returns what it asks; called once the decision file says that nothing is decided yet.
        policy_ref: Where the project's policy is read; empty for HEAD.
        signing: Whether and how the decision is signed.
        evidence_only: Whether the quality steps are left out.

    Raises:
        UsageError: What was asked cannot be meant.
        OutputError: The decision could not be written or shown.
    """
    key = signing.key_of_gate(showing, policy_ref)
    named = showing.decision_file()
    out = None if named is None else Path(named)
    if out is not None:
        _reserve(out, name)
    asked = msgspec.structs.replace(
        ask(),
        decision_path=str(out or ""),
        policy_ref=policy_ref,
        trust_file=signing.trust_file,
    )
    seen: list[Judged] = []

    def on_judged(judged: Judged) -> None:
        seen.append(judged)
        _show_judged(judged, showing.mark)

    decision = gate(
        asked, name=name, evidence_only=evidence_only, on_judged=on_judged, on_line=to_stderr
    )
    if out is not None:
        written = render(decision, "json").encode()
        write_atomic(out, written)
        to_stderr(f"decision written to {out}")
        if key is not None:
            put_bundle(bundle_path(out), sign_decision(decision, written, seen[0], key))
            to_stderr(f"signed: {bundle_path(out)}")
    showing.show(render(decision, showing.form))
    if showing.form == "github":
        append_step_summary(render(decision, "markdown"))
    if showing.form != "text":
        to_stderr(showing.mark + summary(decision))
    return decision.exit_code


def _show_judged(judged: Judged, mark: str) -> None:
    """Say what blocks before the first quality step: those take minutes."""
    lines = [verdict_summary(verdict) for verdict in judged.verdicts]
    for check in judged.checks:
        if check.exit_code is not Exit.PASS:
            lines += reasons(check)
    for line in lines:
        to_stderr(mark + line)


def _reserve(path: Path, gate: str) -> None:
    """Put a file that accepts nothing where the decision will be.

    A decision from an earlier run must not outlive this one, however this one ends.

    Raises:
        UsageError: Something else than a decision is there.
        OutputError: It cannot be written.
    """
    check_writable(path)
    if path.exists() and not _is_decision(path):
        raise UsageError(
            f"{path} is there and is no decision of a gate; it is not overwritten",
            hint="Name another file for --decision-out, or remove that one.",
        )
    write_atomic(path, undecided(gate))
    put_bundle(bundle_path(path), [])


def _is_decision(path: Path) -> bool:
    try:
        schema = msgspec.json.decode(path.read_bytes(), type=_Marked).schema
    except (OSError, msgspec.DecodeError):
        return False
    return schema.startswith(("stressproof.gate-decision/", "stressproof.decision/"))


class _Marked(Struct):
    schema: str
