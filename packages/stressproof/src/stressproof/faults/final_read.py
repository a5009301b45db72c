"""Effects and invariants read from the source of truth: by SQL, HTTP or a command.

All of it goes past proxies, after healing. An answer that is none breaks the run: a read that
failed says nothing about the service.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from stressproof.errors import RunError
from stressproof.failures.spec import Effects, Invariant
from stressproof.faults.testbed import Testbed
from stressproof.load.client import Client, RequestError
from stressproof.programs import program
from stressproof.workload.json_paths import ABSENT, member
from stressproof.workload.target import Target
from stressproof.workload.templates import RUN

_ASK_S = 30.0
_OK = range(200, 300)
_KEPT = re.compile(r"\{\{\s*kept\.([A-Za-z_][\w-]*)\s*\}\}", re.ASCII)
_SHOWN = 300


Source = Effects | Invariant


class FinalRead:
    """Reads what a trial left behind.

    Args:
        testbed: Healed.
        kept: What answers left for invariants, by name.
    """

    def __init__(self, testbed: Testbed, kept: Mapping[str, Sequence[Any]]) -> None:
        self._testbed = testbed
        self._kept = kept

    def effects(self, effects: Effects) -> dict[int, int]:
        """Return how often each effect that was asked for is there, by its key; those found only.

        Raises:
            RunError: They cannot be read.
        """
        found: dict[int, int] = {}
        for text, count in self._effect_rows(effects):
            key = self._testbed.effects.known(text)
            if key is not None:
                found[key] = found.get(key, 0) + count
        return found

    def invariant(self, invariant: Invariant) -> tuple[int, int]:
        """Return how many things an invariant compared, and how many of them are wrong.

        Raises:
            RunError: It cannot be read.
        """
        what = f"the invariant {invariant.id}"
        if invariant.sql:
            rows = self._rows(what, invariant)
            if len(rows) != 1 or len(rows[0]) != 2:  # noqa: PLR2004  # compared and violations
                raise _unread(what, f"{len(rows)} rows: {rows[:2]}", "one row of two numbers")
            return _count(what, rows[0][0]), _count(what, rows[0][1])
        if invariant.http:
            document = self._document(what, invariant)
            found = [
                _found(what, document, path) for path in (invariant.compared, invariant.violations)
            ]
            return _count(what, found[0]), _count(what, found[1])
        said = self._said(what, invariant).split()
        if len(said) != 2:  # noqa: PLR2004  # likewise
            raise _unread(what, repr(" ".join(said)), "COMPARED VIOLATIONS")
        return _count(what, said[0]), _count(what, said[1])

    def _effect_rows(self, effects: Effects) -> list[tuple[str, int]]:
        what = "the effects"
        if effects.sql:
            rows = self._rows(what, effects)
            if any(len(row) != 2 for row in rows):  # noqa: PLR2004  # an effect and its count
                raise _unread(
                    what, f"a row {rows[0]}", "rows of an effect and how often it is there"
                )
            return [(str(text), _count(what, count)) for text, count in rows]
        if effects.http:
            listed = _found(what, self._document(what, effects), effects.rows)
            if not isinstance(listed, list):
                raise _unread(what, f"{effects.rows} is no list", "a list of rows")
            return [
                (
                    str(_found(what, row, effects.effect)),
                    _count(what, _found(what, row, effects.count)) if effects.count else 1,
                )
                for row in listed
            ]
        lines = [line.split() for line in self._said(what, effects).splitlines() if line.strip()]
        if any(len(line) != 2 for line in lines):  # noqa: PLR2004  # likewise
            raise _unread(what, f"a line {lines[0]}", "lines of EFFECT COUNT")
        return [(text, _count(what, count)) for text, count in lines]

    def _rows(self, what: str, source: Source) -> list[tuple[Any, ...]]:
        """Ask a database; what was kept becomes a parameter each, an array of texts."""
        kept = {name: list(self._kept.get(name, ())) for name in _KEPT.findall(source.sql)}
        sql = self._text(source.sql)
        parameters = None
        if kept:
            sql = _KEPT.sub(lambda match: f"%({match[1]})s", sql.replace("%", "%%"))
            parameters = {name: [str(value) for value in values] for name, values in kept.items()}
        try:
            return self._testbed.database(source.from_).query(sql, parameters)
        except RunError as error:
            raise RunError(f"{what} cannot be read: {error.message}", hint=error.hint) from error

    def _document(self, what: str, source: Source) -> Any:
        url = self._testbed.places.direct(source.from_)
        path = self._text(source.http)
        try:
            answer = Client(Target(url), timeout_s=_ASK_S).get(path)
        except RequestError as error:
            raise _unread(what, f"GET {url}{path}: {error}", "an answer") from error
        if answer.status not in _OK:
            raise _unread(what, f"GET {url}{path}: {answer.status} {answer.text[:_SHOWN]}", "2xx")
        try:
            return answer.json()
        except ValueError as error:
            raise _unread(what, answer.text[:_SHOWN], "JSON") from error

    def _said(self, what: str, source: Source) -> str:
        argv = [self._testbed.places.text(what, self._text(word)) for word in source.run]
        argv[0] = program(argv[0]) or argv[0]
        try:
            done = subprocess.run(
                argv,
                cwd=self._testbed.folder,
                env=self._testbed.places.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_ASK_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _unread(what, f"{argv[0]}: {error}", "a command that ends with 0") from error
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise _unread(what, f"{argv[0]}: exit {done.returncode} {' '.join(last)}"[:_SHOWN], "0")
        return done.stdout

    def _text(self, text: str) -> str:
        """Return a text with this trial's name; it holds letters and digits alone."""
        return _RUN.sub(self._testbed.effects.run, text)


_RUN = re.compile(r"\{\{\s*" + RUN + r"\s*\}\}")


def _found(what: str, document: Any, path: str) -> Any:
    found = member(document, path.removeprefix("json:").split("."))
    if found is ABSENT:
        raise _unread(what, f"an answer without {path}", path)
    return found


def _count(what: str, value: Any) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = -1
    if count < 0 or isinstance(value, bool | float):
        raise _unread(what, repr(value), "a whole number")
    return count


def _unread(what: str, seen: str, expected: str) -> RunError:
    return RunError(
        f"{what} cannot be read: {seen}, expected {expected}",
        hint="It is read past every proxy, once all is healed; ask it by hand.",
    )
