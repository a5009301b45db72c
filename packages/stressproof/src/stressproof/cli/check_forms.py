"""What ``stressproof check`` found of evidence, as CI reads it."""

from stressproof.cli.ci_forms import CiForms, write_reports
from stressproof.evidence.stress import StressArtifact
from stressproof.objectives.evaluating import Answers
from stressproof.outcome import Outcome
from stressproof.report.ci_report import CiReport
from stressproof.report.html.stress import judged_of
from stressproof.verify.rule import printable

_NEXT = {
    Outcome.PASS: "Hand the evidence to the gate: stressproof gate release.",
    Outcome.FAIL: "Mend what is slow or fails, and capture again.",
    Outcome.INCONCLUSIVE: "Capture longer, or ask what the evidence can tell.",
}


def write_answers(forms: CiForms, artifact: StressArtifact, found: Answers, sentence: str) -> None:
    """Write what is wanted of an answer.

    Args:
        forms: Which forms, and where to.
        artifact: What was asked; that its figures follow from its measurements is known.
        found: How each objective came out.
        sentence: All of it together.

    Raises:
        OutputError: It cannot be written.
    """
    report = CiReport(
        title=f"Objectives: {printable(artifact.profile)} on {printable(artifact.target_url)}",
        outcome=found.outcome,
        sentence=f"{sentence}.",
        next_step=_NEXT[found.outcome],
        judged=judged_of(found),
        blocking=[],
    )
    write_reports(forms, [report], [artifact])
