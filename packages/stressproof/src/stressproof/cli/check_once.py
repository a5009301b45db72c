"""What a project would send, and sending each of it once: for ``stressproof check``."""

import os
from pathlib import Path
from typing import Any

from stressproof.capture.credentials import find
from stressproof.capture.once import once
from stressproof.capture.workload import build_workload
from stressproof.cli.capture import command as capture_command
from stressproof.cli.capture_plan import plan_from
from stressproof.cli.output import to_stdout
from stressproof.config.stress_requirements import RUNNER
from stressproof.exits import Exit
from stressproof.report.workload_text import iteration_lines
from stressproof.workload.workload import Workload


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


def send_once(workload: Workload) -> Exit:
    """Send each request and flow once, show questions and answers, and say how that went.

    Returns:
        0 where all is as the file expects; 4 where something had no answer; 99 where an answer or
        a flow is not as it should be.

    Raises:
        TargetError: No token was issued.
        UsageError: Something in it cannot be meant.
    """
    failed = unanswered = total = requests = 0
    for iteration in once(workload):
        to_stdout("\n".join(iteration_lines(iteration)))
        total += 1
        requests += len(iteration.exchanges)
        failed += bool(iteration.fault)
        unanswered += iteration.unanswered
    code = Exit.TARGET if unanswered else Exit.OBJECTIVES if failed else Exit.PASS
    asked = f"{total} iteration{'s' * (total != 1)} with {requests} request{'s' * (requests != 1)}"
    if code is Exit.PASS:
        to_stdout(f"PASS (exit 0): {asked}, all as expected. Next: stressproof capture")
    else:
        told = f"{failed} failed" + (f", {unanswered} without an answer" if unanswered else "")
        remedy = (
            f"Is the service running at {workload.target.url}?"
            if unanswered
            else ("Correct the request, or say what is right with expect and check.")
        )
        to_stdout(f"FAIL (exit {code}): of {asked} {told}. {remedy}")
    return code
