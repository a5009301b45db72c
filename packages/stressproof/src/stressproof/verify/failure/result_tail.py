"""What the last lines of a test runner's output say: passed, or why they do not say so.

Tests of failures have names that speak of failing, so a word alone proves nothing: what counts is
where a runner (pytest, unittest, Go, TAP, JUnit's, mocha) writes how it ended.
"""

import re
import unicodedata

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_])")
_BAD = r"(?:fail(?:ed|ures?|ing)?|errors?|errored|broken|crash(?:ed|es)?|timeouts?|timed out)"
_GOOD = r"(?:pass(?:ed|es|ing)?|ok|succe(?:ss(?:ful(?:ly)?|es)?|eded))"

_STATUS = r"\b(?:status|result|outcome|verdict|conclusion)"

_COUNTED = (
    re.compile(rf"\b0*[1-9](?:[0-9,]*[0-9])?\s+(?:[a-z]+\s+)?{_BAD}\b", re.IGNORECASE),
    re.compile(rf"\b{_BAD}\s*[:=]\s*0*[1-9]", re.IGNORECASE),
    re.compile(
        r"\b(?:exit(?:ed)?|return(?:ed)?)[ -]?(?:with )?(?:code|status)?\s*[:=]?\s*-?[1-9]",
        re.IGNORECASE,
    ),
)
"""So many of them failed."""

_ENDED = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^\W*(?:FAIL(?:ED|URES?)?|ERRORS?|FATAL|PANIC|INTERNALERROR)\b(?!\W*0\b)",
        r"\b(?:FAIL(?:ED)?|ERROR)\b[\])]?\s*(?:\[\s*\d+%\])?\s*$",
        r"\b(?:TESTS?|BUILD|SUITE) (?:FAILED|FAILURE)\b",
        r"^E\s{2,}\S",
        r"^\s*(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception)\b",
        r"\bTraceback \(most recent call last\)",
        r"(?i:^\W*(?:not ok|panic:|killed|aborted|terminated|interrupted|cancell?ed)\b)",
        r"(?i:\bsegmentation fault|\bcore dumped|\bkeyboardinterrupt|!!+ (?:interrupted|stopping))",
        r"(?i:\btime(?:d )?out after\b)",
        r"(?i:\bcommand not found|\bno such file or directory|\bunrecognized arguments)",
        rf"(?i:{_STATUS}\s*[:=]\s*(?!['\"]?{_GOOD}\b)['\"]?[a-z])",
        r"(?i:(?:^|[:|-])\s*(?:fail(?:ed|ure)?|error(?:ed)?|inconclusive|broken|unknown)[.!]?\s*$)",
        r"(?i:\b(?:did|does|has|was|is) ?n[o']t (?:pass|succeed|complete|run|ok|success))",
        r"[✗✘✖❌]",
    )
)
"""It ended badly, or not at all."""

_EMPTY = re.compile(
    r"\bno (?:tests?|scenarios?)(?: were)? (?:ran|run|found|collected)\b"
    r"|\b(?:collected|ran|tests run:) 0\b|\b0 (?:tests?|scenarios?|passed|passing)\b"
    r"|\b(?:none|nothing) passed\b",
    re.IGNORECASE,
)
"""Nothing was run, whatever else is said but a number that passed."""

_NOTHING = re.compile(
    r"\b[0-9]+ (?:skipped|deselected|x(?:failed|passed)|ignored|pending|todo)\b"
    r"|\b(?:skip(?:ped)?|dry[ -]run|not run)\b",
    re.IGNORECASE,
)
"""Nothing was judged, unless something else says that it passed."""

_PASSED_SOME = re.compile(rf"\b0*[1-9](?:[0-9,]*[0-9])?\s+(?:[a-z]+\s+)?{_GOOD}\b", re.IGNORECASE)
_PASSED = re.compile(rf"(?<![0-9]\s)(?<!not )\b{_GOOD}\b|[✓✔✅]", re.IGNORECASE)


def tail_problem(tail: str) -> str:
    """Return why the end of an output is none of a pass; empty where it is, or where there is none.

    Args:
        tail: The last lines that were kept.
    """
    text = unicodedata.normalize("NFKC", _ANSI.sub("", tail)).replace("\r", "\n")
    if not text.strip():
        return ""
    for pattern in (*_COUNTED, *_ENDED):
        found = pattern.search(text)
        if found is not None:
            return " ".join(found.group().split())
    if _PASSED_SOME.search(text):
        return ""
    nothing = _EMPTY.search(text) or (None if _PASSED.search(text) else _NOTHING.search(text))
    if nothing is not None:
        return f"{nothing.group()} and none passed"
    return "" if _PASSED.search(text) else "nothing that says that it passed"
