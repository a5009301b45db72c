"""One run in the ledger: its beginning before anything is sent, its end whatever becomes of it."""

import contextlib
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from stressproof.errors import OutputError, StressproofError
from stressproof.exits import Exit
from stressproof.gate.policy import read_policy
from stressproof.gate.repository import GitSilentError, locate
from stressproof.trust.issuing import SignedPlan
from stressproof.trust.ledger import (
    LEDGER_NAME,
    Entry,
    RunOutcome,
    append_end,
    append_start,
    ledger_path,
)

_OUTCOMES: dict[Exit, RunOutcome] = {
    Exit.PASS: "pass",
    Exit.OBJECTIVES: "fail",
    Exit.INCONCLUSIVE: "inconclusive",
    Exit.TARGET: "unsent",
    Exit.USAGE: "unsent",
}


def find_ledger(folder: Path, out: Path | None) -> Path | None:
    """Return where runs are written: in the project's first folder of evidence.

    Args:
        folder: Anywhere in its working tree.
        out: Where the artifact goes; outside of a repository the ledger lies beside it.

    Returns:
        The ledger, None where there is neither a repository nor a file to lie beside.
    """
    try:
        root = locate(folder).root
    except GitSilentError:
        beside = folder if out is None else out.parent
        named = Path(ledger_path(beside))
        return None if out is None and named == beside / LEDGER_NAME else named
    return Path(ledger_path(root / read_policy(folder).project.evidence[0]))


class RunRecord:
    """A run that is under way.

    Args:
        ledger: Where it is written, None for nowhere.
        start: How it began there.
    """

    def __init__(self, ledger: Path | None, start: Entry | None) -> None:
        self._ledger = ledger
        self._start = start

    def end(self, exit_code: Exit, artifact: bytes | Path | None) -> None:
        """Write how the run ended, once.

        Args:
            exit_code: What it shows, before anything was left unenforced.
            artifact: Its bytes, or where they were written; None where there are none.

        Raises:
            OutputError: It cannot be written.
        """
        if self._ledger is None or self._start is None:
            return
        content = artifact.read_bytes() if isinstance(artifact, Path) else artifact
        digest = None if content is None else hashlib.sha256(content).hexdigest()
        outcome = _OUTCOMES.get(exit_code, "broken")
        append_end(self._ledger, self._start, at=_now(), sha256=digest, outcome=outcome)
        self._start = None


@contextlib.contextmanager
def recorded(
    ledger: Path | None,
    *,
    kind: Literal["stress", "failure"],
    profile: str,
    commit: str | None,
    plan: SignedPlan | None = None,
) -> Iterator[RunRecord]:
    """Write that a run begins, and, where an error keeps it from its end, how it ended.

    A process that is killed writes nothing more: a run without an end says so.

    Args:
        ledger: Where, None for nowhere.
        kind: Of evidence.
        profile: As the suite calls it.
        commit: The build, None where git did not say.
        plan: What was signed before.

    Raises:
        OutputError: It cannot be written.
    """
    start = None
    if ledger is not None:
        start = append_start(
            ledger,
            kind=kind,
            profile=profile,
            commit=commit,
            at=_now(),
            plan=None if plan is None else hashlib.sha256(plan.payload).hexdigest(),
            run=None if plan is None else plan.run,
        )
    record = RunRecord(ledger, start)
    try:
        yield record
    except StressproofError as error:
        with contextlib.suppress(OutputError):  # a full disk is told once, by what met it first
            record.end(error.exit_code, None)
        raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
