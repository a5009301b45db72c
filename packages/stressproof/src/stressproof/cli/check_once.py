"""What a project would send, and sending each of it once: for ``stressproof check``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressproof.capture.credentials import find
from stressproof.capture.once import Iteration, once
from stressproof.capture.workload import build_workload
from stressproof.cli.capture import command as capture_command
from stressproof.cli.capture_plan import plan_from
from stressproof.cli.ci_forms import CiForms, write_reports
from stressproof.cli.output import to_stdout
from stressproof.config.stress_requirements import RUNNER
from stressproof.exits import Exit
from stressproof.outcome import Outcome
from stressproof.quantities import count_of
from stressproof.report.workload_text import iteration_lines
from stressproof.workload.workload import Workload

if TYPE_CHECKING:
    from stressproof.report.ci_report import CiReport


def workload_of(
    file: Path | None, profile: str | None, target: str | None, url: str | None
) -> Workload:
    """Return what ``stressproof capture`` would send of a profile, in its first round.

    Args:
        file: The project's, that of the working directory if None.
        profile: Which; the project's own choice if None.
        target: Which of the file's; the main one if None.
        url: The service; the target's if None.

    Raises:
        UsageError: It cannot be meant.
    """
    given = (("--config", file), ("--profile", profile), ("--target", target), ("--url", url))
    flags = [str(word) for flag, value in given if value is not None for word in (flag, value)]
    context = capture_command.make_context("capture", flags)
    options: dict[str, Any] = dict(context.params)
    plan = plan_from(RUNNER, options, scripted=False)
    return build_workload(plan, find(plan.url, os.environ, plan.local_service))


def send_once(workload: Workload, forms: CiForms) -> Exit:
    """Send each request and flow once, show questions and answers, and say how that went.

    Args:
        workload: What is sent.
        forms: What CI is told.

    Returns:
        0 where all is as the file expects; 4 where something had no answer; 99 where an answer or
        a flow is not as it should be.

    Raises:
        TargetError: No token was issued.
        UsageError: Something in it cannot be meant.
    """
    sent: list[Iteration] = []
    for iteration in once(workload):
        to_stdout("\n".join(iteration_lines(iteration)))
        sent.append(iteration)
    failed = sum(bool(one.fault) for one in sent)
    unanswered = sum(one.unanswered for one in sent)
    code = Exit.TARGET if unanswered else Exit.OBJECTIVES if failed else Exit.PASS
    asked = f"{count_of(len(sent), 'iteration')} with "
    asked += count_of(sum(len(one.exchanges) for one in sent), "request")
    sentence, following = f"{asked}, all as expected", "stressproof capture"
    if code is not Exit.PASS:
        sentence = f"of {asked} {failed} failed"
        sentence += f", {unanswered} without an answer" if unanswered else ""
        following = (
            f"Is the service running at {workload.target.url}?"
            if unanswered
            else "Correct the request, or say what is right with expect and check."
        )
        to_stdout(f"FAIL (exit {code}): {sentence}. {following}")
    else:
        to_stdout(f"PASS (exit 0): {sentence}. Next: {following}")
    if forms.wanted:
        write_reports(forms, [_report(workload, sent, code, sentence, following)], [])
    return code


def _report(
    workload: Workload, sent: Sequence[Iteration], code: Exit, sentence: str, following: str
) -> "CiReport":
    """Return what CI is told of iterations that were sent once."""
    from stressproof.report.ci_report import CiReport  # noqa: PLC0415  # few ask for it
    from stressproof.report.html.parts import Judged  # noqa: PLC0415  # likewise

    return CiReport(
        title=f"Once: {workload.target.url}",
        outcome=Outcome.PASS if code is Exit.PASS else Outcome.FAIL,
        sentence=f"{sentence}.",
        next_step=following,
        judged=[
            Judged(
                name=f"{one.scenario}: {one.name}",
                outcome=Outcome.FAIL if one.fault else Outcome.PASS,
                observed=one.fault or "as expected",
                limit="what is expected of it",
            )
            for one in sent
        ],
    )
