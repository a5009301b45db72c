"""What is said on a link, followed as far as its protocol is known: of plain TCP, nothing.

A conversation gets the bytes of both sides, and passes on what may be passed on. Whatever it passes
on is then shaped by the link's streams, so toxics of a protocol and toxics of bytes add up.
"""

from typing import Any, Protocol

from stressproof.faults.proxy.state import ProxyState
from stressproof.faults.proxy.stream import Ending
from stressproof.faults.proxy.toxics import Cut, Direction, LoseAnswer

# A record of TLS that begins a handshake: its type, any version 3.x, two bytes of length, and a
# ClientHello. A client sends one at the start of its bytes, or where it changes over to TLS.
_RECORD, _MAJOR, _CLIENT_HELLO = 0x16, 0x03, 0x01
_HELLO_BYTES = 6


class Channel(Protocol):
    """A link, as its conversation sees it."""

    number: int

    def pass_on(self, direction: Direction, data: bytes, *, not_before: float = 0.0) -> None:
        """Send bytes one way, at the earliest at a time of the loop's clock."""
        ...

    def pass_end(self, direction: Direction, ending: Ending = "end") -> None:
        """Say one way that nothing more will come, or close all of it, after what was passed on."""
        ...

    def waiting(self, direction: Direction) -> int:
        """Return how many bytes that were passed on have not left yet."""
        ...

    def block(self, direction: Direction, *, blocked: bool) -> None:
        """Stop or go on reading what is to go one way."""
        ...

    def silence(self) -> None:
        """Let nothing reach the client any more, not even an end."""
        ...

    def hurry(self) -> None:
        """Let what was passed on with a time leave now."""
        ...

    def cut(self, toxic: Cut, **details: Any) -> None:
        """Reset both sides, and count it for a toxic."""
        ...

    def reset(self) -> None:
        """Reset both sides."""
        ...


class Conversation:
    """Any protocol on TCP.

    Args:
        channel: That it is on.
        state: The toxics that apply, and where is counted.
    """

    def __init__(self, channel: Channel, state: ProxyState) -> None:
        self._channel = channel
        self._state = state
        self._encrypted = False
        self._sent = 0
        self._asked_until: int | None = None
        self._tail = b""

    @property
    def opaque(self) -> bool:
        """Whether it cannot be followed any more."""
        return self._encrypted

    @property
    def encrypted(self) -> bool:
        """Whether that is because of TLS."""
        return self._encrypted

    def upstream(self, data: bytes) -> None:
        """Take bytes from the client."""
        self.look_for_tls(data)
        self.ask(data)

    def downstream(self, data: bytes) -> None:
        """Take bytes from the server."""
        if not self.answer_lost():
            self._channel.pass_on("downstream", data)

    def finished(self, direction: Direction) -> None:
        """Take the end of what comes one way."""
        self._channel.pass_end(direction)

    def switched(self) -> None:
        """Look at other toxics."""

    def look_for_tls(self, data: bytes) -> None:
        """Notice a handshake that begins with these bytes."""
        if len(data) >= _HELLO_BYTES and data[0] == _RECORD and data[1] == _MAJOR:
            self._encrypted |= data[_HELLO_BYTES - 1] == _CLIENT_HELLO

    def ask(self, data: bytes) -> None:
        """Pass bytes on to the server, and notice the question whose answer is to be lost."""
        if not data:
            return
        start = self._sent
        self._sent += len(data)
        toxic = self._state.armed(LoseAnswer)
        if toxic is None or self.opaque or not self.may_lose():
            self._tail, self._asked_until = b"", None
        elif self._asked_until is None:
            self._find(toxic.contains.encode(), data, start)
        self._channel.pass_on("upstream", data)

    def may_lose(self) -> bool:
        """Return whether what the client sends now is a question."""
        return True

    def answer_lost(self) -> bool:
        """Cut the link where what comes now is an answer to be lost; return whether it was."""
        if self._asked_until is None:
            return False
        toxic = self._state.armed(LoseAnswer)
        if toxic is None or self.opaque:
            self._asked_until = None
            return False
        if self._sent - self._channel.waiting("upstream") < self._asked_until:
            return False  # the server has not been asked yet, so it answers something else
        self._channel.cut(toxic)
        return True

    def _find(self, text: bytes, data: bytes, start: int) -> None:
        """Note where the question ends that holds a text; it may have begun in bytes before."""
        searched = self._tail + data
        at = searched.find(text)
        if at >= 0:
            self._asked_until = start - len(self._tail) + at + len(text)
            self._tail = b""
        elif len(text) > 1:
            self._tail = searched[1 - len(text) :]
