"""What CI is told of something that was judged, whatever form it reads."""

from collections.abc import Sequence

from msgspec import Struct

from stressproof.outcome import Outcome
from stressproof.report.html.parts import Judged, Page
from stressproof.report.lines import MARKS
from stressproof.report.verdict_text import WORD
from stressproof.verify.rule import Result


class CiReport(Struct, frozen=True, kw_only=True):
    """One thing that was judged.

    Attributes:
        title: What it is.
        outcome: How it came out.
        sentence: Why.
        next_step: What to do now.
        judged: What was asked of it: objectives, scenarios, or iterations that were sent once.
        blocking: Rules that reject its evidence; None where evidence is not what is judged.
    """

    title: str
    outcome: Outcome
    sentence: str
    next_step: str
    judged: Sequence[Judged]
    blocking: Sequence[Result] | None = None

    @classmethod
    def of(cls, page: Page) -> "CiReport":
        """Return what a page says."""
        return cls(
            title=page.title,
            outcome=page.verdict.outcome,
            sentence=page.sentence,
            next_step=page.next_step,
            judged=page.judged,
            blocking=page.verdict.blocking,
        )

    @property
    def word(self) -> str:
        """The word for the outcome."""
        return WORD[self.outcome]

    @property
    def mark(self) -> str:
        """The sign of the outcome."""
        return MARKS[self.outcome]


def seen(judged: Judged) -> str:
    """Return what was seen of something that was judged, beside what was asked."""
    samples = f", n={judged.samples}" if judged.samples else ""
    return f"{judged.observed} against {judged.limit}{samples} {judged.note}".strip()
