"""Scenarios beside each other: which may share a testbed, and how testbeds run at once."""

import threading
from collections.abc import Callable, Sequence

from stressproof.capture.stage import Stage
from stressproof.failures.spec import ScenarioSpec
from stressproof.faults.testbed import HaltedError


def lanes(stage: Stage) -> list[list[ScenarioSpec]]:
    """Return the scenarios of each testbed, ours first; each runs its own one after the other."""
    here = [one for one in stage.scenarios if not one.parallel]
    others = [one for one in stage.scenarios if one.parallel]
    beside = min(stage.testbeds - 1, len(others))
    if not here or not beside:
        return [list(stage.scenarios)]
    return [here, *(others[lane::beside] for lane in range(beside))]


def run_beside(
    ours: Callable[[], None], others: Sequence[Callable[[], None]], halt: threading.Event
) -> None:
    """Do our work, and that of others in threads of their own, until all of it has ended.

    Args:
        ours: What is done here.
        others: What is done beside it.
        halt: Set when one of them breaks, so that all stop.

    Raises:
        BaseException: Whatever broke the first of them.
    """
    beside = [_Parallel(work, halt) for work in others]
    for one in beside:
        one.start()
    try:
        ours()
    except HaltedError:
        for one in beside:
            one.finish()
        raise
    except BaseException:
        # Ours is the reason that is told; the other testbeds only have to be gone.
        halt.set()
        for one in beside:
            one.join()
        raise
    for one in beside:
        one.finish()


class _Parallel:
    """A testbed beside the first, in a thread that lives as long as what it starts.

    Args:
        work: What it does.
        halt: Set when it breaks, so that the others stop too.
    """

    def __init__(self, work: Callable[[], None], halt: threading.Event) -> None:
        self._work = work
        self._halt = halt
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="parallel")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            self._failure = error
            self._halt.set()

    def join(self) -> None:
        """Wait for its end; harmless where it never began."""
        if self._thread.ident is not None:
            self._thread.join()

    def finish(self) -> None:
        """Wait for its end, and raise what it raised.

        Raises:
            BaseException: Whatever broke it, a bug of ours included.
        """
        self.join()
        if self._failure is not None:
            raise self._failure
