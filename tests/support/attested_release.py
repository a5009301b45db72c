"""Evidence with a ledger and signed statements beside it, as a team's captures leave them."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from signing_people import Team
from stressproof.evidence.reading import Document, read_document
from stressproof.trust.bundle import append_lines, bundle_path, read_bundle
from stressproof.trust.bundle import read_or_reason as read_bundle_or_reason
from stressproof.trust.case import AttestationCase
from stressproof.trust.issuing import sign_approval, sign_evidence, sign_plan
from stressproof.trust.ledger import LEDGER_NAME, Entry, append_end, append_start
from stressproof.trust.ledger import read_or_reason as read_ledger_or_reason
from stressproof.trust.policy import TrustPolicy
from stressproof.trust.statement import EVIDENCE, Statement
from stressproof.verify.instants import now_us, parse_instant, show_instant
from stressproof.verify.kind import read_or_reason
from stressproof.verify.kinds import kind_of

MINUTE_US = 60 * 1_000_000


@dataclass
class Release:
    """One folder of evidence, and the team that signs it.

    Attributes:
        folder: Where artifacts, bundles and the ledger lie.
        team: Who signs.
        policy: Under which policy.
        now_us: The time at which everything is signed and judged.
    """

    folder: Path
    team: Team
    policy: TrustPolicy
    now_us: int = field(default_factory=now_us)

    @property
    def ledger(self) -> Path:
        """The run ledger."""
        return self.folder / LEDGER_NAME

    def run(
        self,
        data: Mapping[str, Any],
        name: str = "stress.json",
        *,
        outcome: str = "pass",
        plan: bool = False,
        ended: bool = True,
    ) -> Path:
        """Write an artifact with its run in the ledger, and a signed plan where asked."""
        path = self.folder / name
        kind: Any = "failure" if "scenarios" in data else "stress"
        begun = parse_instant(str(data.get("started_at", data["captured_at"])))
        assert begun is not None
        subject = data.get("subject") or {}
        signed = None
        if plan:
            signed = sign_plan(
                self.policy,
                self.team.ada,
                kind=kind,
                profile=str(data["profile"]),
                commit=subject.get("git_commit"),
                thresholds=data.get("thresholds"),
                scenarios=[each["id"] for each in data.get("scenarios", ())],
                now_us=begun - 2 * 1_000_000,
            )
        start = append_start(
            self.ledger,
            kind=kind,
            profile=str(data["profile"]),
            commit=subject.get("git_commit"),
            at=show_instant(begun),
            plan=None if signed is None else digest(signed.payload),
            run=None if signed is None else signed.run,
        )
        # No two runs have the same bytes.
        path.write_text(json.dumps(data) + f"{'':{start.sequence}}", encoding="utf-8")
        if signed is not None:
            append_lines(bundle_path(path), [signed.line])
        if ended:
            self.end(start, path, outcome)
        return path

    def end(self, start: Entry, path: Path, outcome: Any = "pass") -> None:
        """Write a run's end."""
        sha256 = read_document(path).sha256
        append_end(self.ledger, start, at=show_instant(self.now_us), sha256=sha256, outcome=outcome)

    def sign(self, path: Path, **changes: Any) -> Path:
        """Have the executor sign an artifact."""
        asked: dict[str, Any] = {"ledger": self.ledger, "now_us": self.now_us - MINUTE_US}
        line = sign_evidence(read_document(path), self.policy, self.team.ada, **asked | changes)
        append_lines(bundle_path(path), [line])
        return path

    def approve(self, path: Path, **changes: Any) -> Path:
        """Have the approver approve an artifact."""
        asked: dict[str, Any] = {"ledger": self.ledger, "now_us": self.now_us}
        bundle = read_bundle(bundle_path(path), self.policy, self.now_us)
        [statement] = bundle.of(EVIDENCE)
        line = sign_approval(
            read_document(path),
            statement.digest,
            self.policy,
            self.team.grace,
            **asked | changes,
        )
        append_lines(bundle_path(path), [line])
        return path

    def case(
        self, path: Path, policy: TrustPolicy | None = None, commits: Sequence[str] = ()
    ) -> AttestationCase:
        """Return what the rules look at."""
        document = read_or_reason(path)
        kind = kind_of(document)
        policy = policy or self.policy
        return AttestationCase(
            evidence=kind.evidence(document, path, self.folder),
            policy=policy,
            bundle=read_bundle_or_reason(bundle_path(path), policy, self.now_us),
            ledger=read_ledger_or_reason(self.ledger),
            commits=tuple(commits),
            now_us=self.now_us,
        )


def digest(payload: bytes) -> str:
    """Return the sha256 of a payload."""
    return hashlib.sha256(payload).hexdigest()


def rewritten(payload: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return a statement's payload with something else in it; that it differs is certain."""
    data = json.loads(payload)
    change(data)
    made = msgspec.json.encode(data, order="sorted")
    assert made != payload
    return made


def payload_of(line: bytes) -> bytes:
    """Return what a line of a bundle carries."""
    return base64.b64decode(json.loads(line)["payload"])


def statement_of(line: bytes) -> Statement:
    """Return the statement of a line, whoever signed it."""
    return msgspec.json.decode(payload_of(line), type=Statement)


def hours_ago(hours: float) -> datetime:
    """Return a time that many hours ago."""
    return datetime.now(UTC) - timedelta(hours=hours)


__all__ = ["Document", "Release", "digest", "payload_of", "rewritten", "statement_of"]
