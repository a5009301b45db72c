"""What a round's parent and its workers say to each other, over pipes.

A frame is four bytes of length and that many bytes of MessagePack.
"""

import msgspec
from msgspec import Struct

from stressproof.evidence.measurements import Latency
from stressproof.load.addresses import Address
from stressproof.load.flow_modules import FileUsed
from stressproof.load.recorder import RowDelta
from stressproof.load.samples import ErrorSample
from stressproof.load.self_monitor import WorkerHealth
from stressproof.load.steps import Step
from stressproof.workload.workload import Workload

_LENGTH_BYTES = 4


class Job(Struct, frozen=True, tag=True):
    """To a worker: what to do. It holds credentials, so it travels by pipe, not by argument."""

    workload: Workload
    addresses: list[Address]
    worker: int
    workers: int
    resolution_s: int


class Go(Struct, frozen=True, tag=True):
    """To a worker: begin at this moment of the monotonic clock, which all on a host share."""

    start_ns: int


class Stop(Struct, frozen=True, tag=True):
    """To a worker: begin nothing more, and end soon."""


class Ready(Struct, frozen=True, tag=True):
    """From a worker: it awaits `Go`."""


class Progress(Struct, frozen=True, tag=True):
    """From a worker: what was counted since the last message.

    Attributes:
        rows: What rows gained.
        samples: New failures in words.
        open_from: Seconds before this one gain nothing more from this worker.
        steps: Requests of flows that were new; each new `Step.key` is the worker's next endpoint.
    """

    rows: list[RowDelta]
    samples: list[ErrorSample]
    open_from: int
    steps: list[Step] = []


class Done(Struct, frozen=True, tag=True):
    """From a worker: its last message.

    Attributes:
        health: What it says of itself.
        connect: Times of TCP connections.
        tls: Times of handshakes.
        first_byte: Times from the send to the first byte of an answer.
        last_second: The last second of the measured window that began, -1 for none.
        opened: Connections by numeric address, the ramp's among them.
        resumed: Handshakes that resumed an earlier session.
        files: What its flows were read from.
    """

    health: WorkerHealth
    connect: Latency
    tls: Latency
    first_byte: Latency
    last_second: int
    opened: dict[str, int]
    resumed: int
    files: list[FileUsed] = []


class Refused(Struct, frozen=True, tag=True):
    """From a worker: the round is impossible.

    Attributes:
        exit_code: Of the error that says why.
        message: What was seen and expected.
        hint: What to do.
    """

    exit_code: int
    message: str
    hint: str


class Token(Struct, frozen=True, tag=True):
    """To a worker: be authorised by this token from now on."""

    value: str


ToWorker = Job | Go | Stop | Token
FromWorker = Ready | Progress | Done | Refused

_encoder = msgspec.msgpack.Encoder()


def frame(message: ToWorker | FromWorker) -> bytes:
    """Return a message as bytes."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Frames:
    """Cuts a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the bodies that are complete with these bytes."""
        self._buffer += data
        bodies = []
        while len(self._buffer) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if len(self._buffer) < end:
                break
            bodies.append(bytes(self._buffer[_LENGTH_BYTES:end]))
            del self._buffer[:end]
        return bodies


decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode
