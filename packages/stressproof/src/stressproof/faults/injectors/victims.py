"""What is killed, frozen and stopped: a process of the testbed, with everything below it."""

import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from stressproof.errors import RunError
from stressproof.faults.injector import Counted
from stressproof.faults.service_process import ServiceProcess
from stressproof.faults.undo import Undo
from stressproof.processes import ProcessRef, lives, send, state_of

_FREEZE_TIMEOUT_S = 10.0
_POLL_S = 0.005
_ASK_S = 1.0
_QUESTION = b"GET / HTTP/1.0\r\n\r\n"


class Victim(ABC):
    """Something that can be killed, frozen and started again."""

    @abstractmethod
    def kill(self) -> Counted:
        """Kill it at once, as a crash would; return what is gone.

        Raises:
            RunError: Something of it outlived that.
        """

    @abstractmethod
    def freeze(self) -> Counted:
        """Stop it in its tracks; return what stands still.

        Raises:
            RunError: Something of it did not.
        """

    @abstractmethod
    def thaw(self) -> None:
        """Let it go on; harmless where it does."""

    @abstractmethod
    def stop(self) -> bool:
        """Ask it to end; return whether it did in time, and had not to be killed."""

    @abstractmethod
    def start(self) -> None:
        """Start it again and wait until it is ready; harmless where it runs.

        Raises:
            RunError: It does not come up again.
        """

    @abstractmethod
    def answers(self) -> bool:
        """Return whether it answers within a second."""

    @abstractmethod
    def comebacks(self) -> Counted:
        """Return how often it came back, as it says itself or as was seen."""

    def undo_frozen(self) -> Undo:
        """Return what lets it go on should we be gone."""
        return Undo()

    def undo_down(self) -> Undo:
        """Return what starts it again should we be gone; nothing where it goes with us."""
        return Undo()


class ProcessVictim(Victim):
    """A process of the testbed, with everything that it started.

    Args:
        process: Started by us.
        address: Where it listens.
    """

    def __init__(self, process: ServiceProcess[Any], address: tuple[str, int]) -> None:
        self._process = process
        self._address = address
        self._comebacks = 0

    def kill(self) -> Counted:
        """Kill it and everything below it."""
        return gone(self._process.kill())

    def freeze(self) -> Counted:
        """Stop it and everything below it."""
        return freeze_all(self._process.name, self._process.family)

    def thaw(self) -> None:
        """Let all of it go on."""
        send(self._process.family(), signal.SIGCONT)

    def stop(self) -> bool:
        """Ask it to end, as at a deployment."""
        return self._process.stop()

    def start(self) -> None:
        """Start it again and wait until it is ready."""
        if self._process.is_running():
            self.thaw()  # what was to be killed may have been stopped before
            return
        self._process.stop()  # what ended by itself is not started before it is cleared away
        self._process.start()
        self._comebacks += 1

    def answers(self) -> bool:
        """Return whether it says anything to a request, or ends the connection."""
        return answers(self._address)

    def comebacks(self) -> Counted:
        """Return how often it was ready again."""
        return Counted(self._comebacks)

    def undo_frozen(self) -> Undo:
        """Return it; what it started is found below it."""
        return Undo(resume=self._process.family()[:1])


def answers(address: tuple[str, int]) -> bool:
    """Return whether somebody says something to a request, or ends the connection.

    A connection alone says nothing: the kernel takes it for a process that stands still. Whatever
    the protocol, a server that runs answers a request that is none of it, or hangs up.
    """
    try:
        with socket.create_connection(address, _ASK_S) as connection:
            connection.sendall(_QUESTION)
            connection.recv(1)
    except (ConnectionResetError, BrokenPipeError):
        return True
    except OSError:
        return False
    return True


def freeze_all(name: str, everyone: Callable[[], Sequence[ProcessRef]]) -> Counted:
    """Stop processes until no more are born, and each is seen to be stopped.

    Args:
        name: Whose they are, for the message.
        everyone: Lists them as they are now.

    Raises:
        RunError: They do not stop.
    """
    deadline = time.monotonic() + _FREEZE_TIMEOUT_S
    stopped: list[ProcessRef] = []
    # Repeated, because a child may be born while the list is made.
    while (found := list(everyone())) != stopped:
        send(found, signal.SIGSTOP)
        while any(lives(one) and state_of(one.pid) != "T" for one in found):
            if time.monotonic() > deadline:
                raise RunError(f"processes of {name} did not stop: {found}")
            time.sleep(_POLL_S)
        stopped = found
    return Counted(
        sum(state_of(one.pid) == "T" for one in stopped),
        detail=[f"pid {one.pid}" for one in stopped],
    )


def gone(victims: Sequence[ProcessRef]) -> Counted:
    """Return how many of some processes are there no more."""
    dead = [victim for victim in victims if not lives(victim)]
    return Counted(len(dead), detail=[f"pid {victim.pid}" for victim in dead])
