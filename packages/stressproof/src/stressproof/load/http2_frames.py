"""Frames of HTTP/2 (RFC 9113, sections 4 and 6): what is on the wire, and its numbers."""

from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITISED = 0x4, 0x8, 0x20
TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME = range(1, 6)
"""Settings."""
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL = 0x1, 0x7, 0x8
ERRORS = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
HEAD_BYTES = 9
FRAME_BYTES = 16_384
"""The longest payload that needs nobody's consent."""
LARGEST = 2**31 - 1
"""The last stream, and the largest window."""

unpack_head = Struct(">HBBBI").unpack_from
"""Upper and lower part of the length, type, flags, stream."""
pack_head = Struct(">HBBBI").pack
unpack_settings = Struct(">HI").iter_unpack


class Http2Error(Exception):
    """The peer does not speak HTTP/2; the connection is of no more use."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    length = len(payload)
    return pack_head(length >> 8, length & 0xFF, kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    """Return a frame of settings."""
    payload = b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs)
    return frame(SETTINGS, 0, 0, payload)


def number(value: int) -> bytes:
    """Return what resets, window updates and goodbyes consist of."""
    return value.to_bytes(4, "big")


def unpadded(payload: bytes, flags: int) -> bytes:
    """Return what a frame of data or headers holds beside its padding.

    Raises:
        Http2Error: There is more padding than frame.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error("more padding than frame")
    return payload[1 : len(payload) - payload[0]]


def describe_error(code: int) -> str:
    """Return an error code's name."""
    return ERRORS[code] if code < len(ERRORS) else f"error {code}"
