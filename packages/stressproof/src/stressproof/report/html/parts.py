"""What a report is made of, whatever kind of evidence it shows: words, not markup."""

from collections.abc import Sequence

from msgspec import Struct

from stressproof.outcome import Outcome
from stressproof.report.html.charts import Drawing
from stressproof.report.lines import MARKS
from stressproof.report.verdict_text import RESTS_ON, WORD
from stressproof.verify.rule import Result, printable
from stressproof.verify.verdict import Verdict


class Fact(Struct, frozen=True):
    """A name and what it is."""

    name: str
    value: str


class Judged(Struct, frozen=True):
    """Something that was held against a limit.

    Attributes:
        name: What.
        outcome: How it came out.
        observed: What was seen.
        limit: What was asked for.
        samples: How much the figure rests on.
        note: Where it was worst, or why nothing can be said.
    """

    name: str
    outcome: Outcome
    observed: str
    limit: str
    samples: str = ""
    note: str = ""

    @property
    def mark(self) -> str:
        """The sign of the outcome."""
        return MARKS[self.outcome]

    @property
    def word(self) -> str:
        """The word for the outcome."""
        return WORD[self.outcome]


class Table(Struct, frozen=True):
    """Rows under a heading; the first cell of a row names it.

    Attributes:
        caption: What the table shows.
        columns: Headings.
        rows: Cells, as many as there are headings.
        words: How many columns, from the left, hold words; the others hold figures.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


class Reason(Struct, frozen=True):
    """One rule that does not hold, in words.

    Attributes:
        title: What should hold.
        rule: Its id.
        outcome: How it came out.
        findings: What was seen and what was expected.
        remedies: What to do.
    """

    title: str
    rule: str
    outcome: Outcome
    findings: Sequence[str]
    remedies: Sequence[str]

    @property
    def word(self) -> str:
        """The word for the outcome."""
        return WORD[self.outcome]


def reason(result: Result) -> Reason:
    """Return a result that does not hold, in words."""
    findings = [
        f"{finding.where}: {finding.seen}; expected {finding.expected}"
        for finding in result.findings
    ]
    if result.more:
        findings.append(f"and {result.more} more")
    remedies = list(dict.fromkeys(one.remedy for one in result.findings if one.remedy))
    return Reason(result.title, result.rule, result.outcome, findings, remedies)


class Section(Struct, frozen=True, kw_only=True):
    """A part of a report under a heading of its own.

    Attributes:
        id: Unique in the document, for links.
        title: The heading.
        lead: What it says, in a sentence or two; empty for none.
        judged: What was held against limits.
        facts: Names and values.
        charts: What is drawn.
        tables: Likewise.
        lines: Texts that belong together: samples, a log.
        parts: Sections below this one.
    """

    id: str
    title: str
    lead: str = ""
    judged: Sequence[Judged] = ()
    facts: Sequence[Fact] = ()
    charts: Sequence[Drawing] = ()
    tables: Sequence[Table] = ()
    lines: Sequence[str] = ()
    parts: "Sequence[Section]" = ()


class Link(Struct, frozen=True):
    """Where else to look."""

    text: str
    href: str


class Page(Struct, frozen=True, kw_only=True):
    """The report of one artifact.

    Attributes:
        id: Unique in the document.
        title: What it is about.
        verdict: What it was judged.
        sentence: The verdict in a sentence.
        next_step: What to do now.
        facts: Who, which build, what load, when.
        judged: What was asked of it, each with its outcome: objectives, or scenarios.
        sections: In the order in which people ask.
    """

    id: str
    title: str
    verdict: Verdict
    sentence: str
    next_step: str
    facts: Sequence[Fact]
    judged: Sequence[Judged] = ()
    sections: Sequence[Section]

    @property
    def mark(self) -> str:
        """The sign of the verdict."""
        return MARKS[self.verdict.outcome]

    @property
    def word(self) -> str:
        """The word for the verdict."""
        return WORD[self.verdict.outcome]

    @property
    def reasons(self) -> list[Reason]:
        """What keeps the evidence from passing."""
        return [reason(result) for result in self.verdict.blocking]

    @property
    def warnings(self) -> list[Reason]:
        """What is only told."""
        return [reason(result) for result in self.verdict.warnings]


def build_facts(commit: str | None, *, dirty: bool | None) -> list[Fact]:
    """Return which build evidence is about."""
    if commit is None:
        return [Fact("Build", "unknown: no commit was recorded")]
    state = {True: " with uncommitted changes", False: "", None: " (changes unknown)"}[dirty]
    return [Fact("Build", f"{printable(commit)[:12]}{state}")]


def unshown(verdict: Verdict, why: str, *, id: str) -> Page:  # noqa: A002  # HTML's own name
    """Return the page of evidence whose figures cannot be believed: the verdict alone."""
    remedies = [one.remedy for result in verdict.blocking for one in result.findings]
    return Page(
        id=id,
        title=f"{verdict.kind.capitalize()} evidence: {printable(verdict.path)}",
        verdict=verdict,
        sentence=f"Its figures are not shown: {printable(why)}",
        next_step=next(filter(None, remedies), "Capture it again, and hand on what was written."),
        facts=build_facts(verdict.commit, dirty=None),
        sections=[verification(verdict, id)],
    )


def verification(verdict: Verdict, prefix: str) -> Section:
    """Return how a reader checks these very data."""
    return Section(
        id=f"{prefix}-verify",
        title="Check this yourself",
        lead="Everything on this page follows from one file. Whoever has it can judge it again, "
        "without a network and without this page.",
        facts=[
            Fact("File", printable(verdict.path)),
            Fact("SHA-256", verdict.sha256 or "not read"),
            Fact("Rests on", RESTS_ON[verdict.level]),
        ],
        lines=[
            f"sha256sum {printable(verdict.path)}",
            f"stressproof verify {printable(verdict.path)}",
        ],
    )
