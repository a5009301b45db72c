"""What must be signed, by whom, and how fresh: ``trust/policy.toml`` and the roster beside it."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stressproof.config.mistakes import ConfigError, Mistake
from stressproof.config.reading import located, read_toml, source_of
from stressproof.trust.keys import PublicKey
from stressproof.trust.roster import PRINCIPAL, ROSTER_NAME, Signer, read_roster

FOLDER = "trust"
POLICY_NAME = "policy.toml"

Principal = Annotated[str, Meta(pattern=PRINCIPAL)]
Hours = Annotated[float, Meta(gt=0, le=8760)]
Limit = Annotated[float, Meta(ge=0, le=1e12)]
Count = Annotated[int, Meta(ge=0, le=10**9)]


class Role(StrEnum):
    """What a principal may say; one role each."""

    EXECUTOR = "executor"
    APPROVER = "approver"
    GATE = "gate"


class RolesTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may say what, by the names of the roster."""

    executor: Annotated[
        tuple[Principal, ...], Meta(description="Sign plans and evidence.", min_length=1)
    ]
    approver: Annotated[tuple[Principal, ...], Meta(description="Sign approvals.", min_length=1)]
    gate: Annotated[
        tuple[Principal, ...], Meta(description="Sign the gate's summaries.", min_length=1)
    ]


class RequireTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What a promotion needs."""

    evidence: Annotated[
        tuple[Literal["stress", "failure"], ...],
        Meta(description="Kinds of evidence, none of which may be missing.", min_length=1),
    ]
    assurance: Annotated[Literal["attested"], Meta(description="What a verdict must rest on.")] = (
        "attested"
    )
    approvals: Annotated[
        int, Meta(description="Approvals of each artifact, by as many people.", ge=1, le=16)
    ] = 1
    plan: Annotated[
        bool, Meta(description="Whether what is run must have been signed before it ran.")
    ] = False
    checks: Annotated[
        int, Meta(description="Fewest rules that must have compared something.", ge=0, le=10_000)
    ] = 0
    waivable: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[a-z]+(?:[.-][a-z0-9-]+)+$")], ...],
        Meta(description="Rules about objectives that an approver may waive, by id."),
    ] = ()
    attempts_max: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Most runs of a commit, the one handed in included."),
    ] = None


class AgesTable(Struct, frozen=True, forbid_unknown_fields=True):
    """How old evidence may be, which tightens the gate's limits, and what is signed."""

    stress_hours: Hours | None = None
    failure_hours: Hours | None = None
    approval_hours: Annotated[Hours, Meta(description="An approval, however long it says.")] = 72.0
    summary_hours: Annotated[Hours, Meta(description="The gate's summary at a promotion.")] = 24.0


class LimitsTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of every round of load, which tighten the suite's."""

    max_p95_seconds: Limit | None = None
    max_error_rate_percent: Limit | None = None
    min_throughput_rps: Limit | None = None
    min_duration_seconds: Count | None = None
    min_concurrent_users: Count | None = None


class RevokedKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key that signs nothing any more, whatever it signed before."""

    key: Annotated[
        str, Meta(description="As ssh-keygen -l prints it.", pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")
    ]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    at: datetime | None = None


class PolicyFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``policy.toml``."""

    resource: Annotated[
        str,
        Meta(
            description="What is promoted, as a URI: git+https://example.org/shop or a purl.",
            pattern=r"^[a-z][a-z0-9+.-]*:[!-~]{1,500}$",
        ),
    ]
    roles: RolesTable
    require: RequireTable
    ages: AgesTable = AgesTable()
    limits: LimitsTable = LimitsTable()
    revoked: tuple[RevokedKey, ...] = ()


class TrustPolicy(Struct, frozen=True, kw_only=True):
    """A policy with its roster, both as read.

    Attributes:
        file: What ``policy.toml`` says.
        signers: What the roster says.
        digest: Of both files; what an approval and a summary are bound to.
    """

    file: PolicyFile
    signers: tuple[Signer, ...]
    digest: str

    def role_of(self, principal: str) -> Role | None:
        """Return what a principal may say, None for nothing."""
        for role in Role:
            if principal in getattr(self.file.roles, role.value):
                return role
        return None

    def signer_of(self, key: PublicKey) -> Signer | None:
        """Return whose key it is, None for nobody's."""
        return next((each for each in self.signers if each.key == key), None)

    def is_revoked(self, key: PublicKey) -> bool:
        """Return whether a key signs nothing any more."""
        return key.fingerprint in {each.key for each in self.file.revoked}

    @property
    def keys(self) -> dict[str, PublicKey]:
        """Every key of the roster by its fingerprint, revoked ones too: they have a reason."""
        return {each.key.fingerprint: each.key for each in self.signers}


def policy_of(policy: bytes, roster: bytes, where: str) -> TrustPolicy:
    """Return the policy that two files are.

    Args:
        policy: Bytes of ``policy.toml``.
        roster: Bytes of ``allowed_signers``.
        where: How to name their folder in messages.

    Raises:
        ConfigError: Something cannot be meant; every such thing of a file is named.
        UsageError: A file is too large, or not UTF-8.
    """
    signers = read_roster(source_of(roster, f"{where}/{ROSTER_NAME}"))
    source = source_of(policy, f"{where}/{POLICY_NAME}")
    file = read_toml(source, PolicyFile)
    mistakes = [located(source, each) for each in _mistakes(file, signers)]
    if mistakes:
        raise ConfigError(source.name, mistakes)
    parts = {
        POLICY_NAME: hashlib.sha256(policy).hexdigest(),
        ROSTER_NAME: hashlib.sha256(roster).hexdigest(),
    }
    digest = hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()
    return TrustPolicy(file=file, signers=signers, digest=digest)


def _mistakes(file: PolicyFile, signers: Iterable[Signer]) -> Iterable[Mistake]:
    known = {each.principal for each in signers}
    owners: dict[str, Role] = {}
    for role in Role:
        for at, principal in enumerate(getattr(file.roles, role.value)):
            place = ("roles", role.value, at)
            first = owners.setdefault(principal, role)
            if first is not role:
                yield Mistake(
                    place,
                    f"{principal} is {first.value} as well",
                    "One role each: who runs does not approve, and neither decides.",
                )
            if principal not in known:
                yield Mistake(
                    place, f"{principal} has no key", f"Add a line to {FOLDER}/{ROSTER_NAME}."
                )
    if file.require.approvals > len(set(file.roles.approver)):
        yield Mistake(
            ("require", "approvals"),
            f"{file.require.approvals} approvals of {len(set(file.roles.approver))} approvers",
            "Name more approvers, or ask for fewer approvals.",
        )
