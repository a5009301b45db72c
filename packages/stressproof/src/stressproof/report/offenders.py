"""Which operations and effects a check found wrong: where to look first."""

from collections import Counter
from collections.abc import Iterator

from stressproof.evidence.failure import CheckResult
from stressproof.failures.artifact import Scenario, Trial
from stressproof.failures.checks import CHECKS
from stressproof.failures.conclusions import Evidence, effects_of
from stressproof.failures.history import Operation, read
from stressproof.quantities import span

_SHOWN = 2
"""Of each check: the first and one more tell what kind of thing it is."""


class Offenders:
    """What the checks of a trial found wrong, in words.

    Args:
        scenario: What was asked for.
        trial: Of it.

    Raises:
        ValueError: The trial carries something that has no meaning.
    """

    def __init__(self, scenario: Scenario, trial: Trial) -> None:
        self._operations = read(trial.operations)
        self._effects = effects_of(trial)
        self._evidence = Evidence(scenario.spec, self._operations, self._effects, trial.faults)

    def of(self, check: CheckResult) -> list[str]:
        """Return the first that a check found wrong; none where it is about all together."""
        if check.source == "invariant" or check.outcome != "fail":
            return []
        found = CHECKS[check.id].look(self._evidence.given(check)).wrong
        return [self._words(one) for one in found[:_SHOWN]]

    def _words(self, one: Operation | int) -> str:
        if isinstance(one, Operation):
            again = f", attempt {one.attempt}" if one.attempt > 1 else ""
            return f"{one.kind} at {span(one.start_us)}{again}: {_ending(one)}"
        attempts = [each for each in self._operations if one and each.key == one]
        asked = Counter(f"{each.kind} {each.code.name}" for each in attempts)
        told = ", ".join(f"{what} x {times}" for what, times in asked.items()) or "never asked for"
        begun = f" at {span(attempts[0].start_us)}" if attempts else ""
        return f"effect {one}{begun} ({told}), found {self._effects.get(one, 0)} times"


def _ending(one: Operation) -> str:
    return f"{one.code.name} ({one.code.answer_class}) after {span(one.duration_us)}"


def offender_lines(scenario: Scenario) -> Iterator[str]:
    """Yield what each failed check of a scenario found wrong first."""
    for name, trial in (("baseline", scenario.baseline), ("trial", scenario.trial)):
        offenders = Offenders(scenario, trial)
        for check in trial.checks:
            yield from (f"{name}: {check.id}: e.g. {words}" for words in offenders.of(check))
